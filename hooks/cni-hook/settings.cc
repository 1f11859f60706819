#include "settings.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <stdexcept>

#include "cni/client/places.h"

namespace berth::cni_hook {
namespace {

/// Under the 30 seconds after which the runtime kills the hook.
constexpr unsigned kDefaultTimeoutSeconds = 28;
constexpr unsigned kMaxTimeoutSeconds = 3600;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
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
  settings.net_dir = setup.net_dir.empty() ? cni::net_dir() : setup.net_dir;
  settings.plugin_directories = setup.cni_path.empty() ? cni::plugin_directories() : setup.cni_path;
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
