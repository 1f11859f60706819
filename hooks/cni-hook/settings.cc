#include "settings.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <stdexcept>
#include <string_view>

namespace berth::cni_hook {
namespace {

constexpr const char* kDefaultNetDir = "/etc/cni/net.d";
/// Under the 30 seconds after which the runtime kills the hook.
constexpr unsigned kDefaultTimeoutSeconds = 28;
constexpr unsigned kMaxTimeoutSeconds = 3600;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::vector<std::string> directories_in(std::string_view list) {
  std::vector<std::string> directories;
  while (!list.empty()) {
    const auto part = list.substr(0, list.find(':'));
    if (!part.empty()) directories.emplace_back(part);
    list.remove_prefix(std::min(list.size(), part.size() + 1));
  }
  return directories;
}

/// The directory of this executable.
std::string own_directory() {
  std::array<char, 4096> path;
  const ssize_t length = ::readlink("/proc/self/exe", path.data(), path.size());
  if (length <= 0) return "";
  const std::string_view text(path.data(), static_cast<size_t>(length));
  return std::string(text.substr(0, text.rfind('/')));
}

std::vector<std::string> default_plugin_directories() {
  std::vector<std::string> directories{"/opt/cni/bin", "/usr/lib/cni"};
  // In a build tree plugins and hook lie side by side.
  const auto own = own_directory();
  if (!own.empty() && ::access((own + "/bridge").c_str(), X_OK) == 0) directories.insert(directories.begin(), own);
  return directories;
}

std::vector<std::string> plugin_directories(const oci::NetworkSetup& setup) {
  if (!setup.cni_path.empty()) return setup.cni_path;
  for (const char* name : {"BERTH_CNI_PATH", "CNI_PATH"})
    if (auto directories = directories_in(environment(name)); !directories.empty()) return directories;
  return default_plugin_directories();
}

std::string net_dir(const oci::NetworkSetup& setup) {
  if (!setup.net_dir.empty()) return setup.net_dir;
  for (const char* name : {"BERTH_NET_DIR", "NETCONFPATH"})
    if (auto directory = environment(name); !directory.empty()) return directory;
  return kDefaultNetDir;
}

std::chrono::seconds timeout() {
  const auto text = environment("BERTH_HOOK_TIMEOUT");
  if (text.empty()) return std::chrono::seconds(kDefaultTimeoutSeconds);
  unsigned seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (error != std::errc() || end != text.data() + text.size() || seconds < 1 || seconds > kMaxTimeoutSeconds)
    throw std::invalid_argument("BERTH_HOOK_TIMEOUT=\"" + text + "\": want seconds, 1 to " +
                                std::to_string(kMaxTimeoutSeconds));
  return std::chrono::seconds(seconds);
}

}  // namespace

Settings Settings::of(const oci::NetworkSetup& setup) {
  Settings settings;
  settings.net_dir = cni_hook::net_dir(setup);
  settings.plugin_directories = cni_hook::plugin_directories(setup);
  settings.timeout = cni_hook::timeout();
  return settings;
}

std::chrono::milliseconds Deadline::left(std::chrono::steady_clock::time_point end) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
  return std::max(left, std::chrono::milliseconds(1));
}

cni::Client client_for(const Settings& settings, std::chrono::milliseconds timeout) {
  cni::ClientOptions options;
  options.plugin_directories = settings.plugin_directories;
  options.cache_directory = settings.cache_directory;
  options.timeout = timeout;
  options.inherit_environment = false;
  return cni::Client(std::move(options));
}

}  // namespace berth::cni_hook
