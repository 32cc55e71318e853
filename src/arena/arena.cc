#include "ramfs/arena/arena.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <map>
#include <optional>
#include <system_error>

#include <absl/container/flat_hash_set.h>
#include <fmt/core.h>

#include "arena/arena_directory.h"
#include "arena/ledger.h"
#include "ramfs/base/logging.h"
#include "ramfs/os/sys.h"

namespace ramfs {
namespace {

constexpr const char* kSlotsDirectory = "slots";
constexpr size_t kMostDescriptors = 1000;

size_t descriptor_capacity() {
  struct rlimit limit;
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 64;
  return std::clamp<size_t>(limit.rlim_cur / 8, 16, kMostDescriptors);
}

std::string slot_name(SlotId slot) {
  return fmt::format("{:x}", static_cast<uint64_t>(slot));
}

std::optional<SlotId> parse_slot_name(std::string_view name) {
  uint64_t number = 0;
  auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number, 16);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return SlotId{number};
}

Fd open_slots(int directory) {
  if (::mkdirat(directory, kSlotsDirectory, 0700) != 0 && errno != EEXIST) {
    throw std::system_error(errno, std::generic_category(), "cannot make the arena's slots");
  }
  auto slots = sys::open_at(directory, kSlotsDirectory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!slots) {
    throw std::system_error(static_cast<int>(slots.error()), std::generic_category(),
                            "cannot open the arena's slots");
  }
  return std::move(*slots);
}

absl::flat_hash_set<SlotId> list_slots(int slots_directory) {
  absl::flat_hash_set<SlotId> slots;
  auto listing = sys::reopen(slots_directory, O_RDONLY | O_DIRECTORY);
  DIR* stream = listing ? ::fdopendir(listing->get()) : nullptr;
  if (!stream) {
    throw std::system_error(errno, std::generic_category(), "cannot list the arena's slots");
  }
  listing->release();
  while (const dirent* item = ::readdir(stream)) {
    if (auto slot = parse_slot_name(item->d_name)) slots.insert(*slot);
  }
  ::closedir(stream);
  return slots;
}

}  // namespace

struct Arena::Impl {
  explicit Impl(const ArenaOptions& options)
      : directory(options), slots(open_slots(directory.get())), files(descriptor_capacity()) {
    LedgerContents contents = read_ledger(directory.get());
    keep_what_is_whole(contents);
    ledger.emplace(directory.get(), options.ledger_bytes, std::move(contents));
  }

  void keep_what_is_whole(LedgerContents& contents);
  void remove_files();

  ArenaDirectory directory;
  Fd slots;
  FdCache files;
  std::optional<Ledger> ledger;
  std::atomic<uint64_t> next_slot{1};
};

// A survivor has a file and a history. The death came between the two for all others: their
// creation or their end was under way, and nobody was told of a write.
void Arena::Impl::keep_what_is_whole(LedgerContents& contents) {
  absl::flat_hash_set<SlotId> files_found = list_slots(slots.get());
  uint64_t largest = 0;
  for (SlotId slot : files_found) largest = std::max(largest, static_cast<uint64_t>(slot));
  next_slot = largest + 1;

  std::erase_if(contents.slots, [&](const auto& item) {
    return !item.second.noted || !files_found.contains(item.first);
  });
  for (SlotId slot : files_found) {
    if (contents.slots.contains(slot)) continue;
    ::unlinkat(slots.get(), slot_name(slot).c_str(), 0);
  }
}

// Called with no slot left and the ledger closed.
void Arena::Impl::remove_files() {
  files.shrink();
  for (uint64_t number : read_ledger(directory.get()).segments) {
    ::unlinkat(directory.get(), LedgerSegment::file_name(number).c_str(), 0);
  }
  slots.reset();
  ::unlinkat(directory.get(), kSlotsDirectory, AT_REMOVEDIR);
  directory.remove();
}

Arena::Arena(const ArenaOptions& options)
    : budget_(options.budget_bytes), impl_(std::make_unique<Impl>(options)) {}

Arena::~Arena() {
  bool empty = impl_->ledger->count() == 0;
  impl_->ledger.reset();
  if (empty) impl_->remove_files();
}

std::vector<SurvivingSlot> Arena::survivors() {
  std::vector<SurvivingSlot> result;
  for (auto& [slot, state] : impl_->ledger->slots()) {
    result.push_back({slot, state.file, state.size, state.mtime, state.dirty});
  }
  std::sort(result.begin(), result.end(),
            [](const auto& left, const auto& right) { return left.slot < right.slot; });
  return result;
}

Result<SlotId> Arena::create(const FileKey& file) {
  SlotId slot{impl_->next_slot.fetch_add(1, std::memory_order_relaxed)};
  std::string name = slot_name(slot);
  auto opened = impl_->files.get(static_cast<uint64_t>(slot), [&] {
    return sys::open_at(impl_->slots.get(), name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
  });
  if (!opened) return fail(opened.error());
  auto written_down = impl_->ledger->create(slot, file);
  if (!written_down) {
    impl_->files.drop(static_cast<uint64_t>(slot));
    ::unlinkat(impl_->slots.get(), name.c_str(), 0);
    return fail(written_down.error());
  }
  return slot;
}

void Arena::discard(SlotId slot) {
  impl_->ledger->discard(slot);
  impl_->files.drop(static_cast<uint64_t>(slot));
  ::unlinkat(impl_->slots.get(), slot_name(slot).c_str(), 0);
}

Result<FdLease> Arena::open(SlotId slot) {
  return impl_->files.get(static_cast<uint64_t>(slot), [&] {
    return sys::open_at(impl_->slots.get(), slot_name(slot).c_str(), O_RDWR | O_NOFOLLOW);
  });
}

void Arena::note_write(SlotId slot, Extent extent, uint64_t size, Timestamp mtime) {
  impl_->ledger->note_write(slot, extent, size, mtime);
}

void Arena::note_size(SlotId slot, uint64_t size, Timestamp mtime) {
  impl_->ledger->note_size(slot, size, mtime);
}

void Arena::note_clean(SlotId slot, const ExtentSet& extents) {
  impl_->ledger->note_clean(slot, extents);
}

bool Arena::try_charge(uint64_t bytes) {
  uint64_t used = used_.load(std::memory_order_relaxed);
  while (used <= budget_bytes() && bytes <= budget_bytes() - used) {
    if (used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed)) return true;
  }
  return false;
}

void Arena::charge(uint64_t bytes) {
  used_.fetch_add(bytes, std::memory_order_relaxed);
}

void Arena::uncharge(uint64_t bytes) {
  used_.fetch_sub(bytes, std::memory_order_relaxed);
}

size_t Arena::slots() const {
  return impl_->ledger->count();
}

}  // namespace ramfs
