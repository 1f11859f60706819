#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/ip.h"
#include "oci/config.h"

/// What a container's annotations say about its networks (docs/hooks.md). The runtime's --network and --publish write
/// them, cni-hook and `port` read them.
namespace berth::oci {

namespace annotation {
inline constexpr const char* kNetworks = "org.berth.networks";       ///< "web,storage:eth5"
inline constexpr const char* kPorts = "org.berth.ports";             ///< "8080:80,[::1]:5353:53/udp"
inline constexpr const char* kNetDir = "org.berth.net-dir";          ///< A directory.
inline constexpr const char* kCniPath = "org.berth.cni-path";        ///< Directories, ':' between them.
inline constexpr const char* kArgs = "org.berth.args";               ///< CNI_ARGS: "K=V;K2=V2"
inline constexpr const char* kNetworkPrefix = "org.berth.network.";  ///< + network + ".ips" or ".mac"
inline constexpr const char* kIpsSuffix = ".ips";                    ///< "10.12.0.7,fd00::7/64"
inline constexpr const char* kMacSuffix = ".mac";                    ///< "02:00:00:00:00:07"
}  // namespace annotation

/// The network of a container that publishes ports and names no network.
inline constexpr const char* kDefaultNetwork = "berth";

/// One port of the container, reachable at a port of the host.
struct PublishedPort {
  std::optional<net::IpAddress> host_ip;  ///< Unset: every address of the host.
  uint16_t host_port = 0;
  uint16_t container_port = 0;
  std::string protocol = "tcp";  ///< tcp, udp or sctp

  bool operator==(const PublishedPort&) const = default;
};

/// One network the container is attached to.
struct NetworkRequest {
  std::string name;
  std::string ifname;
  std::vector<std::string> ips;  ///< Addresses asked for, with or without a prefix length.
  std::string mac;               ///< The hardware address asked for; empty: any.

  bool operator==(const NetworkRequest&) const = default;
};

/// Everything the annotations of one container ask for.
struct NetworkSetup {
  std::vector<NetworkRequest> networks;
  std::vector<PublishedPort> ports;
  std::string net_dir;                                    ///< Empty: the default.
  std::vector<std::string> cni_path;                      ///< Empty: the default.
  std::vector<std::pair<std::string, std::string>> args;  ///< CNI_ARGS

  bool empty() const { return networks.empty() && ports.empty(); }
};

/// One port specification, "[IP:]HOST:CONTAINER[/PROTOCOL]": an IPv6 address stands in brackets, HOST and CONTAINER are
/// ports or ranges A-B of the same length, PROTOCOL is tcp (default), udp or sctp in any case.
/// Throws std::invalid_argument naming the specification and what is wrong with it.
std::vector<PublishedPort> parse_port(std::string_view specification);
/// Several, separated by commas. Also throws if two of them claim the same port of the host.
std::vector<PublishedPort> parse_ports(std::string_view specifications);
/// Throws std::invalid_argument if two ports claim the same port of the host.
void require_distinct(const std::vector<PublishedPort>& ports);
/// The specification of one port: "127.0.0.1:8080:80/tcp". parse_port reads it back.
std::string format_port(const PublishedPort& port);
/// Specifications separated by commas, consecutive ports joined to ranges. parse_ports reads it back.
std::string format_ports(const std::vector<PublishedPort>& ports);

/// Networks separated by commas, each "NAME" or "NAME:INTERFACE". A network without an interface gets the first of
/// eth0, eth1, … that no other has. Throws std::invalid_argument for bad names and for an interface named twice.
std::vector<NetworkRequest> parse_networks(std::string_view specifications);
/// The specification of these networks, with every interface named.
std::string format_networks(const std::vector<NetworkRequest>& networks);

/// What these annotations ask for; the default network if there are only ports. Throws std::invalid_argument naming
/// the annotation and its value.
NetworkSetup network_setup(const Annotations& annotations);

/// The container id under which plugins know this container. CNI ids start with a letter or a digit and know no '+': an
/// id that is none has its other characters replaced by '_', a "c" put in front if it does not start with a letter
/// or a digit, and "-" and 12 hexadecimal digits of its SHA-512 appended.
std::string cni_container_id(const std::string& id);

}  // namespace berth::oci
