#include <algorithm>

#include "firewall/nftables/hairpin.h"
#include "firewall/nftables/keys.h"
#include "firewall/nftables/layout.h"
#include "firewall/nftables/nftables.h"
#include "firewall/nftables/port_sets.h"
#include "firewall/nftables/tag.h"
#include "firewall/ports.h"

namespace berth::firewall::nftables {

namespace {

using net::Family;
using netfilter::Change;
using netfilter::Element;
using netfilter::Tables;

std::vector<PortSets> port_sets_of(const Publication& publication) {
  std::vector<PortSets> sets;
  for (const Family family : families_of(publication)) sets.emplace_back(publication.options, family);
  return sets;
}

Possession possession_of(const PortMapping& port, const PortSets& sets, const net::IpAddress& container) {
  const uint8_t protocol = protocol_number(port.protocol);
  const auto target = target_value(container, port.container_port);
  if (const auto address = limited_to(port)) {
    return {sets.by_address(), port_key(*address, protocol, port.host_port), target, true};
  }
  return {sets.any_address(), port_key(protocol, port.host_port), target, true};
}

/// The elements that publish in one family: the ports, and who may be translated to reach them.
std::vector<Possession> possessions_of(const Publication& publication, const PortSets& sets) {
  std::vector<Possession> possessions;
  const auto& container = container_address(publication, sets.family());
  for (const auto& port : publication.ports) {
    if (concerns(port, sets.family())) possessions.push_back(possession_of(port, sets, container.address));
  }
  const auto clients = clients_to_translate(container, publication.options);
  possessions.insert(possessions.end(), clients.begin(), clients.end());
  return possessions;
}

bool belongs_to_other(const Element& element, const Owner& owner) {
  const auto other = parse_tag(netfilter::comment_of(element.userdata));
  return !other || other->container_id != parse_tag(tag_of(owner))->container_id;
}

/// The other container that has the port on an address in common: a port on every address meets those on one. (That
/// two ask for the same key is found when it is given.)
std::optional<Owner> holder(Tables& tables, const Owner& owner, const PortMapping& port, const PortSets& sets) {
  const auto key = port_key(protocol_number(port.protocol), port.host_port);
  if (const auto address = limited_to(port)) {
    for (const auto& [set, wanted] : {std::pair{sets.any_address(), key},
                                      std::pair{sets.by_address(), port_key(*address, key[0], port.host_port)}}) {
      const auto element = tables.element(our_table(), set, wanted);
      if (element && belongs_to_other(*element, owner))
        return parse_tag(netfilter::comment_of(element->userdata)).value_or(Owner{});
    }
    return std::nullopt;
  }
  const auto same = tables.element(our_table(), sets.any_address(), key);
  if (same && belongs_to_other(*same, owner)) return parse_tag(netfilter::comment_of(same->userdata)).value_or(Owner{});
  std::optional<Owner> found;
  Tables::any_element(our_table(), sets.by_address(), [&](const Element& element) {
    if (!std::equal(key.rbegin(), key.rend(), element.key.rbegin()) || !belongs_to_other(element, owner)) return false;
    found = parse_tag(netfilter::comment_of(element.userdata)).value_or(Owner{});
    return true;
  });
  return found;
}

std::optional<Conflict> conflict_in(Tables& tables, const Owner& owner, const Publication& publication,
                                    const std::vector<PortSets>& all_sets) {
  if (!tables.has_table(our_table())) return std::nullopt;
  for (const auto& sets : all_sets) {
    for (const auto& port : publication.ports) {
      if (!concerns(port, sets.family())) continue;
      if (auto other = holder(tables, owner, port, sets)) return Conflict{port, *other};
    }
  }
  return std::nullopt;
}

}  // namespace

void Nftables::publish(const Owner& owner, const Publication& publication) {
  const auto all_sets = port_sets_of(publication);
  if (all_sets.empty()) return;
  std::vector<Possession> possessions;
  for (const auto& sets : all_sets) {
    const auto more = possessions_of(publication, sets);
    possessions.insert(possessions.end(), more.begin(), more.end());
  }
  holdings_.give(owner, Purpose::kPublish, possessions, [&](Tables& tables, Change& change) {
    if (auto conflict = conflict_in(tables, owner, publication, all_sets)) {
      throw PortTaken(describe(*conflict), *conflict);
    }
    for (const auto& sets : all_sets) {
      sets.prepare(tables, change);
      prepare_hairpin(tables, change, container_address(publication, sets.family()), publication.options);
    }
  });
}

std::vector<PortMapping> Nftables::unpublish(const Owner& owner) {
  std::vector<PortMapping> ports;
  for (const auto& item : holdings_.take(owner, Purpose::kPublish, PortSets::retire)) {
    const auto family = PortSets::family_of(item.set);
    if (!family) continue;
    if (const auto port = mapping_of(item.key, *family)) ports.push_back(*port);
  }
  return ports;
}

void Nftables::check_published(const Owner& owner, const Publication& publication) {
  Tables tables;
  const auto fail = [](const std::string& what) {
    throw std::runtime_error("the nf_tables table berth lacks " + what);
  };
  if (const auto missing = missing_part(tables)) fail(*missing);
  for (const auto& sets : port_sets_of(publication)) {
    if (const auto missing = sets.missing_part(tables); !missing.empty()) fail(missing);
    const auto& container = container_address(publication, sets.family());
    if (const auto missing = missing_hairpin(tables, container, publication.options); !missing.empty()) fail(missing);
    for (const auto& wanted : possessions_of(publication, sets)) {
      const auto element = tables.element(our_table(), wanted.set, wanted.key);
      // Another interface of the container may have the port, which then leads to its address.
      const bool shared = wanted.exclusive && element && !belongs_to_other(*element, owner);
      const bool own =
          element && element->data == wanted.data && netfilter::comment_of(element->userdata) == tag_of(owner);
      const bool right = own || (shared && netfilter::comment_of(element->userdata) != tag_of(owner));
      if (right) continue;
      const auto port = wanted.exclusive ? mapping_of(wanted.key, sets.family()) : std::nullopt;
      fail(port ? "port " + std::to_string(port->host_port) + "/" + port->protocol + " of this container"
                : "this container's element of set " + wanted.set);
    }
  }
}

std::optional<Conflict> Nftables::find_conflict(const Owner& owner, const Publication& publication) {
  Tables tables;
  return conflict_in(tables, owner, publication, port_sets_of(publication));
}

}  // namespace berth::firewall::nftables
