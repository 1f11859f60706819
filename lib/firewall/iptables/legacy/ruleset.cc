#include "firewall/iptables/legacy/ruleset.h"

#include <netinet/in.h>
// The kernel's headers step back only if the C library's came first.
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4/ip_tables.h>

#include <algorithm>

namespace berth::firewall::iptables::legacy {

namespace {

struct Verdict {
  const char* name;
  int number;
};
constexpr Verdict kVerdicts[] = {
    {"ACCEPT", -NF_ACCEPT - 1}, {"DROP", -NF_DROP - 1}, {"QUEUE", -NF_QUEUE - 1}, {"RETURN", XT_RETURN}};

}  // namespace

Chain* Ruleset::find(const std::string& name) {
  const auto user = users.find(name);
  if (user != users.end()) return &user->second;
  const auto built =
      std::find_if(built_in.begin(), built_in.end(), [&](const Chain& each) { return each.name == name; });
  return built == built_in.end() ? nullptr : &*built;
}

std::optional<int> verdict_of(const std::string& name) {
  for (const auto& verdict : kVerdicts) {
    if (name == verdict.name) return verdict.number;
  }
  return std::nullopt;
}

std::string target_name(const Layout& layout, const Entry& entry) {
  switch (entry.target) {
    case Entry::Target::kFallThrough:
      return "";
    case Entry::Target::kJump:
      return entry.chain->name;
    case Entry::Target::kVerdict:
      for (const auto& verdict : kVerdicts) {
        if (entry.verdict == verdict.number) return verdict.name;
      }
      return "verdict " + std::to_string(entry.verdict);
    case Entry::Target::kExtension:
      break;
  }
  const uint8_t* target = entry.bytes.data() + target_offset(layout, entry.bytes.data());
  const auto* name = reinterpret_cast<const char*>(target + offsetof(xt_entry_target, u.user.name));
  return {name, strnlen(name, XT_EXTENSION_MAXNAMELEN)};
}

}  // namespace berth::firewall::iptables::legacy
