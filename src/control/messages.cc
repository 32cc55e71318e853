#include "ramfs/control/messages.h"

#include "ramfs.pb.h"
#include "ramfs/core/status.h"
#include "ramfs/log/log.h"

namespace ramfs {

void fill(v1::StatusReply& message, const Status& status) {
  message.set_recovering(status.recovering);
  message.set_needs_attention(status.needs_attention());
  message.set_last_error(status.last_error);

  auto& arena = *message.mutable_arena();
  arena.set_budget_bytes(status.arena.budget_bytes);
  arena.set_used_bytes(status.arena.used_bytes);
  arena.set_files(status.arena.files);

  auto& dirty = *message.mutable_dirty();
  dirty.set_bytes(status.dirty.bytes);
  dirty.set_oldest_seconds(status.dirty.oldest_seconds);
  dirty.set_files(status.dirty.files);
  dirty.set_limit_bytes(status.dirty.limit_bytes);

  auto& log = *message.mutable_log();
  log.set_bytes(status.log.bytes);
  log.set_disk_bytes(status.log.disk_bytes);
  log.set_compression_ratio(status.log.compression_ratio);

  auto& wear = *message.mutable_wear();
  wear.set_app_write_bytes(status.wear.app_write_bytes);
  wear.set_log_write_bytes(status.wear.log_write_bytes);
  wear.set_backing_write_bytes(status.wear.backing_write_bytes);
  wear.set_absorbed_bytes(status.wear.absorbed_bytes);

  auto& hits = *message.mutable_hits();
  hits.set_arena_opens(status.hits.arena_opens);
  hits.set_backing_opens(status.hits.backing_opens);
  hits.set_hit_rate(status.hits.hit_rate);

  auto& errors = *message.mutable_errors();
  errors.set_writeback(status.errors.writeback);
  errors.set_failing_files(status.errors.failing_files);
  errors.set_commit(status.errors.commit);
  errors.set_conflicts(status.errors.conflicts);

  auto& inodes = *message.mutable_inodes();
  inodes.set_known(status.inodes.known);
  inodes.set_open_files(status.inodes.open_files);
  inodes.set_cached_descriptors(status.inodes.cached_descriptors);

  auto& recovered = *message.mutable_recovered();
  recovered.set_log_records(status.recovered.log_records);
  recovered.set_arena_slots(status.recovered.arena_slots);
  recovered.set_bytes(status.recovered.bytes);
  recovered.set_damaged(status.recovered.damaged);
  recovered.set_milliseconds(status.recovered.milliseconds);
}

Status to_status(const v1::StatusReply& message) {
  Status status;
  status.recovering = message.recovering();
  status.last_error = message.last_error();

  status.arena.budget_bytes = message.arena().budget_bytes();
  status.arena.used_bytes = message.arena().used_bytes();
  status.arena.files = message.arena().files();

  status.dirty.bytes = message.dirty().bytes();
  status.dirty.oldest_seconds = message.dirty().oldest_seconds();
  status.dirty.files = message.dirty().files();
  status.dirty.limit_bytes = message.dirty().limit_bytes();

  status.log.bytes = message.log().bytes();
  status.log.disk_bytes = message.log().disk_bytes();
  status.log.compression_ratio = message.log().compression_ratio();

  status.wear.app_write_bytes = message.wear().app_write_bytes();
  status.wear.log_write_bytes = message.wear().log_write_bytes();
  status.wear.backing_write_bytes = message.wear().backing_write_bytes();
  status.wear.absorbed_bytes = message.wear().absorbed_bytes();

  status.hits.arena_opens = message.hits().arena_opens();
  status.hits.backing_opens = message.hits().backing_opens();
  status.hits.hit_rate = message.hits().hit_rate();

  status.errors.writeback = message.errors().writeback();
  status.errors.failing_files = message.errors().failing_files();
  status.errors.commit = message.errors().commit();
  status.errors.conflicts = message.errors().conflicts();

  status.inodes.known = message.inodes().known();
  status.inodes.open_files = message.inodes().open_files();
  status.inodes.cached_descriptors = message.inodes().cached_descriptors();

  status.recovered.log_records = message.recovered().log_records();
  status.recovered.arena_slots = message.recovered().arena_slots();
  status.recovered.bytes = message.recovered().bytes();
  status.recovered.damaged = message.recovered().damaged();
  status.recovered.milliseconds = message.recovered().milliseconds();
  return status;
}

void fill(v1::FileStatus& message, const FileStatus& status) {
  message.set_home(status.home);
  message.set_binding(status.binding);
  message.set_heat(status.heat);
  message.set_size(status.size);
  message.set_arena_bytes(status.arena_bytes);
  message.set_dirty_bytes(status.dirty_bytes);
  message.set_uncommitted_bytes(status.uncommitted_bytes);
  message.set_open_handles(status.open_handles);
}

FileStatus to_file_status(const v1::FileStatus& message) {
  FileStatus status;
  status.home = message.home();
  status.binding = message.binding();
  status.heat = message.heat();
  status.size = message.size();
  status.arena_bytes = message.arena_bytes();
  status.dirty_bytes = message.dirty_bytes();
  status.uncommitted_bytes = message.uncommitted_bytes();
  status.open_handles = message.open_handles();
  return status;
}

void fill(v1::LogStatsReply& message, const LogStats& stats) {
  message.set_live_bytes(stats.live_bytes);
  message.set_disk_bytes(stats.disk_bytes);
  message.set_epochs(stats.epochs);
  message.set_records(stats.records);
  message.set_record_bytes(stats.record_bytes);
  message.set_stored_bytes(stats.stored_bytes);
  message.set_written_bytes(stats.written_bytes);
  message.set_syncs(stats.syncs);
}

LogStats to_log_stats(const v1::LogStatsReply& message) {
  LogStats stats;
  stats.live_bytes = message.live_bytes();
  stats.disk_bytes = message.disk_bytes();
  stats.epochs = message.epochs();
  stats.records = message.records();
  stats.record_bytes = message.record_bytes();
  stats.stored_bytes = message.stored_bytes();
  stats.written_bytes = message.written_bytes();
  stats.syncs = message.syncs();
  return stats;
}

}  // namespace ramfs
