#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <span>

#include "arena/ledger.h"
#include "ramfs/base/logging.h"
#include "ramfs/os/sys.h"

namespace ramfs {
namespace {

std::vector<uint64_t> find_segments(int directory) {
  std::vector<uint64_t> numbers;
  auto listing = sys::reopen(directory, O_RDONLY | O_DIRECTORY);
  if (!listing) return numbers;
  DIR* stream = ::fdopendir(listing->get());
  if (!stream) return numbers;
  listing->release();
  while (const dirent* item = ::readdir(stream)) {
    if (auto number = LedgerSegment::parse_file_name(item->d_name)) numbers.push_back(*number);
  }
  ::closedir(stream);
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

// Read and not mapped, so that a file of a wrong length can do no harm.
std::vector<LedgerCell> read_segment(int directory, const std::string& name) {
  std::vector<LedgerCell> cells;
  auto file = sys::open_at(directory, name.c_str(), O_RDONLY | O_NOFOLLOW);
  auto attributes = file ? sys::stat_fd(file->get()) : fail(file.error());
  if (!attributes) {
    log_warn("arena ledger: cannot open {}", name);
    return cells;
  }
  if (attributes->stx_size % sizeof(LedgerCell) != 0) {
    log_warn("arena ledger: {} ends in the middle of an entry", name);
  }
  cells.resize(attributes->stx_size / sizeof(LedgerCell));
  auto got = sys::read_at(file->get(), std::as_writable_bytes(std::span(cells)), 0);
  if (!got) log_warn("arena ledger: cannot read {}", name);
  cells.resize(got ? *got / sizeof(LedgerCell) : 0);
  return cells;
}

// False: the entry makes no sense.
bool apply_snapshot(LedgerContents& contents, std::span<const LedgerCell> entry) {
  const LedgerCell& first = entry.front();
  auto payload = std::as_bytes(entry.subspan(1));
  uint64_t key_bytes = first.begin;
  uint64_t extents = first.end;
  if (key_bytes > payload.size() || extents > payload.size() / sizeof(Extent)) return false;
  uint64_t padded_key = (key_bytes + 15) / 16 * 16;
  if (padded_key + extents * sizeof(Extent) > payload.size()) return false;

  LedgerSlot state;
  state.file = FileKey::from_bytes(
      std::string_view(reinterpret_cast<const char*>(payload.data()), key_bytes));
  state.noted = first.noted != 0;
  state.size = first.size;
  state.mtime = {first.mtime};
  for (uint64_t index = 0; index < extents; ++index) {
    Extent extent;
    std::memcpy(&extent, payload.data() + padded_key + index * sizeof extent, sizeof extent);
    if (extent.begin >= extent.end) return false;
    state.dirty.add(extent);
  }
  contents.slots.insert_or_assign(SlotId{first.slot}, std::move(state));
  return true;
}

bool apply(LedgerContents& contents, std::span<const LedgerCell> entry) {
  const LedgerCell& first = entry.front();
  if (first.kind() == CellKind::snapshot) return apply_snapshot(contents, entry);
  if (entry.size() != 1 || first.begin > first.end) return false;
  // Unknown slots are no damage: the segments with their beginning may be deleted already.
  auto found = contents.slots.find(SlotId{first.slot});
  LedgerSlot* state = found == contents.slots.end() ? nullptr : &found->second;
  switch (first.kind()) {
    case CellKind::write:
      if (state) state->apply_write({first.begin, first.end}, first.size, {first.mtime});
      return true;
    case CellKind::size:
      if (state) state->apply_size(first.size, {first.mtime});
      return true;
    case CellKind::clean:
      if (state) state->dirty.remove({first.begin, first.end});
      return true;
    case CellKind::discard:
      if (state) contents.slots.erase(found);
      return true;
    case CellKind::snapshot:
      break;
  }
  return false;
}

}  // namespace

LedgerContents read_ledger(int directory) {
  LedgerContents contents;
  contents.segments = find_segments(directory);
  for (uint64_t number : contents.segments) {
    std::string name = LedgerSegment::file_name(number);
    std::vector<LedgerCell> cells = read_segment(directory, name);
    std::span<const LedgerCell> rest(cells);
    while (!rest.empty() && rest.front().header != 0) {
      uint64_t length = rest.front().cells();
      if (!rest.front().has_magic() || length == 0 || length > rest.size() ||
          !apply(contents, rest.first(length))) {
        log_warn("arena ledger: {} is damaged at entry {}; the rest of it is ignored", name,
                 cells.size() - rest.size());
        break;
      }
      rest = rest.subspan(length);
    }
  }
  return contents;
}

}  // namespace ramfs
