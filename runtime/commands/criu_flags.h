#pragma once

#include <string>
#include <vector>

#include "commands/command_line.h"
#include "container/lifecycle.h"

namespace berth::runtime {

/// The flags that `checkpoint` and `restore` have in common.
class CriuFlags {
 public:
  void define(CommandLine& line);
  /// What they say. Throws std::runtime_error for what no flag takes.
  CriuOptions options() const;

 private:
  CriuOptions options_;
  std::string image_path_, work_path_, cgroups_mode_;
  std::vector<std::string> empty_namespaces_;
};

/// CRIU needs root's rights on the host, and says little when it lacks them.
void warn_without_root();

}  // namespace berth::runtime
