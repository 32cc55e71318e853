#include <fmt/core.h>

#include "client.h"
#include "commands.h"
#include "json.h"
#include "ramfs/base/units.h"

namespace ramfs::ctl {
namespace {

Json to_json(const MountStatus& mount) {
  const Status& s = mount.status;
  Json json = Json::object();
  json.set("mount", mount.mount).set("backing", mount.backing);
  json.set("version", mount.version).set("pid", mount.pid);
  json.set("passthrough", mount.passthrough).set("io_uring", mount.io_uring);
  json.set("needs_attention", mount.needs_attention).set("recovering", s.recovering);
  json.set("last_error", s.last_error);
  json.set("arena", Json::object()
                        .set("budget_bytes", s.arena.budget_bytes)
                        .set("used_bytes", s.arena.used_bytes)
                        .set("files", s.arena.files));
  json.set("dirty", Json::object()
                        .set("bytes", s.dirty.bytes)
                        .set("oldest_seconds", s.dirty.oldest_seconds)
                        .set("files", s.dirty.files)
                        .set("limit_bytes", s.dirty.limit_bytes));
  json.set("log", Json::object()
                      .set("bytes", s.log.bytes)
                      .set("disk_bytes", s.log.disk_bytes)
                      .set("compression_ratio", s.log.compression_ratio));
  json.set("wear", Json::object()
                       .set("app_write_bytes", s.wear.app_write_bytes)
                       .set("log_write_bytes", s.wear.log_write_bytes)
                       .set("backing_write_bytes", s.wear.backing_write_bytes)
                       .set("absorbed_bytes", s.wear.absorbed_bytes));
  json.set("hits", Json::object()
                       .set("arena_opens", s.hits.arena_opens)
                       .set("backing_opens", s.hits.backing_opens)
                       .set("hit_rate", s.hits.hit_rate));
  json.set("errors", Json::object()
                         .set("writeback", s.errors.writeback)
                         .set("failing_files", s.errors.failing_files)
                         .set("commit", s.errors.commit)
                         .set("conflicts", s.errors.conflicts));
  json.set("inodes", Json::object()
                         .set("known", s.inodes.known)
                         .set("open_files", s.inodes.open_files)
                         .set("cached_descriptors", s.inodes.cached_descriptors));
  json.set("recovered", Json::object()
                            .set("log_records", s.recovered.log_records)
                            .set("arena_slots", s.recovered.arena_slots)
                            .set("bytes", s.recovered.bytes)
                            .set("damaged", s.recovered.damaged)
                            .set("milliseconds", s.recovered.milliseconds));
  return json;
}

void print_errors(const MountStatus& mount) {
  const Status& s = mount.status;
  if (s.errors.writeback + s.errors.commit + s.errors.conflicts != 0) {
    fmt::print("  errors     {} writebacks, {} commits, {} conflicts since mount\n",
               s.errors.writeback, s.errors.commit, s.errors.conflicts);
  }
  if (s.errors.failing_files != 0) {
    fmt::print("  attention  {} files cannot be written back; their data is kept\n",
               s.errors.failing_files);
  }
  if (!s.last_error.empty()) fmt::print("  attention  {}\n", s.last_error);
}

void print_recovered(const MountStatus& mount) {
  const auto& r = mount.status.recovered;
  if (r.log_records + r.arena_slots + r.damaged != 0) {
    fmt::print("  recovered  {} from {} log records and {} slots in {} ms", format_size(r.bytes),
               r.log_records, r.arena_slots, r.milliseconds);
    if (r.damaged != 0) fmt::print(", {} records were damaged", r.damaged);
    fmt::print("\n");
  }
  if (mount.status.recovering) fmt::print("  recovering what the last daemon left\n");
}

void print(const MountStatus& mount) {
  const Status& s = mount.status;
  fmt::print("{} over {}, ramfs {}, daemon {}\n", mount.mount, mount.backing, mount.version,
             mount.pid);
  fmt::print("  arena      {} of {} in {} files\n", format_size(s.arena.used_bytes),
             format_size(s.arena.budget_bytes), s.arena.files);
  fmt::print("  dirty      {} in {} files, oldest {} s; writeback at once above {}\n",
             format_size(s.dirty.bytes), s.dirty.files, s.dirty.oldest_seconds,
             format_size(s.dirty.limit_bytes));
  fmt::print("  log        {} to replay, {} on disk, compressed {:.2f}:1\n",
             format_size(s.log.bytes), format_size(s.log.disk_bytes), s.log.compression_ratio);
  fmt::print("  opens      {} from the arena, {} from the backing directory, hit rate {:.1f} %\n",
             s.hits.arena_opens, s.hits.backing_opens, s.hits.hit_rate * 100);
  fmt::print("  written    {} by applications, {} to the log, {} to backing files\n",
             format_size(s.wear.app_write_bytes), format_size(s.wear.log_write_bytes),
             format_size(s.wear.backing_write_bytes));
  fmt::print("  absorbed   {}\n", format_size(s.wear.absorbed_bytes));
  fmt::print("  inodes     {} known, {} open files, {} cached descriptors\n", s.inodes.known,
             s.inodes.open_files, s.inodes.cached_descriptors);
  fmt::print("  kernel     passthrough {}, io_uring {}\n", mount.passthrough, mount.io_uring);
  print_recovered(mount);
  print_errors(mount);
}

}  // namespace

int show_status(const std::string& mount, bool json) {
  MountStatus status = Client(find_mount(mount).control).status();
  if (json) {
    fmt::print("{}\n", to_json(status).text());
  } else {
    print(status);
  }
  return status.needs_attention ? kAttention : kDone;
}

}  // namespace ramfs::ctl
