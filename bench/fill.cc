#include "bench/fill.h"

#include <fcntl.h>
#include <net/if.h>

#include <memory>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "firewall/firewall.h"
#include "net/netlink.h"
#include "support/programs.h"

namespace berth::bench {

namespace {

constexpr unsigned kFirstPort = 20'000;
constexpr unsigned kPortsOfABridge = 1000;  // the kernel has room for 1 023

std::string address_of(unsigned number) {
  return "10.9." + std::to_string(1 + number / 250) + "." + std::to_string(2 + number % 250);
}

void fill_links(const net::NetNs& elsewhere, unsigned from, unsigned to) {
  auto netlink = net::Netlink::here();
  for (unsigned number = from; number < to; ++number) {
    const std::string bridge = "fill" + std::to_string(number / kPortsOfABridge);
    if (::if_nametoindex(bridge.c_str()) == 0) {
      netlink.create_bridge(bridge, 0, false);
      netlink.set_up(netlink.link(bridge).index);
    }
    net::VethPair pair;
    pair.near.name = "v" + std::to_string(number);
    pair.near.master = static_cast<int>(::if_nametoindex(bridge.c_str()));
    pair.far.name = pair.near.name;
    pair.far.netns = &elsewhere;
    netlink.create_veth(pair);
  }
}

void fill_nftables(unsigned from, unsigned to) {
  const auto firewall = firewall::make("nftables");
  for (unsigned number = from; number < to; ++number) {
    const firewall::Owner owner{"filler", "filler" + std::to_string(number), "eth0"};
    firewall::Publication publication;
    publication.ports = {{static_cast<uint16_t>(kFirstPort + number), 80, "tcp", std::nullopt}};
    publication.container_v4 = net::IpNet::parse(address_of(number) + "/16");
    firewall->masquerade(owner, {*publication.container_v4});
    firewall->publish(owner, publication);
  }
}

/// All rules in one transaction of iptables-restore: adding thousands one by one takes the reference hours.
void fill_iptables(const std::string& restore, unsigned from, unsigned to) {
  std::string chains;
  std::string rules;
  for (unsigned number = from; number < to; ++number) {
    const std::string id = std::to_string(number);
    const std::string port = std::to_string(kFirstPort + number);
    const std::string address = address_of(number);
    const std::string dnat = "CNI-DN-filler" + id;
    const std::string masquerade = "CNI-filler" + id;
    chains += ":" + dnat + " - [0:0]\n:" + masquerade + " - [0:0]\n";
    rules += "-A CNI-HOSTPORT-DNAT -p tcp -m comment --comment \"dnat name: \\\"filler\\\" id: \\\"filler" + id +
             "\\\"\" -m multiport --dports " + port + " -j " + dnat + "\n";
    rules += "-A " + dnat + " -s 10.9.0.0/16 -p tcp -m tcp --dport " + port + " -j CNI-HOSTPORT-SETMARK\n";
    rules += "-A " + dnat + " -s 127.0.0.1/32 -p tcp -m tcp --dport " + port + " -j CNI-HOSTPORT-SETMARK\n";
    rules += "-A " + dnat + " -p tcp -m tcp --dport " + port + " -j DNAT --to-destination " + address + ":80\n";
    rules += "-A POSTROUTING -s " + address + "/32 -m comment --comment \"name: \\\"filler\\\" id: \\\"filler" + id +
             "\\\"\" -j " + masquerade + "\n";
    rules += "-A " + masquerade + " -d 10.9.0.0/16 -j ACCEPT\n-A " + masquerade + " ! -d 224.0.0.0/4 -j MASQUERADE\n";
  }
  test::RunOptions options;
  options.input = "*nat\n" + chains + rules + "COMMIT\n";
  options.timeout = std::chrono::minutes(5);
  test::must_run({restore, "--noflush"}, options);
}

}  // namespace

void fill(const Suite& suite, const net::NetNs& elsewhere, unsigned from, unsigned to) {
  suite.host().within([&] {
    fill_links(elsewhere, from, to);
    switch (suite.tables()) {
      case Tables::kNftables:
        return fill_nftables(from, to);
      case Tables::kIptablesLegacy:
        return fill_iptables("iptables-legacy-restore", from, to);
      case Tables::kIptablesNft:
        return fill_iptables("iptables-nft-restore", from, to);
    }
  });
}

void fill_leases(const std::string& directory, const std::string& prefix, unsigned count) {
  base::make_directories(directory, 0755);
  const auto put = [&](const std::string& name, const std::string& content) {
    const auto path = directory + "/" + name;
    base::write_all(base::open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0600).get(), content, path);
  };
  std::string last;
  for (unsigned n = 2; n < count + 2; ++n) {
    last = prefix + std::to_string(n / 256) + "." + std::to_string(n % 256);
    put(last, "filler" + std::to_string(n) + "\r\neth0");
  }
  put("last_reserved_ip.0", last);
}

}  // namespace berth::bench
