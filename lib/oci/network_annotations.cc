#include "oci/network_annotations.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <set>
#include <stdexcept>

#include "base/encode.h"
#include "net/link.h"
#include "net/mac.h"

namespace berth::oci {
namespace {

bool is_alphanumeric(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0;
}

bool is_name(std::string_view text) {
  return !text.empty() && is_alphanumeric(text.front()) && std::all_of(text.begin(), text.end(), [](char c) {
    return is_alphanumeric(c) || c == '_' || c == '.' || c == '-';
  });
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\n") - first + 1);
}

/// The parts of `text` between separators, without surrounding blanks; none for a blank text.
std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  if (trimmed(text).empty()) return parts;
  for (size_t start = 0;;) {
    const auto end = text.find(separator, start);
    parts.push_back(trimmed(text.substr(start, end == std::string_view::npos ? end : end - start)));
    if (end == std::string_view::npos) return parts;
    start = end + 1;
  }
}

std::string in_quotes(std::string_view text) {
  return "\"" + std::string(text) + "\"";
}

[[noreturn]] void reject_port(std::string_view specification, const std::string& why) {
  throw std::invalid_argument("invalid port " + in_quotes(specification) + ": " + why);
}

struct PortRange {
  unsigned first, last;
  unsigned size() const { return last - first + 1; }
};

unsigned parse_port_number(std::string_view text, const char* side, std::string_view specification) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_number = !text.empty() && end == text.data() + text.size();
  if (!is_number || error == std::errc::invalid_argument)
    reject_port(specification, std::string(side) + " port " + in_quotes(text) + " is not a number");
  if (error != std::errc() || number < 1 || number > 65535)
    reject_port(specification, std::string(side) + " port " + std::string(text) + " is not between 1 and 65535");
  return number;
}

PortRange parse_port_range(std::string_view text, const char* side, std::string_view specification) {
  const auto dash = text.find('-');
  const unsigned first = parse_port_number(text.substr(0, dash), side, specification);
  if (dash == std::string_view::npos) return {first, first};
  const unsigned last = parse_port_number(text.substr(dash + 1), side, specification);
  if (last < first) reject_port(specification, std::string(side) + " port range " + std::string(text) + " is reversed");
  return {first, last};
}

/// Takes "/PROTOCOL" off the end of `rest`.
std::string take_protocol(std::string_view& rest, std::string_view specification) {
  const auto slash = rest.rfind('/');
  if (slash == std::string_view::npos) return "tcp";
  std::string protocol(rest.substr(slash + 1));
  std::transform(protocol.begin(), protocol.end(), protocol.begin(), [](unsigned char c) { return std::tolower(c); });
  if (protocol != "tcp" && protocol != "udp" && protocol != "sctp")
    reject_port(specification, "protocol " + in_quotes(rest.substr(slash + 1)) + " is not tcp, udp or sctp");
  rest = rest.substr(0, slash);
  return protocol;
}

/// Takes "IP:" off the front of `rest`, if there are more than two fields.
std::optional<net::IpAddress> take_host_ip(std::string_view& rest, std::string_view specification) {
  std::string_view text;
  const bool bracketed = rest.starts_with('[');
  if (bracketed) {
    const auto end = rest.find("]:");
    if (end == std::string_view::npos) reject_port(specification, "\"]:\" is missing after the address");
    text = rest.substr(1, end - 1);
    rest = rest.substr(end + 2);
  } else {
    const auto colons = std::count(rest.begin(), rest.end(), ':');
    if (colons < 2) return std::nullopt;
    if (colons > 2) reject_port(specification, "want [IP:]HOST:CONTAINER[/PROTOCOL], with an IPv6 address in brackets");
    text = rest.substr(0, rest.find(':'));
    rest = rest.substr(text.size() + 1);
    if (text.empty()) return std::nullopt;
  }
  const auto address = net::IpAddress::try_parse(text);
  if (!address) reject_port(specification, "invalid host address " + in_quotes(text));
  if (address->is_v6() != bracketed)
    reject_port(specification, std::string("an IPv") + (bracketed ? "4" : "6") + " address stands " +
                                   (bracketed ? "without" : "in") + " brackets");
  return address;
}

bool overlap(const std::optional<net::IpAddress>& a, const std::optional<net::IpAddress>& b) {
  if (!a || !b || *a == *b) return true;
  return a->family() == b->family() && (a->is_unspecified() || b->is_unspecified());
}

std::string format_range(const PublishedPort& first, const PublishedPort& last) {
  const auto range = [](unsigned from, unsigned to) {
    return from == to ? std::to_string(from) : std::to_string(from) + "-" + std::to_string(to);
  };
  std::string text;
  if (first.host_ip)
    text = (first.host_ip->is_v6() ? "[" + first.host_ip->to_string() + "]" : first.host_ip->to_string()) + ":";
  return text + range(first.host_port, last.host_port) + ":" + range(first.container_port, last.container_port) + "/" +
         first.protocol;
}

