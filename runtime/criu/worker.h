#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "criu/options.h"

/// CRIU (criu.org) does the work of `checkpoint` and `restore`: a program of the host, spoken to over a socket in the
/// messages of its rpc.proto. Its command line cannot hand over the terminal of a restored container.
namespace berth::runtime::criu {

/// What is run: `criu` of the PATH of our environment. Throws `exec: "criu": executable file not found in $PATH`.
std::string find_criu();
bool is_installed();

/// A point that CRIU has come to; it goes on when we have dealt with it.
struct Notification {
  std::string name;     ///< "post-dump", "setup-namespaces", "post-restore", …
  pid_t pid = 0;        ///< The container's first process, in some of them.
  base::Fd descriptor;  ///< With "orphan-pts-master": the master of the container's terminal.
};

enum class Task { kDump, kPreDump, kRestore };

/// One running `criu swrk`.
class Worker {
 public:
  using Listener = std::function<void(Notification&)>;

  struct Start {
    int clone_flags = 0;
    int cgroup = -1;                  ///< A cgroup v2 directory to start it in, or -1.
    bool own_streams = true;          ///< It has our standard streams, else /dev/null.
    std::vector<int> descriptors;     ///< Of ours; it finds them from kFirstDescriptor on, in this order.
    std::function<void()> preparing;  ///< Runs in its process before it is criu, and may throw.
  };
  static constexpr int kFirstDescriptor = 4;

  /// Returns when it runs. Throws std::runtime_error, SystemError.
  explicit Worker(const Start& start);
  /// Waits for its end.
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  pid_t pid() const { return pid_; }

  /// Throws if it is older than what is relied on.
  void require_version();
  /// Throws `criu is missing features: …` if this criu on this kernel cannot track changes of memory, or load pages
  /// when they are touched.
  void require_features(bool memory_tracking, bool lazy_pages);

  /// Does the task; nothing else can be asked afterwards. `log` is the path of its log file, for the error: `criu
  /// failed to dump …: ERRORS; see LOG`. What `listener` throws ends the task, and is thrown here.
  void run(Task task, const Options& options, const std::string& log, const Listener& listener);

 private:
  struct Received {
    Fields fields;
    base::Fd descriptor;
  };

  void send(const Message& message) const;
  Received receive();
  void finish();

  base::Fd socket_;
  pid_t pid_ = -1;
  std::string ended_;  ///< How, once that is known.
};

}  // namespace berth::runtime::criu
