#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <string>

#include "base/fd.h"

namespace berth::bench {

/// Looks 4000 times a second at what each busy processor does (perf record -e cpu-clock), and sorts it by the part of
/// the kernel that it is in.
class Profiler {
 public:
  static bool is_there();

  /// Keeps its files in a directory of its own below `directory`. Throws if perf does not start.
  explicit Profiler(const std::string& directory);
  ~Profiler();
  Profiler(const Profiler&) = delete;
  Profiler& operator=(const Profiler&) = delete;

  /// Looks while `work` is done, and not before or after.
  void during(const std::function<void()>& work);

  /// Milliseconds of processor time by part, of all that was done during(): what this process, perf and idle
  /// processors spent is left out. Ends it.
  std::map<std::string, double> finish();

 private:
  void tell(const std::string& command);
  void end();

  std::string directory_;
  pid_t perf_ = -1;
  base::Fd control_;
  base::Fd answers_;
};

}  // namespace berth::bench
