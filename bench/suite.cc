#include "bench/suite.h"

#include "base/file.h"
#include "base/json.h"
#include "support/programs.h"

namespace berth::bench {

using base::Json;

namespace {

const char* backend_key(Tables tables) {
  return tables == Tables::kNftables ? "nftables" : "iptables";
}

Json ipam(int subnet, bool ipv6, const std::string& data_dir) {
  Json ranges = Json::array({Json::array({{{"subnet", "10." + std::to_string(100 + subnet) + ".0.0/16"}}})});
  Json routes = Json::array({{{"dst", "0.0.0.0/0"}}});
  if (ipv6) {
    ranges.push_back(Json::array({{{"subnet", "fd00:" + std::to_string(100 + subnet) + "::/64"}}}));
    routes.push_back({{"dst", "::/0"}});
  }
  return {{"type", "host-local"}, {"dataDir", data_dir}, {"ranges", ranges}, {"routes", routes}};
}

}  // namespace

Suite::Suite(std::string who, std::string id, std::string plugins, Tables tables)
    : who_(std::move(who)),
      id_(std::move(id)),
      plugins_(std::move(plugins)),
      tables_(tables),
      host_namespace_("host-" + id_),
      host_(host_namespace_.open()),
      directory_("/run/bench/" + id_),
      path_("/usr/sbin:/usr/bin:/sbin:/bin") {
  base::make_directories(directory_, 0755);
  host_.within([&] {
    if (tables_ == Tables::kIptablesLegacy) path_ = test::path_with_legacy_iptables(directory_ + "/programs");
    if (tables_ == Tables::kIptablesNft) test::use_iptables_nft();
  });
}

void Suite::configure(const Chain& chain, int subnet) {
  Json bridge = {{"type", "bridge"},
                 {"bridge", "br" + std::to_string(subnet)},
                 {"isGateway", true},
                 {"hairpinMode", true},
                 {"ipam", ipam(subnet, chain.ipv6, directory_ + "/leases")}};
  if (chain.masquerade) {
    bridge["ipMasq"] = true;
    bridge["ipMasqBackend"] = backend_key(tables_);
  }
  Json plugins = Json::array({bridge});
  if (chain.name == "loopback") plugins = Json::array({{{"type", "loopback"}}});
  if (chain.ports > 0) {
    plugins.push_back(
        {{"type", "portmap"}, {"backend", backend_key(tables_)}, {"capabilities", {{"portMappings", true}}}});
  }
  if (chain.everything) {
    plugins.push_back({{"type", "firewall"}, {"backend", backend_key(tables_)}});
    plugins.push_back({{"type", "bandwidth"},
                       {"ingressRate", 100'000'000},
                       {"ingressBurst", 10'000'000},
                       {"egressRate", 100'000'000},
                       {"egressBurst", 10'000'000}});
    plugins.push_back({{"type", "tuning"}, {"sysctl", {{"net.ipv4.conf.IFNAME.arp_filter", "1"}}}});
  }
  base::write_file_atomic(directory_ + "/" + std::to_string(subnet) + ".conflist",
                          Json{{"cniVersion", "1.0.0"}, {"name", chain.name}, {"plugins", plugins}}.dump(2), 0644);
}

Program Suite::command(const std::string& command, const Chain& chain, const std::string& netns, int first_port) const {
  Program program;
  program.argv = {test::built("cnitool"), "--cache-dir", directory_ + "/cache", command, chain.name, netns};
  program.env = {"PATH=" + path_, "HOME=/root", "CNI_PATH=" + plugins_, "NETCONFPATH=" + directory_};
  if (chain.ports > 0) {
    Json mappings = Json::array();
    for (int i = 0; i < chain.ports; ++i) {
      mappings.push_back({{"hostPort", first_port + i}, {"containerPort", 80 + i}, {"protocol", "tcp"}});
    }
    program.env.push_back("CAP_ARGS=" + Json{{"portMappings", mappings}}.dump());
  }
  return program;
}

Cost Suite::run(const Program& program) const {
  return host_.within([&] { return run_measured(program); });
}

std::vector<std::unique_ptr<Suite>> make_suites(const std::string& reference_plugins, bool every_kind) {
  std::vector<std::unique_ptr<Suite>> suites;
  const auto ours = test::built_directory();
  suites.push_back(std::make_unique<Suite>("berth, nftables", "bn", ours, Tables::kNftables));
  suites.push_back(std::make_unique<Suite>("berth, iptables-legacy", "bl", ours, Tables::kIptablesLegacy));
  if (every_kind) suites.push_back(std::make_unique<Suite>("berth, iptables-nft", "bi", ours, Tables::kIptablesNft));
  if (reference_plugins.empty()) return suites;
  suites.push_back(
      std::make_unique<Suite>("reference, iptables-legacy", "rl", reference_plugins, Tables::kIptablesLegacy));
  if (every_kind) {
    suites.push_back(std::make_unique<Suite>("reference, iptables-nft", "ri", reference_plugins, Tables::kIptablesNft));
  }
  return suites;
}

Floor::Floor() {
  run("prepare");
}

Cost Floor::run(const std::string& command) const {
  return host_.within([&] { return run_measured(floor_command({command, box_.path()})); });
}

}  // namespace berth::bench
