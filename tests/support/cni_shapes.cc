#include "support/cni_shapes.h"

#include <algorithm>
#include <set>

#include "net/ip.h"

namespace berth::test {

using base::Json;

namespace {

class Checker {
 public:
  Checker(const std::string& version, bool of_ipam) : version_(version), of_ipam_(of_ipam) {}

  std::vector<std::string> check(const Json& result) {
    if (!result.is_object()) return {"the result is no object"};
    if (result.value("cniVersion", "") != version_) complain("cniVersion", "is not " + version_);
    if (version_ < "0.3.0") {
      check_old(result);
    } else {
      check_new(result);
    }
    return errors_;
  }

 private:
  void complain(const std::string& where, const std::string& what) { errors_.push_back(where + " " + what); }

  void allow(const Json& object, const std::string& where, const std::set<std::string>& keys) {
    if (!object.is_object()) return complain(where, "is no object");
    for (const auto& [key, value] : object.items()) {
      if (!keys.contains(key)) complain(where + "." + key, "is not known in " + version_);
    }
  }

  /// A list of objects, each handed to `visit` with its name.
  template <class Visit>
  void each(const Json& object, const std::string& key, const Visit& visit) {
    if (!object.contains(key)) return;
    if (!object[key].is_array()) return complain(key, "is no list");
    int index = 0;
    for (const auto& element : object[key]) visit(element, key + "[" + std::to_string(index++) + "]");
  }

  /// The family of a CIDR (or with `plain`, of an address): 4, 6, or 0 with a complaint.
  int family(const Json& object, const std::string& key, const std::string& where, bool plain) {
    if (!object.contains(key) || !object[key].is_string()) {
      complain(where + "." + key, "is no string");
      return 0;
    }
    const auto text = object[key].get<std::string>();
    try {
      const auto address = plain ? net::IpAddress::parse(text) : net::IpNet::parse(text).address;
      return address.family() == net::Family::kIpv4 ? 4 : 6;
    } catch (const std::exception& error) {
      complain(where + "." + key, error.what());
      return 0;
    }
  }

  void check_dns(const Json& result) {
    const bool always = version_ < "1.0.0";
    if (!result.contains("dns")) {
      if (always) complain("dns", "is missing");
      return;
    }
    allow(result["dns"], "dns", {"nameservers", "domain", "search", "options"});
    if (!always && result["dns"].empty()) complain("dns", "is empty");
  }

  void check_route(const Json& route, const std::string& where, std::set<std::string> keys, int wanted) {
    allow(route, where, keys);
    const int dst = family(route, "dst", where, false);
    if (wanted != 0 && dst != wanted) complain(where + ".dst", "is of the other family");
    if (route.contains("gw") && family(route, "gw", where, true) != dst)
      complain(where + ".gw", "is of another family");
    for (const char* number : {"mtu", "advmss", "priority", "table", "scope"}) {
      if (route.contains(number) && !route[number].is_number_integer()) complain(where + "." + number, "is no number");
    }
  }

  void check_old(const Json& result) {
    allow(result, "result", {"cniVersion", "ip4", "ip6", "dns"});
    check_dns(result);
    if (!result.contains("ip4") && !result.contains("ip6")) complain("result", "has no address");
    for (const int wanted : {4, 6}) {
      const std::string key = "ip" + std::to_string(wanted);
      if (!result.contains(key)) continue;
      const Json& ip = result[key];
      allow(ip, key, {"ip", "gateway", "routes"});
      if (family(ip, "ip", key, false) != wanted) complain(key + ".ip", "is of the other family");
      if (ip.contains("gateway") && family(ip, "gateway", key, true) != wanted) {
        complain(key + ".gateway", "is of the other family");
      }
      each(ip, "routes", [&](const Json& route, const std::string& where) {
        check_route(route, key + "." + where, {"dst", "gw"}, wanted);
      });
    }
  }

  void check_interface(const Json& interface, const std::string& where) {
    std::set<std::string> keys{"name", "mac", "sandbox"};
    if (version_ >= "1.1.0") keys.merge(std::set<std::string>{"mtu", "socketPath", "pciID"});
    allow(interface, where, keys);
    if (interface.value("name", "").empty()) complain(where + ".name", "is missing");
    if (interface.contains("sandbox") && interface.value("sandbox", "").empty())
      complain(where + ".sandbox", "is empty");
    if (interface.contains("mtu") && !interface["mtu"].is_number_integer()) complain(where + ".mtu", "is no number");
  }

  void check_ip(const Json& ip, const std::string& where, size_t interfaces) {
    const bool with_version = version_ < "1.0.0";
    allow(ip, where,
          with_version ? std::set<std::string>{"version", "interface", "address", "gateway"}
                       : std::set<std::string>{"interface", "address", "gateway"});
    const int of_address = family(ip, "address", where, false);
    if (with_version && ip.value("version", "") != std::to_string(of_address)) {
      complain(where + ".version", "is not that of the address");
    }
    if (ip.contains("gateway") && family(ip, "gateway", where, true) != of_address) {
      complain(where + ".gateway", "is of another family");
    }
    if (!ip.contains("interface")) return;
    if (of_ipam_) complain(where + ".interface", "is not for IPAM to say");
    const bool is_index = ip["interface"].is_number_integer() && ip["interface"].get<int>() >= 0 &&
                          ip["interface"].get<size_t>() < interfaces;
    if (!is_index && !of_ipam_) complain(where + ".interface", "points to no interface");
  }

  void check_new(const Json& result) {
    allow(result, "result", {"cniVersion", "interfaces", "ips", "routes", "dns"});
    check_dns(result);
    if (of_ipam_ && result.contains("interfaces")) complain("interfaces", "are not for IPAM to say");
    size_t interfaces = 0;
    each(result, "interfaces", [&](const Json& interface, const std::string& where) {
      ++interfaces;
      check_interface(interface, where);
    });
    each(result, "ips", [&](const Json& ip, const std::string& where) { check_ip(ip, where, interfaces); });
    each(result, "routes", [&](const Json& route, const std::string& where) {
      check_route(route, where, {"dst", "gw", "mtu", "advmss", "priority", "table", "scope"}, 0);
    });
  }

  const std::string& version_;
  const bool of_ipam_;
  std::vector<std::string> errors_;
};

}  // namespace

std::vector<std::string> shape_errors(const Json& result, const std::string& version, bool of_ipam) {
  return Checker(version, of_ipam).check(result);
}

}  // namespace berth::test
