#pragma once

#include <span>
#include <string>
#include <string_view>

namespace berth::cni {

/// A program that is part of this executable, under the file name it is found by.
struct Resident {
  std::string_view name;
  int (*main)(int argc, char** argv);
};

/// Called at the start of an executable that is many programs. `residents` lives for ever.
void set_residents(std::span<const Resident> residents);

/// The resident that running the file at `path` would start: one whose name it has, if the file is this very executable
///. nullptr if there is none, or if this process has, or had, other
/// threads: forking it is not safe then.
const Resident* find_resident(const std::string& path);

}  // namespace berth::cni
