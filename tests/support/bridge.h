#pragma once

#include <string>
#include <vector>

#include "net/ip.h"
#include "support/plugin_test.h"

namespace berth::test {

/// The bridge plugin with host-local, the bridge br0 with the gateway's address.
class BridgeTest : public PluginTest {
 protected:
  BridgeTest() : PluginTest("bridge") {}

  void SetUp() override;

  void use_dual_stack();
  void use_layer_2();

  /// The port of br0 that belongs to the attachment under test.
  static net::Link port();
  /// Those of a link, link-local ones excepted.
  static std::vector<net::IpNet> addresses(net::Netlink netlink, const std::string& link);
  static void ping_from_inside(const char* address);
  static std::string masquerade_rules();
};

}  // namespace berth::test
