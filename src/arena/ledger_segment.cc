#include "arena/ledger_segment.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

#include <fmt/core.h>

#include "ramfs/os/sys.h"

namespace ramfs {
namespace {

constexpr std::string_view kPrefix = "ledger.";
constexpr size_t kPageCells = 4096 / sizeof(LedgerCell);

}  // namespace

Result<std::unique_ptr<LedgerSegment>> LedgerSegment::create(int directory, uint64_t number,
                                                             size_t cells) {
  cells = (cells + kPageCells - 1) / kPageCells * kPageCells;
  size_t bytes = cells * sizeof(LedgerCell);
  std::string name = file_name(number);
  auto file = sys::open_at(directory, name.c_str(), O_RDWR | O_CREAT | O_EXCL, 0600);
  if (!file) return fail(file.error());

  int error = 0;
  void* memory = MAP_FAILED;
  auto allocated = sys::allocate(file->get(), 0, {0, bytes});
  if (allocated) {
    // Populated: an append must not wait for page faults.
    memory =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file->get(), 0);
    error = errno;
  } else {
    error = static_cast<int>(allocated.error());
  }
  if (memory == MAP_FAILED) {
    ::unlinkat(directory, name.c_str(), 0);
    return fail(error);
  }
  return std::unique_ptr<LedgerSegment>(
      new LedgerSegment(number, static_cast<LedgerCell*>(memory), cells));
}

LedgerSegment::~LedgerSegment() {
  ::munmap(cells_, capacity_ * sizeof(LedgerCell));
}

LedgerCell* LedgerSegment::reserve(size_t cells) {
  if (!has_room(cells)) return nullptr;
  LedgerCell* result = cells_ + used_;
  used_ += cells;
  return result;
}

std::string LedgerSegment::file_name(uint64_t number) {
  return fmt::format("{}{:016x}", kPrefix, number);
}

std::optional<uint64_t> LedgerSegment::parse_file_name(std::string_view name) {
  if (!name.starts_with(kPrefix)) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  uint64_t number = 0;
  auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number, 16);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return number;
}

}  // namespace ramfs
