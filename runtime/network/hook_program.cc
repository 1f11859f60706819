#include "network/hook_program.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <vector>

#include "security/self_exe.h"

namespace berth::runtime {

namespace {

std::string own_directory() {
  return std::filesystem::path(own_executable()).parent_path().string();
}

}  // namespace

std::string find_hook(const std::string& name, const char* variable) {
  std::vector<std::string> places;
  const char* named = std::getenv(variable);
  if (named != nullptr && *named != '\0') {
    // Hooks have absolute paths, whatever the directory they are run in.
    places.push_back(std::filesystem::absolute(named).string());
  } else {
    const auto here = own_directory();
    places.push_back(here + "/" + name);
    places.push_back((std::filesystem::path(here) / "../libexec/berth" / name).lexically_normal().string());
    places.push_back("/usr/local/libexec/berth/" + name);
  }
  std::string list;
  for (const auto& place : places) {
    if (::access(place.c_str(), X_OK) == 0) return place;
    list += (list.empty() ? "" : ", ") + place;
  }
  throw std::runtime_error("--network and --publish need the " + name + " program, which is not in " + list + " (" +
                           variable + " can name it)");
}

}  // namespace berth::runtime
