# bash completion for ramfs(8) and ramfsctl(1).

_ramfs_options="allow_other arena= coherence= commit= control= default_permissions demote= dirty=
  durability= halflife= io_uring= log= logfile= loglevel= noatime passthrough= promote= ro rw
  slot_max= writeback="

_ramfs_values() {
  case $1 in
    durability) echo "backing log relaxed" ;;
    coherence) echo "exclusive open" ;;
    loglevel) echo "trace debug info warn error off" ;;
    passthrough | io_uring) echo "auto off" ;;
  esac
}

# A comma-separated list after -o: completes the last part of it.
_ramfs_option_list() {
  local done="" part=$1
  if [[ $part == *,* ]]; then
    done=${part%,*},
    part=${part##*,}
  fi
  if [[ $part == *=* ]]; then
    mapfile -t COMPREPLY < <(compgen -P "$done${part%%=*}=" -W "$(_ramfs_values "${part%%=*}")" -- "${part#*=}")
  else
    mapfile -t COMPREPLY < <(compgen -P "$done" -W "$_ramfs_options" -- "$part")
  fi
  compopt -o nospace
}

_ramfs() {
  local current previous words cword
  _get_comp_words_by_ref -n = -c current -p previous -w words -i cword
  case $previous in
    -o) _ramfs_option_list "$current" ;;
    *)
      if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "-d -f -h -o -V --help --version" -- "$current")
      else
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
        compopt -o filenames
      fi
      ;;
  esac
}

_ramfs_mounts() { awk '$3 == "fuse.ramfs" { print $2 }' /proc/self/mounts; }

_ramfsctl() {
  local current previous words cword
  _get_comp_words_by_ref -c current -p previous -w words -i cword
  local commands="doctor evict log status sync umount which"
  local command="" word
  for word in "${words[@]:1:cword-1}"; do
    if [[ " $commands " == *" $word "* ]]; then command=$word && break; fi
  done
  if [[ $current == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "--json --help --version" -- "$current")
    return
  fi
  case $command in
    "") mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$current") ;;
    status | umount | doctor) mapfile -t COMPREPLY < <(compgen -W "$(_ramfs_mounts)" -- "$current") ;;
    log)
      if [[ $previous == log ]]; then
        mapfile -t COMPREPLY < <(compgen -W "stats dump" -- "$current")
      else
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
        compopt -o filenames
      fi
      ;;
    *)
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      compopt -o filenames
      ;;
  esac
}

complete -F _ramfs ramfs
complete -F _ramfsctl ramfsctl