bool follows(const PublishedPort& port, const PublishedPort& before) {
  return port.host_ip == before.host_ip && port.protocol == before.protocol && port.host_port == before.host_port + 1 &&
         port.container_port == before.container_port + 1;
}

NetworkRequest parse_network(std::string_view specification) {
  NetworkRequest request;
  const auto colon = specification.find(':');
  request.name = specification.substr(0, colon);
  if (!is_name(request.name))
    throw std::invalid_argument("invalid network " + in_quotes(specification) + ": the name " +
                                in_quotes(request.name) +
                                " does not start with a letter or digit, or has other characters than letters, digits, "
                                "'_', '.' and '-'");
  if (colon == std::string_view::npos) return request;
  request.ifname = specification.substr(colon + 1);
  if (!net::is_link_name(request.ifname))
    throw std::invalid_argument("invalid network " + in_quotes(specification) + ": invalid interface name " +
                                in_quotes(request.ifname));
  return request;
}

void name_interfaces(std::vector<NetworkRequest>& networks) {
  std::set<std::string> taken;
  for (const auto& network : networks)
    if (!network.ifname.empty() && !taken.insert(network.ifname).second)
      throw std::invalid_argument("invalid networks: interface " + in_quotes(network.ifname) + " is named twice");
  unsigned number = 0;
  for (auto& network : networks)
    while (network.ifname.empty()) {
      std::string candidate = "eth" + std::to_string(number++);
      if (taken.insert(candidate).second) network.ifname = std::move(candidate);
    }
}

std::vector<std::string> absolute_paths(std::string_view text, char separator) {
  std::vector<std::string> paths;
  for (const auto part : split(text, separator)) {
    if (!part.starts_with('/')) throw std::invalid_argument(in_quotes(part) + " is not an absolute path");
    paths.emplace_back(part);
  }
  return paths;
}

std::string absolute_path(std::string_view text) {
  const auto paths = absolute_paths(text, '\0');
  if (paths.empty()) throw std::invalid_argument("it is empty");
  return paths.front();
}

std::vector<std::pair<std::string, std::string>> parse_args(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> args;
  for (const auto pair : split(text, ';')) {
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos || equals == 0 || pair.find('=', equals + 1) != std::string_view::npos)
      throw std::invalid_argument("invalid pair " + in_quotes(pair) + ", want KEY=VALUE");
    args.emplace_back(pair.substr(0, equals), pair.substr(equals + 1));
  }
  return args;
}

void require_address(std::string_view text) {
  if (text.find('/') == std::string_view::npos)
    net::IpAddress::parse(text);
  else
    net::IpNet::parse(text);
}

/// Applies "org.berth.network.NAME.ips" and ".mac"; `rest` is the key after the prefix.
void apply_network_option(NetworkSetup& setup, std::string_view rest, const std::string& value) {
  const std::string_view suffix = rest.substr(std::min(rest.size(), rest.rfind('.')));
  if (suffix != annotation::kIpsSuffix && suffix != annotation::kMacSuffix)
    throw std::invalid_argument("no such setting; there are NAME.ips and NAME.mac");
  const auto name = rest.substr(0, rest.size() - suffix.size());
  const auto is_meant = [&](const NetworkRequest& network) { return network.name == name; };
  const auto found = std::find_if(setup.networks.begin(), setup.networks.end(), is_meant);
  if (found == setup.networks.end())
    throw std::invalid_argument("the container is not attached to network " + in_quotes(name));
  if (std::find_if(found + 1, setup.networks.end(), is_meant) != setup.networks.end())
    throw std::invalid_argument("the container is attached to network " + in_quotes(name) + " more than once");
  if (suffix == annotation::kMacSuffix) {
    found->mac = net::MacAddress::parse(value).to_string();
    return;
  }
  for (const auto ip : split(value, ',')) {
    require_address(ip);
    found->ips.emplace_back(ip);
  }
}

/// Runs `apply` on one annotation, so that an error names it.
template <class Apply>
void with_annotation(const std::string& key, const std::string& value, Apply&& apply) {
  try {
    apply(value);
  } catch (const std::invalid_argument& error) {
    throw std::invalid_argument("annotation " + key + "=" + in_quotes(value) + ": " + error.what());
  }
}

}  // namespace

