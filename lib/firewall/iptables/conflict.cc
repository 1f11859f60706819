#include "firewall/iptables/conflict.h"

#include <algorithm>

#include "firewall/iptables/matches.h"
#include "firewall/iptables/names.h"
#include "firewall/iptables/publication.h"

namespace berth::firewall::iptables {

namespace {

/// What an entry rule asks beside protocol and ports: two containers may share a port under different conditions.
Rule conditions_of(const Rule& entry) {
  Rule rest = entry;
  rest.protocol = 0;
  rest.target = {};
  std::erase_if(rest.matches, [](const Extension& match) { return match.name == "multiport"; });
  const auto first = std::find_if(rest.matches.begin(), rest.matches.end(),
                                  [](const Extension& match) { return match.name == "comment"; });
  if (first != rest.matches.end()) rest.matches.erase(first);
  return rest;
}

bool addresses_meet(const PortMapping& port, const Rule& rule) {
  const auto address = limited_to(port);
  return !address || rule.destination.net.contains(*address);
}

bool takes(const Rule& rule, uint8_t protocol, const PortMapping& port) {
  return rule.target.name == "DNAT" && rule.protocol == protocol && destination_port_of(rule) == port.host_port &&
         addresses_meet(port, rule);
}

}  // namespace

std::optional<Conflict> conflict_in(Table& table, const Owner& owner, const std::string& chain,
                                    const Publication& publication) {
  const auto others = table.rules(
      kDnatChain, [&](const std::string& target) { return target != chain && target.starts_with(kPublishPrefix); });
  if (others.empty()) return std::nullopt;
  const auto entries = entry_rules(owner, publication, table.family(), chain, true);
  if (entries.empty()) return std::nullopt;
  const Rule conditions = conditions_of(entries.front());
  const Extension our_comment = comment(publish_comment(owner, false));

  for (const auto& [number, entry] : others) {
    const auto other = parse_comment(comment_of(entry));
    if (other ? other->container_id == owner.container_id : entry.matches.front() == our_comment) continue;
    const auto ports = destination_ports_of(entry);
    for (const auto& port : publication.ports) {
      const uint8_t protocol = protocol_number(port.protocol);
      if (entry.protocol != protocol || !concerns(port, table.family())) continue;
      if (std::find(ports.begin(), ports.end(), port.host_port) == ports.end()) continue;
      if (!(conditions_of(entry) == conditions)) continue;
      const auto rules = table.rules(entry.target.name);
      if (std::any_of(rules.begin(), rules.end(), [&](const Rule& rule) { return takes(rule, protocol, port); })) {
        return Conflict{port, other.value_or(Owner{})};
      }
    }
  }
  return std::nullopt;
}

}  // namespace berth::firewall::iptables
