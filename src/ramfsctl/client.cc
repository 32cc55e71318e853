#include "client.h"

#include <fmt/core.h>
#include <grpc/support/log.h>
#include <grpcpp/create_channel_posix.h>
#include <grpcpp/grpcpp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <chrono>
#include <cstring>

#include "ramfs.grpc.pb.h"
#include "ramfs/control/messages.h"
#include "ramfs/os/fd.h"

namespace ramfs::ctl {
namespace {

constexpr std::chrono::seconds kAnswerWithin(20);

Fd connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    throw Unreachable(fmt::format("control socket {}: the path is longer than 107 bytes", path));
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket ||
      ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    const char* advice = errno == EACCES || errno == EPERM
                             ? "; the mount is another user's, ask as that user or root"
                             : "; is its daemon running?";
    throw Unreachable(fmt::format("control socket {}: {}{}", path, std::strerror(errno), advice));
  }
  return socket;
}

pid_t peer_of(const Fd& socket) {
  ucred peer{};
  socklen_t length = sizeof peer;
  ::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length);
  return peer.pid;
}

void check(const grpc::Status& status) {
  if (status.ok()) return;
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      throw Unreachable("the daemon closed the connection");
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      throw Unreachable("the daemon does not answer");
    case grpc::StatusCode::UNIMPLEMENTED:
      throw std::runtime_error("the daemon is of another version and does not know this command");
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      throw std::runtime_error("the daemon serves too many calls at once; try again");
    default:
      throw std::runtime_error(status.error_message());
  }
}

template <class Request>
Request with_paths(const std::vector<std::string>& paths) {
  Request request;
  for (const std::string& path : paths) request.add_paths(path);
  return request;
}

void drain(grpc::ClientReader<v1::Progress>& reader, const Client::Progress& progress) {
  v1::Progress message;
  while (reader.Read(&message)) progress({message.files_left(), message.bytes_left()});
  check(reader.Finish());
}

}  // namespace

struct Client::Impl {
  // One call that answers at once.
  template <class Reply, class Method, class Request>
  Reply ask(Method method, const Request& request) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kAnswerWithin);
    Reply reply;
    check((stub.get()->*method)(&context, request, &reply));
    return reply;
  }

  std::unique_ptr<v1::Control::Stub> stub;
};

Client::Client(const std::string& socket) : impl_(std::make_unique<Impl>()) {
  // Failures come back as statuses; gRPC's own words about them would only confuse.
  gpr_set_log_function([](gpr_log_func_args*) {});
  Fd connection = connect_to(socket);
  daemon_ = peer_of(connection);
  impl_->stub =
      v1::Control::NewStub(grpc::CreateInsecureChannelFromFd("ramfs", connection.release()));
}

Client::~Client() = default;

MountStatus Client::status() {
  auto reply = impl_->ask<v1::StatusReply>(&v1::Control::Stub::Status, v1::StatusRequest());
  MountStatus result;
  result.mount = reply.mount();
  result.backing = reply.backing();
  result.version = reply.version();
  result.passthrough = reply.passthrough();
  result.io_uring = reply.io_uring();
  result.pid = static_cast<pid_t>(reply.pid());
  result.needs_attention = reply.needs_attention();
  result.status = to_status(reply);
  return result;
}

void Client::sync(const std::vector<std::string>& paths, const Progress& progress) {
  grpc::ClientContext context;
  drain(*impl_->stub->Sync(&context, with_paths<v1::SyncRequest>(paths)), progress);
}

void Client::unmount(bool force, const Progress& progress) {
  grpc::ClientContext context;
  v1::UnmountRequest request;
  request.set_force(force);
  drain(*impl_->stub->Unmount(&context, request), progress);
}

std::vector<FileAnswer> Client::which(const std::vector<std::string>& paths) {
  auto reply =
      impl_->ask<v1::WhichReply>(&v1::Control::Stub::Which, with_paths<v1::WhichRequest>(paths));
  std::vector<FileAnswer> result;
  for (const auto& file : reply.files()) {
    result.push_back({file.path(), file.error(), to_file_status(file)});
  }
  return result;
}

std::vector<FileAnswer> Client::evict(const std::vector<std::string>& paths) {
  // No deadline: what is dirty is written back first.
  grpc::ClientContext context;
  v1::EvictReply reply;
  check(impl_->stub->Evict(&context, with_paths<v1::EvictRequest>(paths), &reply));
  std::vector<FileAnswer> result;
  for (const auto& file : reply.files()) result.push_back({file.path(), file.error(), {}});
  return result;
}

LogStats Client::log_stats() {
  return to_log_stats(
      impl_->ask<v1::LogStatsReply>(&v1::Control::Stub::LogStats, v1::LogStatsRequest()));
}

}  // namespace ramfs::ctl
