#include "cgroups/systemd/device_properties.h"

#include <algorithm>
#include <map>

#include "base/text.h"

namespace berth::runtime {

namespace {

using oci::DeviceRule;
using Entry = std::pair<std::string, std::string>;  ///< What, and the access to it.

constexpr const char* kFullAccess = "rwm";

std::string access_of(const DeviceRule& rule) {
  return rule.access.empty() ? kFullAccess : rule.access;
}

bool is_about_everything(const DeviceRule& rule) {
  return rule.type == 'a' && rule.major < 0 && rule.minor < 0 && access_of(rule).size() == 3;
}

bool covers(const DeviceRule& rule, const DeviceRule& other) {
  return (rule.type == 'a' || rule.type == other.type) && (rule.major < 0 || rule.major == other.major) &&
         (rule.minor < 0 || rule.minor == other.minor);
}

/// What is allowed in the end.
struct Allowed {
  bool everything = false;
  std::vector<DeviceRule> rules;  ///< Of type b or c.

  void apply(const DeviceRule& rule) {
    if (is_about_everything(rule)) {
      everything = rule.allow;
      rules.clear();
    } else if (!rule.allow) {
      take_away(rule);
    } else if (!everything) {
      add(rule);
    }
  }

 private:
  void add(const DeviceRule& rule) {
    for (const char type : {'c', 'b'}) {
      if (rule.type != 'a' && rule.type != type) continue;
      rules.push_back(rule);
      rules.back().type = type;
    }
  }

  /// A part of what another rule allows cannot be taken away.
  void take_away(const DeviceRule& denied) {
    for (auto& rule : rules) {
      if (!covers(denied, rule)) continue;
      std::string left;
      for (const char access : access_of(rule)) {
        if (access_of(denied).find(access) == std::string::npos) left += access;
      }
      rule.access = left;
      rule.allow = !left.empty();
    }
    std::erase_if(rules, [](const DeviceRule& rule) { return !rule.allow; });
  }
};

/// Names of drivers by type and major number. /proc/devices has "Character devices:", "  1 mem", … and the same for
/// "Block devices:".
std::map<std::pair<char, int64_t>, std::string> driver_names(const std::string& proc_devices) {
  std::map<std::pair<char, int64_t>, std::string> names;
  char type = 'c';
  for (const auto& line : base::split(proc_devices, '\n')) {
    if (line.starts_with("Character")) type = 'c';
    if (line.starts_with("Block")) type = 'b';
    const auto words = base::split(line, ' ');
    if (words.size() == 2 && words[0].find_first_not_of("0123456789") == std::string::npos) {
      names[{type, std::stoll(words[0])}] = words[1];
    }
  }
  return names;
}

/// systemd.resource-control(5), DeviceAllow=: a path below /dev, or "char-DRIVER", with "*" for all.
std::vector<Entry> entries(const std::vector<DeviceRule>& rules, const std::string& proc_devices) {
  const auto names = driver_names(proc_devices);
  std::vector<Entry> list;
  for (const auto& rule : rules) {
    const std::string kind = rule.type == 'b' ? "block" : "char";
    std::string what;
    if (rule.major < 0) {
      what = kind + "-*";
    } else if (rule.minor >= 0) {
      what = "/dev/" + kind + "/" + std::to_string(rule.major) + ":" + std::to_string(rule.minor);
    } else if (const auto name = names.find({rule.type, rule.major}); name != names.end()) {
      what = kind + "-" + name->second;
    } else {
      continue;  // no driver: there is no such device
    }
    const Entry entry{what, access_of(rule)};
    if (std::find(list.begin(), list.end(), entry) == list.end()) list.push_back(entry);
  }
  return list;
}

}  // namespace

dbus::Properties device_properties(const std::vector<DeviceRule>& rules, const std::string& proc_devices) {
  Allowed allowed;
  for (const auto& rule : rules) allowed.apply(rule);
  if (allowed.everything) return {{"DevicePolicy", std::string("auto")}};
  return {{"DevicePolicy", std::string("strict")}, {"DeviceAllow", entries(allowed.rules, proc_devices)}};
}

}  // namespace berth::runtime
