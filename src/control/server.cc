#include "ramfs/control/server.h"

#include <fmt/core.h>
#include <grpc/support/log.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server_posix.h>
#include <unistd.h>

#include <cstring>
#include <optional>
#include <stdexcept>
#include <utility>

#include "listener.h"
#include "ramfs.grpc.pb.h"
#include "ramfs/base/logging.h"
#include "ramfs/control/messages.h"

namespace ramfs {
namespace {

// A handful of people and a monitor: more than this is refused, not served.
constexpr int kThreadsMax = 12;
constexpr size_t kMemoryMax = 8 << 20;
constexpr int kRequestBytesMax = 1 << 20;

grpc::Status answer(const Result<void>& result, const std::string& path = {}) {
  if (result) return grpc::Status::OK;
  const char* reason = std::strerror(static_cast<int>(result.error()));
  return {grpc::StatusCode::ABORTED, path.empty() ? reason : fmt::format("{}: {}", path, reason)};
}

class Service final : public v1::Control::Service {
 public:
  Service(ControlOptions options, ControlTarget target)
      : options_(std::move(options)), target_(std::move(target)) {}

  grpc::Status Status(grpc::ServerContext*, const v1::StatusRequest*,
                      v1::StatusReply* reply) override {
    fill(*reply, target_.status());
    reply->set_mount(options_.mountpoint);
    reply->set_backing(options_.backing);
    reply->set_version(options_.version);
    reply->set_pid(::getpid());
    // All I/O comes to the daemon, by /dev/fuse.
    reply->set_passthrough("off");
    reply->set_io_uring("off");
    return grpc::Status::OK;
  }

  grpc::Status Sync(grpc::ServerContext*, const v1::SyncRequest* request,
                    grpc::ServerWriter<v1::Progress>* writer) override {
    if (request->paths().empty()) return answer(target_.sync(progress_to(*writer)));
    for (const std::string& path : request->paths()) {
      if (auto done = target_.sync_path(path); !done) return answer(done, path);
    }
    return grpc::Status::OK;
  }

  grpc::Status Unmount(grpc::ServerContext*, const v1::UnmountRequest* request,
                       grpc::ServerWriter<v1::Progress>* writer) override {
    auto done = target_.flush_everything(progress_to(*writer));
    if (done || request->force()) options_.unmount();
    return answer(done);
  }

  grpc::Status Which(grpc::ServerContext*, const v1::WhichRequest* request,
                     v1::WhichReply* reply) override {
    for (const std::string& path : request->paths()) {
      v1::FileStatus& file = *reply->add_files();
      file.set_path(path);
      if (auto found = target_.which(path)) {
        fill(file, *found);
      } else {
        file.set_error(static_cast<int>(found.error()));
      }
    }
    return grpc::Status::OK;
  }

  grpc::Status Evict(grpc::ServerContext*, const v1::EvictRequest* request,
                     v1::EvictReply* reply) override {
    for (const std::string& path : request->paths()) {
      auto& file = *reply->add_files();
      file.set_path(path);
      auto done = target_.sync_path(path);
      if (done) done = target_.evict(path);
      if (!done) file.set_error(static_cast<int>(done.error()));
    }
    return grpc::Status::OK;
  }

  grpc::Status LogStats(grpc::ServerContext*, const v1::LogStatsRequest*,
                        v1::LogStatsReply* reply) override {
    if (!options_.log_stats) {
      return {grpc::StatusCode::FAILED_PRECONDITION, "this mount has no log"};
    }
    fill(*reply, options_.log_stats());
    return grpc::Status::OK;
  }

 private:
  // A caller who has gone hears nothing more; the work goes on.
  static ControlTarget::Progress progress_to(grpc::ServerWriter<v1::Progress>& writer) {
    return [&writer](const WritebackProgress& progress) {
      v1::Progress message;
      message.set_files_left(progress.files_left);
      message.set_bytes_left(progress.bytes_left);
      writer.Write(message);
    };
  }

  const ControlOptions options_;
  const ControlTarget target_;
};

void log_of_grpc(gpr_log_func_args* args) {
  log_debug("grpc: {}", args->message);
}

}  // namespace

struct ControlServer::Impl {
  Impl(const ControlOptions& options, ControlTarget target)
      : service(options, std::move(target)), server(start()) {
    if (!server) throw std::runtime_error("control: gRPC does not start");
    listener.emplace(options.socket, [this](Fd connection) {
      grpc::AddInsecureChannelFromFd(server.get(), connection.release());
    });
  }
  ~Impl() {
    listener.reset();
    if (server) server->Shutdown(std::chrono::system_clock::now());
  }

  std::unique_ptr<grpc::Server> start() {
    gpr_set_log_function(log_of_grpc);
    grpc::ResourceQuota quota("control");
    quota.Resize(kMemoryMax).SetMaxThreads(kThreadsMax);
    grpc::ServerBuilder builder;
    builder.SetResourceQuota(quota)
        .SetMaxReceiveMessageSize(kRequestBytesMax)
        .SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1)
        .SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1)
        .SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 2)
        .RegisterService(&service);
    return builder.BuildAndStart();
  }

  Service service;
  std::unique_ptr<grpc::Server> server;
  std::optional<Listener> listener;
};

ControlServer::ControlServer(const ControlOptions& options, ControlTarget target)
    : impl_(std::make_unique<Impl>(options, std::move(target))) {}
ControlServer::~ControlServer() = default;

}  // namespace ramfs
