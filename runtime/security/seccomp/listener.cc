#include "security/seccomp/listener.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <string>

#include "base/error.h"
#include "base/json.h"
#include "base/unix_socket.h"

namespace berth::runtime {

namespace {

std::string process_state(const oci::Seccomp& profile, const oci::State& state, pid_t pid) {
  base::Json json;
  json["ociVersion"] = oci::kSpecVersion;
  json["fds"] = base::Json::array({"seccompFd"});
  json["pid"] = pid;
  if (!profile.listener_metadata.empty()) json["metadata"] = profile.listener_metadata;
  json["state"] = base::Json::parse(state.to_hook_json());
  return json.dump(-1, ' ', false, base::Json::error_handler_t::replace);
}

}  // namespace

void pass_listener(const SyncChannel& sync, const base::Fd& pidfd, const oci::Seccomp& profile, const oci::State& state,
                   pid_t pid) {
  const int number = std::stoi(sync.expect(Step::kListening));
  const auto taken = ::syscall(SYS_pidfd_getfd, pidfd.get(), number, 0);
  const base::Fd listener(static_cast<int>(base::check(taken, "take the seccomp listener from the container")));
  const auto agent = base::connect_unix_socket(profile.listener_path, "the seccomp agent (linux.seccomp.listenerPath)");
  base::send_descriptor(agent, listener, process_state(profile, state, pid),
                        "the listener to the seccomp agent at " + profile.listener_path);
  sync.send(Step::kDelivered);
}

void offer_listener(const SyncChannel& sync, base::Fd listener) {
  sync.send(Step::kListening, std::to_string(listener.get()));
  sync.expect(Step::kDelivered);
}

}  // namespace berth::runtime
