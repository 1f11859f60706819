#include "support/plugin_test.h"

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "net/sysctl.h"
#include "support/programs.h"

namespace berth::test {

using base::Json;

void PluginTest::SetUp() {
  Sandbox::SetUp();
  if (IsSkipped()) return;
  box_ = std::make_unique<NamedNetNs>("box");
  config_ = Json::parse(R"({
    "cniVersion": "1.1.0", "name": "net",
    "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}})");
  config_["type"] = plugin_;
}

base::CommandResult PluginTest::call(const std::string& command, Environment env) const {
  env.try_emplace("CNI_COMMAND", command);
  env.try_emplace("CNI_CONTAINERID", "box");
  env.try_emplace("CNI_NETNS", "/run/netns/box");
  env.try_emplace("CNI_IFNAME", "eth0");
  return run_plugin(built(plugin_), env, config_.dump());
}

Json PluginTest::add(const Environment& env) {
  const auto result = call("ADD", env);
  EXPECT_TRUE(result.ok()) << result.output << result.error;
  if (!result.ok()) return Json::object();
  config_["prevResult"] = Json::parse(result.output);
  return config_["prevResult"];
}

void PluginTest::expect_ok(const std::string& command, const Environment& env) const {
  const auto result = call(command, env);
  EXPECT_TRUE(result.ok()) << command << ": " << result.output << result.error;
  EXPECT_EQ(result.output, "");
}

Json PluginTest::error(const std::string& command, const Environment& env) const {
  const auto result = call(command, env);
  EXPECT_FALSE(result.ok()) << command << " succeeded: " << result.output;
  return result.ok() ? Json{{"code", 0}, {"msg", ""}} : Json::parse(result.output);
}

std::string PluginTest::message(const std::string& command, const Environment& env) const {
  const auto object = error(command, env);
  return object["msg"].get<std::string>() + object.value("details", "");
}

Json PluginTest::failed_add(const Environment& env) const {
  const auto before = everything();
  auto object = error("ADD", env);
  EXPECT_EQ(everything(), before);
  return object;
}

Environment PluginTest::attachment(const std::string& container_id, const std::string& netns,
                                   const std::string& ifname) {
  return {{"CNI_CONTAINERID", container_id}, {"CNI_NETNS", netns}, {"CNI_IFNAME", ifname}};
}

std::string PluginTest::everything() const {
  return host_state() +
         without_carrier(must_run({"ip", "-n", "box", "-o", "link"}) + must_run({"ip", "-n", "box", "-o", "address"}));
}

std::vector<std::string> PluginTest::addresses() const {
  std::vector<std::string> found;
  for (const auto& address : inside().addresses(eth0().index)) {
    if (!address.address.address.is_link_local_unicast()) found.push_back(address.address.to_string());
  }
  return found;
}

std::string PluginTest::sysctl_inside(const std::string& name) const {
  return netns().within([&] { return net::sysctl::read(name); });
}

std::vector<std::string> PluginTest::leases() {
  std::vector<std::string> found;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/var/lib/cni/networks/net", ignored)) {
    const std::string name = entry.path().filename();
    if (name != "lock" && !name.starts_with("last_reserved_ip")) found.push_back(name);
  }
  std::sort(found.begin(), found.end());
  return found;
}

bool kernel_has(const std::string& kind) {
  auto host = net::Netlink::here();
  net::ChildLink probe;
  probe.name = "probe0";
  try {
    if (kind == "dummy") {
      host.create_dummy(probe.name);
    } else if (kind == "vrf") {
      host.create_vrf(probe.name, 4000);
    } else {
      must_run({"ip", "link", "add", "probe1", "type", "veth", "peer", "name", "probe2"});
      probe.parent = host.link("probe1").index;
      if (kind == "macvlan") host.create_macvlan(probe, net::MacvlanMode::kBridge, 0);
      if (kind == "ipvlan") host.create_ipvlan(probe, net::IpvlanMode::kL2);
      if (kind == "vlan") host.create_vlan(probe, 1);
    }
  } catch (const base::SystemError& failure) {
    if (failure.code() != EOPNOTSUPP) throw;
  }
  const bool has = host.delete_link(probe.name);
  host.delete_link("probe1");
  return has;
}

std::string lacks(const std::string& kind) {
  return "this kernel has no " + kind + " (run by tests/vm/run)";
}

bool ping(const std::string& netns, const std::string& address) {
  const bool is_v6 = address.find(':') != std::string::npos;
  const auto once = [&] {
    return run({"ip", "netns", "exec", netns, system_program("busybox"), is_v6 ? "ping6" : "ping", "-c", "1", "-W", "2",
                address})
        .ok();
  };
  // Packets are lost while the kernel has not yet looked at the carrier of a new link: it does once a second, and asks
  // for a neighbour once a second, too.
  return once() || once();
}

Lan::Lan() : peer_("peer") {
  auto host = net::Netlink::here();
  const auto there = peer_.open();
  net::VethPair cable;
  cable.near.name = "lan0";
  cable.near_up = true;
  cable.far.name = "eth0";
  cable.far.netns = &there;
  host.create_veth(cable);
  auto peer = net::Netlink::in(there);
  const int eth0 = peer.link("eth0").index;
  for (const char* address : {"10.1.0.1/24", "fd01::1/64"}) {
    peer.add_address(eth0, {net::IpNet::parse(address), true, 0});
  }
  peer.set_up(eth0);
}

}  // namespace berth::test
