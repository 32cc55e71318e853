#include "ramfs/log/log.h"

#include <fmt/core.h>

#include <stdexcept>

#include "client.h"
#include "commands.h"
#include "json.h"
#include "ramfs/base/units.h"

namespace ramfs::ctl {
namespace {

// Where to look: a mount that serves its log, or a directory.
struct Place {
  const MountRecord* mount;
  std::string directory;
};

Place find(const std::vector<MountRecord>& mounts, const std::string& named) {
  if (const MountRecord* mount = mount_at(mounts, named)) return {mount, mount->log};
  std::string directory = resolved(named);
  for (const MountRecord& mount : mounts) {
    if (resolved(mount.log) == directory) return {&mount, directory};
  }
  return {nullptr, directory};
}

double ratio(const LogStats& stats) {
  if (stats.stored_bytes == 0) return 1;
  return static_cast<double>(stats.record_bytes) / static_cast<double>(stats.stored_bytes);
}

Json to_json(const LogStats& stats) {
  return Json::object()
      .set("live_bytes", stats.live_bytes)
      .set("disk_bytes", stats.disk_bytes)
      .set("epochs", stats.epochs)
      .set("records", stats.records)
      .set("record_bytes", stats.record_bytes)
      .set("stored_bytes", stats.stored_bytes)
      .set("compression_ratio", ratio(stats))
      .set("written_bytes", stats.written_bytes)
      .set("syncs", stats.syncs);
}

void print(const LogStats& stats, bool mounted) {
  fmt::print("  to replay  {}\n", format_size(stats.live_bytes));
  fmt::print("  on disk    {} in {} epochs\n", format_size(stats.disk_bytes), stats.epochs);
  fmt::print("  records    {} with {}, stored as {} ({:.2f}:1)\n", stats.records,
             format_size(stats.record_bytes), format_size(stats.stored_bytes), ratio(stats));
  if (mounted) {
    fmt::print("  device     {} written, {} syncs since mount\n", format_size(stats.written_bytes),
               stats.syncs);
  }
}

uint64_t total_length(const std::vector<Extent>& extents) {
  uint64_t total = 0;
  for (const Extent& extent : extents) total += extent.length();
  return total;
}

Json ranges(const std::vector<Extent>& extents) {
  Json list = Json::array();
  for (const Extent& extent : extents) {
    list.add(Json::object().set("offset", extent.begin).set("length", extent.length()));
  }
  return list;
}

Json to_json(const LogDump& dump) {
  const LogRecord& record = dump.record;
  Json json = Json::object();
  json.set("lsn", static_cast<uint64_t>(dump.lsn)).set("file", record.file.to_string());
  json.set("size", record.size).set("mtime_ns", record.mtime.ns);
  json.set("low_water", record.low_water == UINT64_MAX ? Json() : Json(record.low_water));
  json.set("data", ranges(record.extents)).set("holes", ranges(record.holes));
  return json.set("stored_bytes", dump.stored_bytes).set("forgotten", dump.forgotten);
}

void print(const LogDump& dump) {
  const LogRecord& record = dump.record;
  fmt::print("{} file {} size {}", static_cast<uint64_t>(dump.lsn), record.file.to_string(),
             record.size);
  if (record.low_water != UINT64_MAX) fmt::print(", cut to {}", record.low_water);
  fmt::print(", data {} bytes in {} extents", total_length(record.extents), record.extents.size());
  if (!record.holes.empty()) {
    fmt::print(", holes {} bytes in {}", total_length(record.holes), record.holes.size());
  }
  fmt::print(", stored {} bytes{}\n", dump.stored_bytes, dump.forgotten ? ", forgotten" : "");
}

}  // namespace

int log_stats(const std::string& named, bool json) {
  std::vector<MountRecord> mounts = list_mounts();
  Place place = find(mounts, named.empty() ? find_mount("").mountpoint : named);
  LogStats stats = place.mount ? Client(place.mount->control).log_stats()
                               : read_log(place.directory, [](const LogDump&) {});
  if (json) {
    fmt::print("{}\n", to_json(stats).text());
    return kDone;
  }
  fmt::print("{}{}\n", place.directory, place.mount ? ", in use" : "");
  print(stats, place.mount != nullptr);
  return kDone;
}

int log_dump(const std::string& named, bool json) {
  std::vector<MountRecord> mounts = list_mounts();
  Place place = find(mounts, named.empty() ? find_mount("").mountpoint : named);
  Json list = Json::array();
  try {
    read_log(place.directory, [&](const LogDump& dump) {
      if (json) {
        list.add(to_json(dump));
      } else {
        print(dump);
      }
    });
  } catch (const std::runtime_error& error) {
    // Its daemon may drop a file while we read it.
    if (!place.mount) throw;
    throw CommandError(fmt::format("{}; the mount {} uses it just now, try again", error.what(),
                                   place.mount->mountpoint));
  }
  if (json) fmt::print("{}\n", list.text());
  return kDone;
}

}  // namespace ramfs::ctl
