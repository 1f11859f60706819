#include "support/bridge.h"

#include "support/programs.h"

namespace berth::test {

using base::Json;
using net::Netlink;

void BridgeTest::SetUp() {
  PluginTest::SetUp();
  if (IsSkipped()) return;
  config_["cniVersion"] = "1.0.0";
  config_["bridge"] = "br0";
  config_["isGateway"] = true;
}

void BridgeTest::use_dual_stack() {
  config_["ipam"]["ranges"] = Json::parse(R"([[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd01::/64"}]])");
  config_["ipam"]["routes"] = Json::parse(R"([{"dst": "0.0.0.0/0"}, {"dst": "::/0"}])");
}

void BridgeTest::use_layer_2() {
  config_.erase("ipam");
  config_.erase("isGateway");
}

net::Link BridgeTest::port() {
  auto host = Netlink::here();
  const auto ports = host.ports(host.link("br0").index);
  EXPECT_EQ(ports.size(), 1U);
  return ports.empty() ? net::Link{} : ports[0];
}

std::vector<net::IpNet> BridgeTest::addresses(Netlink netlink, const std::string& link) {
  std::vector<net::IpNet> found;
  for (const auto& address : netlink.addresses(netlink.link(link).index)) {
    if (!address.address.address.is_link_local_unicast()) found.push_back(address.address);
  }
  return found;
}

void BridgeTest::ping_from_inside(const char* address) {
  must_run({"ip", "netns", "exec", "box", system_program("busybox"), "ping", "-c", "1", "-W", "1", address});
}

std::string BridgeTest::masquerade_rules() {
  return must_run({"iptables-legacy", "-t", "nat", "-S"});
}

}  // namespace berth::test
