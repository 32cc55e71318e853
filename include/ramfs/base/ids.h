#pragma once

#include <cstdint>

namespace ramfs {

enum class InodeId : uint64_t {};  // the kernel's node id; never reused while a daemon lives
enum class SlotId : uint64_t {};   // one file's data in the arena; never reused in one arena
enum class Lsn : uint64_t {};      // position in the log; grows, never reused, 0 is "none"

inline constexpr InodeId kRootInode{1};  // FUSE_ROOT_ID
inline constexpr Lsn kNoLsn{0};
inline constexpr SlotId kNoSlot{0};

}  // namespace ramfs