std::vector<PublishedPort> parse_port(std::string_view specification) {
  auto rest = specification;
  PublishedPort port;
  port.protocol = take_protocol(rest, specification);
  port.host_ip = take_host_ip(rest, specification);
  const auto colon = rest.find(':');
  if (colon == std::string_view::npos)
    reject_port(specification, "want [IP:]HOST:CONTAINER[/PROTOCOL], both ports named");
  const auto host = parse_port_range(rest.substr(0, colon), "host", specification);
  const auto container = parse_port_range(rest.substr(colon + 1), "container", specification);
  if (host.size() != container.size())
    reject_port(specification, "the ranges differ in length: " + std::to_string(host.size()) + " host ports, " +
                                   std::to_string(container.size()) + " container ports");

  std::vector<PublishedPort> ports(host.size(), port);
  for (unsigned i = 0; i < host.size(); ++i) {
    ports[i].host_port = static_cast<uint16_t>(host.first + i);
    ports[i].container_port = static_cast<uint16_t>(container.first + i);
  }
  return ports;
}

std::vector<PublishedPort> parse_ports(std::string_view specifications) {
  std::vector<PublishedPort> ports;
  for (const auto specification : split(specifications, ',')) {
    auto more = parse_port(specification);
    ports.insert(ports.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  }
  require_distinct(ports);
  return ports;
}

void require_distinct(const std::vector<PublishedPort>& ports) {
  std::vector<const PublishedPort*> sorted;
  for (const auto& port : ports) sorted.push_back(&port);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto* a, const auto* b) { return a->host_port < b->host_port; });
  for (size_t i = 0; i < sorted.size(); ++i)
    for (size_t j = i + 1; j < sorted.size() && sorted[j]->host_port == sorted[i]->host_port; ++j)
      if (sorted[i]->protocol == sorted[j]->protocol && overlap(sorted[i]->host_ip, sorted[j]->host_ip))
        throw std::invalid_argument("host port " + std::to_string(sorted[i]->host_port) + "/" + sorted[i]->protocol +
                                    " is published twice: " + format_port(*sorted[i]) + " and " +
                                    format_port(*sorted[j]));
}

std::string format_port(const PublishedPort& port) {
  return format_range(port, port);
}

std::string format_ports(const std::vector<PublishedPort>& ports) {
  std::string text;
  for (size_t first = 0; first < ports.size();) {
    size_t last = first;
    while (last + 1 < ports.size() && follows(ports[last + 1], ports[last])) ++last;
    if (!text.empty()) text += ',';
    text += format_range(ports[first], ports[last]);
    first = last + 1;
  }
  return text;
}

std::vector<NetworkRequest> parse_networks(std::string_view specifications) {
  std::vector<NetworkRequest> networks;
  for (const auto specification : split(specifications, ',')) networks.push_back(parse_network(specification));
  name_interfaces(networks);
  return networks;
}

std::string format_networks(const std::vector<NetworkRequest>& networks) {
  std::string text;
  for (const auto& network : networks) {
    if (!text.empty()) text += ',';
    text += network.name + ":" + network.ifname;
  }
  return text;
}

NetworkSetup network_setup(const Annotations& annotations) {
  NetworkSetup setup;
  const auto read = [&](const char* key, auto&& apply) {
    if (const auto found = annotations.find(key); found != annotations.end())
      with_annotation(key, found->second, apply);
  };
  read(annotation::kNetworks, [&](const std::string& value) { setup.networks = parse_networks(value); });
  read(annotation::kPorts, [&](const std::string& value) { setup.ports = parse_ports(value); });
  read(annotation::kNetDir, [&](const std::string& value) { setup.net_dir = absolute_path(value); });
  read(annotation::kCniPath, [&](const std::string& value) { setup.cni_path = absolute_paths(value, ':'); });
  read(annotation::kArgs, [&](const std::string& value) { setup.args = parse_args(value); });
  if (setup.networks.empty() && !setup.ports.empty()) setup.networks = parse_networks(kDefaultNetwork);

  const std::string_view prefix = annotation::kNetworkPrefix;
  for (auto entry = annotations.lower_bound(std::string(prefix));
       entry != annotations.end() && entry->first.starts_with(prefix); ++entry)
    with_annotation(entry->first, entry->second, [&](const std::string& value) {
      apply_network_option(setup, std::string_view(entry->first).substr(prefix.size()), value);
    });
  return setup;
}

std::string cni_container_id(const std::string& id) {
  if (is_name(id)) return id;
  std::string mapped = id;
  std::replace_if(
      mapped.begin(), mapped.end(), [](char c) { return !is_alphanumeric(c) && c != '_' && c != '.' && c != '-'; },
      '_');
  if (mapped.empty() || !is_alphanumeric(mapped.front())) mapped.insert(0, "c");
  return mapped + "-" + base::sha512_hex(id).substr(0, 12);
}

}  // namespace berth::oci
