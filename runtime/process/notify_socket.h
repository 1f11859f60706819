#pragma once

#include <sys/types.h>

#include <string>

#include "base/fd.h"
#include "oci/config.h"

namespace berth::runtime {

/// Readiness of a container's service (sd_notify(3)) for the service manager that runs us: the container gets a socket
/// of its own, and what it says of being ready is passed on to our NOTIFY_SOCKET, with the process that the manager is
/// to watch. Nothing else gets out (oci-runtime.md 3.3).
class NotifySocket {
 public:
  /// Our NOTIFY_SOCKET, or "".
  static std::string of_environment();

  /// Makes the directory that the container will see, below the container's state directory.
  static void make_directory(const std::string& state_directory);
  /// Mounts it at /run/notify and sets NOTIFY_SOCKET of the process.
  static void add_to(oci::Config& config, const std::string& state_directory);
  /// True if the container was made with such a directory.
  static bool is_wanted(const std::string& state_directory);

  /// Listens for the container and connects to `host` ("@NAME": an abstract socket). Throws SystemError naming the
  /// path.
  NotifySocket(const std::string& state_directory, const std::string& host);

  /// Readable when the container has said something.
  const base::Fd& fd() const { return container_; }
  /// Takes what it has said; true once it was ready, and that was passed on with MAINPID=`main_pid`.
  bool forward(pid_t main_pid);
  /// Waits until it is ready or `process` has ended, and until the manager has taken notice: we may end then.
  void forward_until_ready(const base::Fd& process, pid_t main_pid);

 private:
  void say(const std::string& text) const;
  void wait_for_manager() const;

  base::Fd container_;
  base::Fd host_;
};

}  // namespace berth::runtime
