# fish completion for ramfsctl(1).
function __ramfs_mounts
    awk '$3 == "fuse.ramfs" { print $2 }' /proc/self/mounts
end

set -l commands status sync umount which evict doctor log
complete -c ramfsctl -n "not __fish_seen_subcommand_from $commands" -f
complete -c ramfsctl -n "not __fish_seen_subcommand_from $commands" -a status -d "What the mount does"
complete -c ramfsctl -n "not __fish_seen_subcommand_from $commands" -a sync -d "Return when the data is in the backing files"
complete -c ramfsctl -n "not __fish_seen_subcommand_from $commands" -a umount -d "Sync, unmount, wait"
complete -c ramfsctl -n "not __fish_seen_subcommand_from $commands" -a which -d "Where a file is kept"
complete -c ramfsctl -n "not __fish_seen_subcommand_from $commands" -a evict -d "Give the RAM of files free"
complete -c ramfsctl -n "not __fish_seen_subcommand_from $commands" -a doctor -d "What works here and what to change"
complete -c ramfsctl -n "not __fish_seen_subcommand_from $commands" -a log -d "Show the log, mounted or not"
complete -c ramfsctl -n "__fish_seen_subcommand_from status umount doctor" -f -a "(__ramfs_mounts)"
complete -c ramfsctl -n "__fish_seen_subcommand_from log; and not __fish_seen_subcommand_from stats dump" -f -a "stats dump"
complete -c ramfsctl -l json -d "Print JSON"
complete -c ramfsctl -s h -l help -d "Show the options"
