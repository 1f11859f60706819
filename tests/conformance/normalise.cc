#include "conformance/normalise.h"

#include <algorithm>
#include <map>
#include <regex>
#include <set>

namespace berth::test {

using base::Json;

namespace {

/// Texts to replace wherever they occur, in keys as in values.
using Replacements = std::map<std::string, std::string>;

const std::regex& random_name() {
  static const std::regex pattern("veth[0-9a-f]{8}");
  return pattern;
}

bool is_snapshot(const Json& value) {
  return value.is_object() && value.contains("host") && value["host"].contains("links");
}

/// Host veths are called after the interface at their other end, in a container or on the host.
void name_veths(const Json& snapshot, Replacements& names) {
  for (const auto& [name, link] : snapshot["host"]["links"].items()) {
    if (!std::regex_match(name, random_name())) continue;
    for (const auto& [where, view] : snapshot.items()) {
      if (!view.is_object() || !view.contains("links")) continue;
      for (const auto& [peer_name, peer] : view["links"].items()) {
        const bool by_index = where != "host" && peer.value("link_index", 0) == link["ifindex"];
        const bool by_name = where == "host" && peer.value("link", "") == name;
        if (by_index || by_name) names.emplace(name, "veth(" + where + " " + peer_name + ")");
      }
    }
  }
}

/// Who has which hardware address. A bridge takes one of its ports': the port's name counts.
void collect_owners(const Json& snapshot, std::map<std::string, std::set<std::string>>& owners) {
  for (const bool bridges : {false, true}) {
    for (const auto& [where, view] : snapshot.items()) {
      if (!view.is_object() || !view.contains("links")) continue;
      for (const auto& [name, link] : view["links"].items()) {
        const bool is_bridge = link.value("/linkinfo/info_kind"_json_pointer, "") == "bridge";
        const std::string mac = link.value("address", "");
        if (is_bridge != bridges || mac.empty() || mac == "00:00:00:00:00:00") continue;
        if (bridges && owners.contains(mac)) continue;
        owners[mac].insert(where + " " + name);
      }
    }
  }
}

std::string replaced(std::string text, const Replacements& replacements) {
  for (const auto& [from, to] : replacements) {
    for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
      text.replace(at, from.size(), to);
    }
  }
  return text;
}

Json replaced_everywhere(const Json& value, const Replacements& replacements) {
  if (value.is_string()) return replaced(value.get<std::string>(), replacements);
  if (value.is_array()) {
    Json copy = Json::array();
    for (const auto& element : value) copy.push_back(replaced_everywhere(element, replacements));
    return copy;
  }
  if (value.is_object()) {
    Json copy = Json::object();
    for (const auto& [key, element] : value.items()) {
      copy[replaced(key, replacements)] = replaced_everywhere(element, replacements);
    }
    return copy;
  }
  return value;
}

void erase_flags(Json& flags, std::initializer_list<const char*> names) {
  if (!flags.is_array()) return;
  for (const char* name : names) flags.erase(std::remove(flags.begin(), flags.end(), name), flags.end());
}

void tidy_link(Json& link) {
  for (const char* key : {"ifindex", "link_index", "link_netnsid", "operstate", "inet6_addr_gen_mode"}) link.erase(key);
  erase_flags(link["flags"], {"NO-CARRIER", "LOWER_UP", "M-DOWN"});
  if (!link.contains("linkinfo")) return;
  for (const char* part : {"info_data", "info_slave_data"}) {
    if (!link["linkinfo"].contains(part)) continue;
    Json& data = link["linkinfo"][part];
    for (const char* key : {"bridge_id",
                            "root_id",
                            "root_port",
                            "root_path_cost",
                            "topology_change",
                            "topology_change_detected",
                            "hello_timer",
                            "tcn_timer",
                            "topology_change_timer",
                            "gc_timer",
                            "fdb_n_learned",
                            "state",
                            "id",
                            "no",
                            "designated_port",
                            "designated_cost",
                            "designated_bridge",
                            "hold_timer",
                            "message_age_timer",
                            "forward_delay_timer",
                            "config_pending"}) {
      data.erase(key);
    }
  }
}

bool is_link_local(const std::string& text) {
  return text.starts_with("fe80:") || text.starts_with("ff00::/8");
}

/// The routes by which the kernel receives what is sent to an IPv6 address come when duplicate detection is over.
bool follows_from_addresses(const Json& route) {
  const std::string type = route.value("type", "");
  return is_link_local(route["dst"].get<std::string>()) ||
         (route["dst"].get<std::string>().find(':') != std::string::npos && (type == "local" || type == "anycast"));
}

void tidy_namespace(Json& view) {
  for (auto& link : view["links"]) tidy_link(link);
  Json addresses = Json::object();
  for (auto& [key, address] : view["addresses"].items()) {
    if (is_link_local(address["local"].get<std::string>())) continue;
    address.erase("tentative");
    addresses[key] = address;
  }
  view["addresses"] = addresses;
  Json routes = Json::object();
  for (auto& [key, list] : view["routes"].items()) {
    for (auto& route : list) erase_flags(route["flags"], {"linkdown"});
    if (!follows_from_addresses(list[0])) routes[key] = list;
  }
  view["routes"] = routes;
  for (auto& qdisc : view["qdiscs"]) qdisc.erase("refcnt");
}

/// Chains and tables without rules are the kernel's memory of having been asked, or are listed as a difference by what
/// refers to them.
void tidy_rules(Json& families) {
  for (auto& family : families) {
    for (auto& table : family) {
      for (auto it = table.begin(); it != table.end();) {
        static const std::set<std::string> built_in{"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"};
        it = it->empty() && built_in.contains(it.key()) ? table.erase(it) : std::next(it);
      }
    }
    for (auto it = family.begin(); it != family.end();) it = it->empty() ? family.erase(it) : std::next(it);
  }
}

void tidy(Json& value) {
  if (!value.is_object()) return;
  if (!is_snapshot(value)) {
    for (auto& element : value) tidy(element);
    return;
  }
  for (auto& view : value) {
    if (view.is_object() && view.contains("links")) tidy_namespace(view);
  }
  tidy_rules(value["host"]["iptables"]);
}

/// By device: they come in the order in which the links were made, which has no meaning.
void sort_qdiscs(Json& value) {
  if (!value.is_object()) return;
  for (auto& [key, element] : value.items()) {
    if (key != "qdiscs") {
      sort_qdiscs(element);
      continue;
    }
    std::stable_sort(element.begin(), element.end(),
                     [](const Json& a, const Json& b) { return a.at("dev") < b.at("dev"); });
  }
}

template <class Visit>
void each_snapshot(const Json& value, const Visit& visit) {
  if (is_snapshot(value)) return visit(value);
  if (!value.is_object()) return;
  for (const auto& element : value) each_snapshot(element, visit);
}

}  // namespace

Json normalised(const Json& picture, const std::string& keep) {
  Replacements names;
  each_snapshot(picture, [&](const Json& snapshot) { name_veths(snapshot, names); });
  std::map<std::string, std::set<std::string>> owners;
  each_snapshot(picture, [&](const Json& snapshot) { collect_owners(snapshot, owners); });
  Replacements replacements = names;
  for (const auto& [mac, links] : owners) {
    if (keep.find(mac) != std::string::npos) continue;
    std::string text;
    for (const auto& link : links) text += (text.empty() ? "mac(" : ", ") + replaced(link, names);
    replacements[mac] = text + ")";
  }
  // tuning keeps the address that an interface had before; no link has it any more.
  each_snapshot(picture, [&](const Json& snapshot) {
    for (const auto& file : snapshot["files"]) {
      const std::string mac = file.value("/content/mac"_json_pointer, "");
      if (!mac.empty() && !owners.contains(mac) && keep.find(mac) == std::string::npos)
        replacements[mac] = "mac(before)";
    }
  });
  Json tidied = picture;
  tidy(tidied);
  tidied = replaced_everywhere(tidied, replacements);
  sort_qdiscs(tidied);
  return tidied;
}

}  // namespace berth::test
