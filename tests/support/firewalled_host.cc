#include "support/firewalled_host.h"

#include <thread>

#include "base/file.h"
#include "base/json.h"
#include "support/programs.h"

namespace berth::test {

using base::Json;

namespace {

/// "10.9.0." and "fd00:9::" for br0, "10.10.0." and "fd00:10::" for br1.
struct Subnets {
  std::string v4;
  std::string v6;
};

Subnets subnets_of(const std::string& bridge) {
  const std::string number = bridge == "br0" ? "9" : "10";
  return {"10." + number + ".0.", "fd00:" + number + "::"};
}

/// Duplicate address detection would keep this namespace from asking for its neighbours for a second or two.
void use_link_local_addresses_at_once() {
  base::write_existing("/proc/sys/net/ipv6/conf/default/accept_dad", "0");
}

std::unique_ptr<NamedNetNs> new_namespace(const std::string& name) {
  auto netns = std::make_unique<NamedNetNs>(name);
  netns->open().within(use_link_local_addresses_at_once);
  return netns;
}

}  // namespace

void FirewalledHost::SetUp() {
  Sandbox::SetUp();
  if (IsSkipped()) return;
  use_link_local_addresses_at_once();
  for (const std::string bridge : {"br0", "br1"}) {
    const auto subnets = subnets_of(bridge);
    must_run({"ip", "link", "add", bridge, "type", "bridge"});
    must_run({"ip", "address", "add", subnets.v4 + "1/24", "dev", bridge});
    must_run({"ip", "address", "add", subnets.v6 + "1/64", "dev", bridge, "nodad"});
    must_run({"ip", "link", "set", bridge, "up"});
  }
  must_run({"sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"});
}

std::unique_ptr<NamedNetNs> FirewalledHost::container(const std::string& name, const std::string& bridge, int host) {
  auto netns = new_namespace(name);
  const std::string port = "v" + name;
  const std::string number = std::to_string(host);
  const auto subnets = subnets_of(bridge);
  must_run({"ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name});
  must_run({"ip", "link", "set", port, "master", bridge, "up"});
  must_run({"ip", "-n", name, "address", "add", subnets.v4 + number + "/24", "dev", "eth0"});
  must_run({"ip", "-n", name, "address", "add", subnets.v6 + number + "/64", "dev", "eth0", "nodad"});
  must_run({"ip", "-n", name, "link", "set", "eth0", "up"});
  must_run({"ip", "-n", name, "route", "add", "default", "via", subnets.v4 + "1"});
  must_run({"ip", "-n", name, "-6", "route", "add", "default", "via", subnets.v6 + "1"});
  return netns;
}

std::unique_ptr<NamedNetNs> FirewalledHost::outside() {
  auto netns = new_namespace("outside");
  must_run({"ip", "link", "add", "uplink", "type", "veth", "peer", "name", "eth0", "netns", "outside"});
  must_run({"ip", "address", "add", "192.168.77.1/24", "dev", "uplink"});
  must_run({"ip", "address", "add", "fd00:77::1/64", "dev", "uplink", "nodad"});
  must_run({"ip", "link", "set", "uplink", "up"});
  must_run({"ip", "-n", "outside", "address", "add", std::string(kWorldV4) + "/24", "dev", "eth0"});
  must_run({"ip", "-n", "outside", "address", "add", std::string(kWorldV6) + "/64", "dev", "eth0", "nodad"});
  must_run({"ip", "-n", "outside", "link", "set", "eth0", "up"});
  must_run({"ip", "-n", "outside", "route", "add", "default", "via", "192.168.77.1"});
  must_run({"ip", "-n", "outside", "-6", "route", "add", "default", "via", "fd00:77::1"});
  return netns;
}

std::unique_ptr<Background> FirewalledHost::web_server(const NamedNetNs& netns, const std::string& page) const {
  write(page + "/index.html", page);
  const std::string busybox = system_program("busybox");
  return netns.open().within([&] {
    return std::make_unique<Background>(
        std::vector<std::string>{busybox, "httpd", "-f", "-p", "[::]:80", "-h", scratch() + "/" + page});
  });
}

bool FirewalledHost::reaches(const NamedNetNs& from, const std::string& address) {
  return from.open().within([&] { return answers(net::IpAddress::parse(address), 80); });
}

Json FirewalledHost::firewall_config(const std::string& backend, const std::string& more, int host,
                                     const std::string& bridge) {
  const std::string number = std::to_string(host);
  const auto subnets = subnets_of(bridge);
  Json conf = Json::parse(R"({"cniVersion": "1.1.0", "name": "n1", "type": "firewall"})");
  conf["backend"] = backend;
  conf["prevResult"] = Json::parse(
      R"({"cniVersion": "1.1.0", "interfaces": [{}, {}, {"name": "eth0", "sandbox": "/run/netns/c"}],
          "ips": [{"interface": 2}, {"interface": 2}]})");
  conf["prevResult"]["interfaces"][0]["name"] = bridge;
  conf["prevResult"]["interfaces"][1]["name"] = "vc" + number;
  conf["prevResult"]["ips"][0]["address"] = subnets.v4 + number + "/24";
  conf["prevResult"]["ips"][1]["address"] = subnets.v6 + number + "/64";
  conf.update(Json::parse(more));
  return conf;
}

std::map<std::string, std::string> FirewalledHost::environment(const std::string& command, const std::string& id,
                                                               const std::string& ifname) {
  return {{"CNI_COMMAND", command},
          {"CNI_CONTAINERID", id},
          {"CNI_NETNS", "/run/netns/c"},
          {"CNI_IFNAME", ifname},
          {"CNI_PATH", built_directory()}};
}

base::CommandResult FirewalledHost::firewall(const std::string& command, const Json& conf, const std::string& id) {
  return run_plugin(built("firewall"), environment(command, id, "eth0"), conf.dump());
}

std::vector<std::string> FirewalledHost::firewall_at_once(const std::string& command, const std::string& backend,
                                                          int containers) {
  std::vector<std::string> failures(static_cast<size_t>(containers));
  std::vector<std::thread> threads;
  for (int i = 0; i < containers; ++i) {
    threads.emplace_back([&, i] {
      const Json conf = firewall_config(backend, R"({"ingressPolicy": "same-bridge"})", kFirst + i, "br0");
      const auto result = firewall(command, conf, "ctr" + std::to_string(i));
      if (!result.ok()) failures[static_cast<size_t>(i)] = command + ": " + result.output + result.error;
    });
  }
  for (auto& thread : threads) thread.join();
  std::erase(failures, "");
  return failures;
}

}  // namespace berth::test
