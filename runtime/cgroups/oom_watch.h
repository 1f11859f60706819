#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/fd.h"

namespace berth::runtime {

/// Notices when the OOM killer strikes in a cgroup.
class OomWatch {
 public:
  /// `paths`: Cgroup::paths(). Without the memory controller nothing is ever noticed.
  static std::unique_ptr<OomWatch> on(const std::map<std::string, std::string>& paths);
  virtual ~OomWatch() = default;

  /// For poll(2): POLLIN or POLLPRI come up when something may have happened. -1: never.
  int fd() const { return fd_.get(); }
  /// True if the OOM killer struck since the last call; does not wait.
  virtual bool struck() = 0;

 protected:
  explicit OomWatch(base::Fd fd) : fd_(std::move(fd)) {}
  base::Fd fd_;
};

}  // namespace berth::runtime
