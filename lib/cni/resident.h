#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace berth::cni {

/// A program that is part of this executable, under the file name it is found by.
struct Resident {
  std::string_view name;
  int (*main)(int argc, char** argv);
  /// For a plugin: does what `environ` and `input` ask for in this process, and returns what the program would have
  /// printed; throws Error. Else nullptr.
  std::string (*call)(const std::string& input) = nullptr;
};

/// Called at the start of an executable that is many programs. `residents` lives for ever.
void set_residents(std::span<const Resident> residents);

/// The resident that running the file at `path` would start: one whose name it has, if the file is this very
/// executable. nullptr if there is none, or if this process has, or had, other threads: neither forking it nor another
/// environment is safe then.
const Resident* find_resident(const std::string& path);

/// What the plugin at `path` prints with this environment and stdin, called within this process if it is a resident;
/// nullopt if it must be started. Throws what the plugin does (Error).
std::optional<std::string> call_resident(const std::string& path, const std::vector<std::string>& env,
                                         const std::string& input);

}  // namespace berth::cni
