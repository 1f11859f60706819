#pragma once

#include <string>
#include <vector>

#include "base/rollback.h"

namespace berth::runtime {

/// The files of one cgroup directory that hold limits.
class LimitFiles {
 public:
  /// With `undo` every write registers a step there that puts the kernel's value of before back.
  explicit LimitFiles(std::string directory, base::Rollback* undo = nullptr)
      : directory_(std::move(directory)), undo_(undo) {}

  /// Writes a limit; the error names `key` (below linux.resources), file and value. A missing file means that the
  /// controller is missing: `linux.resources.KEY: the cgroup controller of FILE is not available`.
  void write(const std::string& file, const std::string& value, const std::string& key) const;

  bool has(const std::string& file) const;
  /// What is in a file, without the line break at its end. Throws base::SystemError.
  std::string read(const std::string& file) const;

 private:
  std::string directory_;
  base::Rollback* undo_;
};

/// What has to be written to a limit file, in this order, to take back that `value` was written when it read `before`.
/// Files of settings for each device ("8:0 rbps=max …") keep their other devices.
std::vector<std::string> taking_back(const std::string& file, const std::string& before, const std::string& value);

}  // namespace berth::runtime
