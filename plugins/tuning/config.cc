#include "tuning/config.h"

#include <strings.h>

#include <algorithm>
#include <filesystem>
#include <limits>

#include "base/json.h"
#include "cni/error.h"
#include "cni/plugin/interface.h"

namespace berth::tuning {

namespace {

using base::JsonObject;
using cni::Code;

constexpr const char* kDefaultDataDir = "/run/cni/tuning";
constexpr const char* kRoot = "/proc/sys/";
constexpr const char* kNetwork = "/proc/sys/net/";
constexpr const char* kPlaceholder = "IFNAME";

[[noreturn]] void reject(const std::string& why) {
  throw cni::Error(Code::kInvalidNetworkConfig, why);
}

/// Dots separate unless a slash comes first; the interface's name comes in last, so that its dots stay its own.
std::string name_of(const std::string& key, const std::string& ifname) {
  std::string name = key;
  const auto first = name.find_first_of("./");
  if (first != std::string::npos && name[first] == '.') {
    for (char& c : name) c = c == '.' ? '/' : c == '/' ? '.' : c;
  }
  if (const auto at = name.find(kPlaceholder); at != std::string::npos) {
    name.replace(at, std::string_view(kPlaceholder).size(), ifname);
  }
  // A way back up would make the allow-list's patterns match what they do not mean.
  const std::filesystem::path path(kRoot + name);
  const bool climbs = std::any_of(path.begin(), path.end(), [](const auto& part) { return part == ".."; });
  const std::string cleaned = path.lexically_normal();
  if (climbs || !cleaned.starts_with(kNetwork) || cleaned.find('\0') != std::string::npos) {
    reject("invalid net sysctl key: \"" + key + "\"");
  }
  return cleaned.substr(std::string_view(kRoot).size());
}

/// The sysctls of one object, which may not name one twice.
std::vector<Sysctl> read_sysctls(const JsonObject& object, const std::string& ifname) {
  std::vector<Sysctl> sysctls;
  for (const auto& [key, value] : object.string_map("sysctl")) {
    Sysctl sysctl{key, name_of(key, ifname), value};
    if (std::any_of(sysctls.begin(), sysctls.end(), [&](const Sysctl& other) { return other.name == sysctl.name; })) {
      reject("duplicated sysctl keys are not allowed: \"" + key + "\" in " + object.path_of("sysctl"));
    }
    sysctls.push_back(std::move(sysctl));
  }
  return sysctls;
}

bool same_path(const std::vector<std::string>& path, std::initializer_list<const char*> keys) {
  return std::equal(path.begin(), path.end(), keys.begin(), keys.end(),
                    [](const std::string& a, const char* b) { return ::strcasecmp(a.c_str(), b) == 0; });
}

/// A parsed document keeps only the last of equal keys, and which of the values was meant is a guess.
void reject_repeated_sysctls(const std::string& input) {
  for (auto path : base::repeated_keys(input)) {
    const std::string key = path.back();
    path.pop_back();
    if (same_path(path, {"sysctl"}) || same_path(path, {"args", "cni", "sysctl"})) {
      reject("duplicated sysctl keys are not allowed: \"" + key + "\"");
    }
  }
}

void override_sysctls(std::vector<Sysctl> stronger, std::vector<Sysctl>& sysctls) {
  for (auto& sysctl : stronger) {
    const auto same =
        std::find_if(sysctls.begin(), sysctls.end(), [&](const Sysctl& weaker) { return weaker.name == sysctl.name; });
    if (same != sysctls.end()) {
      *same = std::move(sysctl);
    } else {
      sysctls.push_back(std::move(sysctl));
    }
  }
}

/// The keys that the configuration and args.cni have in common; those of `object` replace what is there.
void read_settings(const JsonObject& object, const std::string& ifname, Config& config) {
  override_sysctls(read_sysctls(object, ifname), config.sysctls);
  if (const auto mac = object.string("mac"); mac && !mac->empty()) {
    config.mac = cni::interface::parse_mac(*mac, object.path_of("mac"), Code::kInvalidNetworkConfig);
  }
  if (const auto on = object.boolean("promisc")) config.promiscuous = *on;
  const auto number = [&](const char* key) { return object.integer(key, 0, std::numeric_limits<int>::max()); };
  if (const auto mtu = number("mtu")) config.mtu = static_cast<unsigned>(*mtu);
  if (const auto on = object.boolean("allmulti")) config.all_multicast = on;
  if (const auto length = number("txQLen")) config.queue_length = static_cast<unsigned>(*length);
}

/// The runtime's way to name a hardware address: stronger than the configuration's, weaker than args.cni.
void read_mac_of_runtime(const cni::Request& request, const JsonObject& json, Config& config) {
  for (const auto& [key, value] : request.args({"MAC"})) {
    if (!value.empty()) config.mac = cni::interface::parse_mac(value, "CNI_ARGS " + key, Code::kInvalidEnvironment);
  }
  const auto runtime = json.object("runtimeConfig");
  const auto mac = runtime ? runtime->string("mac").value_or("") : "";
  if (!mac.empty()) {
    config.mac = cni::interface::parse_mac(mac, "runtimeConfig.mac", Code::kInvalidNetworkConfig);
  }
}

}  // namespace

Config Config::parse(const cni::Request& request) {
  const JsonObject json(request.config());
  reject_repeated_sysctls(request.input());
  Config config;
  config.data_dir = parse_data_dir(request);
  read_settings(json, request.ifname(), config);
  read_mac_of_runtime(request, json, config);
  const auto args = json.object("args");
  if (const auto strongest = args ? args->object("cni") : std::nullopt) {
    read_settings(*strongest, request.ifname(), config);
  }
  return config;
}

std::string parse_data_dir(const cni::Request& request) {
  const auto directory = JsonObject(request.config()).string("dataDir").value_or("");
  return directory.empty() ? kDefaultDataDir : directory;
}

}  // namespace berth::tuning
