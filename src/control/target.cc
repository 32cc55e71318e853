#include "ramfs/control/server.h"
#include "ramfs/core/filesystem.h"

namespace ramfs {
namespace {

ControlTarget target_of(Filesystem& filesystem) {
  ControlTarget target;
  target.status = [&] { return filesystem.status(); };
  target.which = [&](const std::string& path) { return filesystem.which(path); };
  target.sync = [&](const auto& progress) { return filesystem.sync(progress); };
  target.sync_path = [&](const std::string& path) { return filesystem.sync_path(path); };
  target.flush_everything = [&](const auto& progress) {
    return filesystem.flush_everything(progress);
  };
  target.evict = [&](const std::string& path) { return filesystem.evict(path); };
  return target;
}

}  // namespace

ControlServer::ControlServer(const ControlOptions& options, Filesystem& filesystem)
    : ControlServer(options, target_of(filesystem)) {}

}  // namespace ramfs
