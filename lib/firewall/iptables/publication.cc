#include "firewall/iptables/publication.h"

#include <netinet/in.h>

#include <algorithm>
#include <map>

#include "firewall/iptables/conditions.h"
#include "firewall/iptables/matches.h"
#include "firewall/iptables/names.h"

namespace berth::firewall::iptables {

namespace {

using net::Family;
using net::IpNet;

bool has_own_mark(const PublishOptions& options) {
  return options.snat && options.external_setmark_chain.empty();
}

/// The rules that mark what must be masqueraded: from the container's own subnet (hairpin) and from loopback.
void add_marking(std::vector<Rule>& rules, const Rule& base, const IpNet& container, const PublishOptions& options) {
  Rule mark = base;
  mark.target.name = options.external_setmark_chain.empty() ? kSetmarkChain : options.external_setmark_chain;
  if (!options.masquerade_all) mark.source.net = container.network();
  rules.push_back(mark);
  if (options.masquerade_all || !container.is_v4()) return;
  mark.source.net = IpNet::parse("127.0.0.1/32");
  rules.push_back(mark);
}

}  // namespace

std::vector<Rule> forwarding_rules(const Publication& publication, Family family) {
  const IpNet& container = container_address(publication, family);
  std::vector<Rule> rules;
  for (const auto& port : publication.ports) {
    if (!concerns(port, family)) continue;
    Rule base(family);
    base.protocol = protocol_number(port.protocol);
    base.matches = {destination_port(base.protocol, port.host_port)};
    if (const auto address = limited_to(port)) base.destination.net = IpNet::host(*address);
    if (publication.options.snat) add_marking(rules, base, container, publication.options);
    base.target = dnat(container.address, port.container_port);
    rules.push_back(base);
  }
  return rules;
}

std::vector<PortMapping> published_by(const std::vector<Rule>& rules) {
  std::vector<PortMapping> ports;
  for (const Rule& rule : rules) {
    const auto host_port = destination_port_of(rule);
    if (rule.target.name != "DNAT" || !host_port) continue;
    PortMapping port;
    port.host_port = *host_port;
    port.protocol = protocol_name(rule.protocol);
    const auto& address = rule.destination.net;
    port.host_ip = address.prefix == 0 ? net::IpAddress::any(rule.family()) : address.address;
    ports.push_back(port);
  }
  return ports;
}

std::vector<Rule> entry_rules(const Owner& owner, const Publication& publication, Family family,
                              const std::string& chain, bool shared) {
  // Ports limited to an address of the other family are among them: the reference's CHECK looks for just these rules.
  std::map<std::string, std::vector<uint16_t>> by_protocol;
  for (const auto& port : publication.ports) by_protocol[port.protocol].push_back(port.host_port);

  const bool v4 = family == Family::kIpv4;
  std::vector<Rule> rules;
  for (const auto& [protocol, ports] : by_protocol) {
    for (auto from = ports.begin(); from != ports.end();) {
      const auto to = from + std::min<ptrdiff_t>(kMultiportLimit, ports.end() - from);
      Rule rule(family);
      rule.protocol = protocol_number(protocol);
      rule.matches = {comment(publish_comment(owner, !shared)), destination_ports({from, to})};
      add_conditions(rule, v4 ? publication.options.conditions_v4 : publication.options.conditions_v6,
                     v4 ? "conditionsV4" : "conditionsV6");
      rule.target.name = chain;
      if (shared) rule.mark = ifname_mark(owner.ifname);
      rules.push_back(std::move(rule));
      from = to;
    }
  }
  return rules;
}

std::vector<CommonRule> common_rules(const PublishOptions& options, Family family) {
  std::vector<CommonRule> rules;
  const uint32_t mark = uint32_t{1} << options.mark_bit;
  if (has_own_mark(options)) {
    Rule set(family);
    set.matches = {comment("CNI portfwd masquerade mark")};
    set.target = set_mark(mark, mark);
    rules.push_back({kSetmarkChain, set});

    Rule masquerade(family);
    masquerade.matches = {packet_mark(mark, mark)};
    masquerade.target = masquerade_target(family);
    rules.push_back({kMasqChain, masquerade});

    Rule jump(family);
    jump.matches = {comment("CNI portfwd requiring masquerade")};
    jump.target.name = kMasqChain;
    rules.push_back({"POSTROUTING", jump, true});
  }
  Rule local(family);
  local.matches = {local_destination()};
  local.target.name = kDnatChain;
  rules.push_back({"PREROUTING", local});
  rules.push_back({"OUTPUT", local});
  return rules;
}

std::vector<std::string> common_chains(const PublishOptions& options) {
  if (has_own_mark(options)) return {kSetmarkChain, kMasqChain, kDnatChain};
  return {kDnatChain};
}

}  // namespace berth::firewall::iptables
