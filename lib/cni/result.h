#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_fwd.h"
#include "net/ip.h"

namespace berth::cni {

struct Interface {
  std::string name;
  std::string mac;
  std::string sandbox;  ///< Namespace path; empty: on the host.
  unsigned mtu = 0;     ///< 1.1.0; 0: not said.
  std::string socket_path;
  std::string pci_id;
};

struct IpConfig {
  std::optional<int64_t> interface;  ///< Index into Result::interfaces.
  net::IpNet address;
  std::optional<net::IpAddress> gateway;
};

struct Route {
  net::IpNet dst;
  std::optional<net::IpAddress> gw;  ///< Unset: the gateway of the address in that family.
  unsigned mtu = 0;
  unsigned advmss = 0;
  unsigned priority = 0;
  std::optional<int64_t> table;
  std::optional<int64_t> scope;
};

struct Dns {
  std::vector<std::string> nameservers;
  std::string domain;
  std::vector<std::string> search;
  std::vector<std::string> options;

  bool empty() const { return nameservers.empty() && domain.empty() && search.empty() && options.empty(); }
};

/// The outcome of ADD, free of any version's shape (spec section 5). Versions exist only in text.
struct Result {
  std::vector<Interface> interfaces;
  std::vector<IpConfig> ips;
  std::vector<Route> routes;
  Dns dns;

  /// Reads a result of any version 0.1.0 to 1.1.0; without cniVersion it is taken to be in `default_version`.
  /// Throws base::JsonError naming the key, cni::Error(kIncompatibleVersion) for an unknown version.
  static Result from_json(const base::Json& value, const std::string& default_version);

  /// The result object in the shape of `version`. Throws cni::Error `cannot convert: no valid IP addresses` where
  /// 0.1.0/0.2.0 need an address.
  base::Json to_json(const std::string& version) const;

  /// Throws what to_json(version) would throw, before anything is done: for plugins that know what they will return.
  void require_expressible_in(const std::string& version) const;
};

/// Spec versions this suite speaks, oldest first: 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0.
const std::vector<std::string>& all_versions();
/// Compares two dotted versions numerically: negative, 0, positive. Throws std::invalid_argument if one is malformed.
int compare_versions(std::string_view a, std::string_view b);

/// A route or DNS object as configurations and results spell them (the same in every version from 0.3.0 on).
Route route_from_json(const base::Json& value, const std::string& path);
Dns dns_from_json(const base::Json& value, const std::string& path);

}  // namespace berth::cni
