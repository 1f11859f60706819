#include "cgroups/device_rules.h"

#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "process/namespaces.h"

namespace berth::runtime {

namespace {

std::string number(int64_t value) {
  return value < 0 ? "*" : std::to_string(value);
}

}  // namespace

std::vector<oci::DeviceRule> complete_device_rules(const std::vector<oci::DeviceRule>& configured) {
  auto rules = configured;
  rules.push_back({true, 'c', -1, -1, "m"});
  rules.push_back({true, 'b', -1, -1, "m"});
  for (const int64_t minor : {3, 5, 7, 8, 9}) rules.push_back({true, 'c', 1, minor, "rwm"});
  rules.push_back({true, 'c', 5, 0, "rwm"});
  rules.push_back({true, 'c', 5, 2, "rwm"});
  rules.push_back({true, 'c', 136, -1, "rwm"});
  rules.push_back({true, 'c', 10, 200, "rwm"});
  return rules;
}

void try_device_rules(const std::vector<oci::DeviceRule>& configured, const std::function<void()>& apply) {
  try {
    apply();
  } catch (const base::SystemError& error) {
    const bool denied = error.code() == EPERM || error.code() == EACCES;
    if (!configured.empty() && (!denied || (::geteuid() == 0 && in_initial_user_namespace()))) throw;
  }
}

std::string to_v1_text(const oci::DeviceRule& rule) {
  const std::string access = rule.access.empty() ? "rwm" : rule.access;
  return std::string(1, rule.type) + " " + number(rule.major) + ":" + number(rule.minor) + " " + access;
}

}  // namespace berth::runtime
