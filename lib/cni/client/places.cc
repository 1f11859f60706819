#include "cni/client/places.h"

#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string_view>

#include "base/text.h"

namespace berth::cni {
namespace {

constexpr const char* kDefaultNetDir = "/etc/cni/net.d";

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// The directory of this executable.
std::string own_directory() {
  std::array<char, 4096> path;
  const ssize_t length = ::readlink("/proc/self/exe", path.data(), path.size());
  if (length <= 0) return "";
  const std::string_view text(path.data(), static_cast<size_t>(length));
  return std::string(text.substr(0, text.rfind('/')));
}

}  // namespace

std::string net_dir() {
  for (const char* name : {"BERTH_NET_DIR", "NETCONFPATH"})
    if (auto directory = environment(name); !directory.empty()) return directory;
  return kDefaultNetDir;
}

std::vector<std::string> plugin_directories() {
  for (const char* name : {"BERTH_CNI_PATH", "CNI_PATH"})
    if (auto directories = base::split(environment(name), ':'); !directories.empty()) return directories;
  std::vector<std::string> directories{"/opt/cni/bin", "/usr/lib/cni"};
  // In a build tree plugins and programs lie side by side.
  const auto own = own_directory();
  if (!own.empty() && ::access((own + "/bridge").c_str(), X_OK) == 0) directories.insert(directories.begin(), own);
  return directories;
}

}  // namespace berth::cni
