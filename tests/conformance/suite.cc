#include "conformance/suite.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::test {

using base::Json;

namespace {

const char* multi_call_program(Flavour flavour) {
  return flavour == Flavour::kLegacy ? "xtables-legacy-multi" : "xtables-nft-multi";
}

std::array<int, 3> numbers_of(const std::string& release) {
  std::array<int, 3> numbers{};
  std::sscanf(release.c_str(), "%d.%d.%d", &numbers[0], &numbers[1], &numbers[2]);
  return numbers;
}

}  // namespace

const char* name_of(Flavour flavour) {
  return flavour == Flavour::kLegacy ? "Legacy" : "NfTables";
}

bool Suite::has(const std::string& plugin) const {
  return ::access((plugins + "/" + plugin).c_str(), X_OK) == 0;
}

Suite reference_suite() {
  return {"reference", reference_plugins()};
}

Suite our_suite() {
  return {"berth", built_directory()};
}

std::string reference_release() {
  static const std::string release = [] {
    // Debian builds them without their version in them; the package has it: "1.1.1+ds1-3+b5".
    const std::string package = must_run({"dpkg-query", "-W", "-f", "${Version}", "containernetworking-plugins"});
    return package.substr(0, package.find_first_not_of("0123456789."));
  }();
  return release;
}

bool is_older(const std::string& release, const std::string& than) {
  return numbers_of(release) < numbers_of(than);
}

std::string path_with(Flavour flavour, const std::string& directory) {
  const std::string multi = system_program(multi_call_program(flavour));
  if (multi.empty()) throw std::runtime_error(std::string(multi_call_program(flavour)) + " is not installed");
  base::make_directories(directory, 0755);
  for (const char* name :
       {"iptables", "ip6tables", "iptables-save", "ip6tables-save", "iptables-restore", "ip6tables-restore"}) {
    const std::string link = directory + "/" + name;
    if (::symlink(multi.c_str(), link.c_str()) != 0 && errno != EEXIST) base::throw_errno("symlink " + link);
  }
  return directory + ":/usr/sbin:/usr/bin:/sbin:/bin";
}

void make_customary(Flavour flavour) {
  // One process for each family and not for each rule: this runs before every case.
  RunOptions options;
  for (const auto& [table, chain] : {std::pair{"nat", "POSTROUTING"}, std::pair{"filter", "FORWARD"}}) {
    options.input += std::string("*") + table + "\n";
    for (const char* action : {"-A ", "-D "}) options.input += std::string(action) + chain + " -j ACCEPT\n";
    options.input += "COMMIT\n";
  }
  const std::string suffix = flavour == Flavour::kLegacy ? "-legacy-restore" : "-nft-restore";
  for (const char* family : {"iptables", "ip6tables"}) must_run({family + suffix, "-w", "--noflush"}, options);
}

bool we_follow(Flavour flavour, const std::string& scratch) {
  static std::array<int, 2> known{-1, -1};
  int& answer = known[flavour == Flavour::kLegacy ? 0 : 1];
  if (answer >= 0) return answer == 1;
  const std::string path = path_with(flavour, scratch + "/probe-" + name_of(flavour));
  const Json config = {{"cniVersion", "1.0.0"},
                       {"name", "probe"},
                       {"type", "bridge"},
                       {"bridge", "probe0"},
                       {"ipMasq", true},
                       {"ipMasqBackend", "iptables"},
                       {"ipam", {{"type", "host-local"}, {"subnet", "10.99.0.0/24"}, {"dataDir", scratch + "/probe"}}}};
  NamedNetNs host("probe-host");
  NamedNetNs box("probe-box");
  answer = host.open().within([&] {
    make_customary(flavour);
    const auto added = run_plugin(built("bridge"),
                                  {{"CNI_COMMAND", "ADD"},
                                   {"CNI_CONTAINERID", "probe"},
                                   {"CNI_NETNS", box.path()},
                                   {"CNI_IFNAME", "eth0"},
                                   {"PATH", path}},
                                  config.dump());
    if (!added.ok()) return 0;
    const auto rules = must_run({flavour == Flavour::kLegacy ? "iptables-legacy" : "iptables-nft", "-t", "nat", "-S"});
    return rules.find("MASQUERADE") != std::string::npos ? 1 : 0;
  });
  return answer == 1;
}

std::string why_no_link(const std::string& kind) {
  static std::map<std::string, std::string> known;
  if (const auto answer = known.find(kind); answer != known.end()) return answer->second;
  NamedNetNs probe("probe-kind");
  std::vector<std::string> command{"ip", "-n", probe.name(), "link", "add", "probe"};
  if (kind == "vlan" || kind == "ipvlan" || kind == "macvlan") {
    must_run({"ip", "-n", probe.name(), "link", "add", "m0", "type", "veth", "peer", "name", "m1"});
    command.insert(command.end(), {"link", "m0"});
  }
  command.insert(command.end(), {"type", kind});
  if (kind == "vlan") command.insert(command.end(), {"id", "5"});
  if (kind == "vrf") command.insert(command.end(), {"table", "5"});
  if (kind == "bridge-vlan") {
    command = {"ip", "-n", probe.name(), "link", "add", "probe", "type", "bridge", "vlan_filtering", "1"};
  }
  const auto made = run(command);
  return known[kind] = made.ok() ? "" : "this kernel has no " + kind + " links: " + made.error;
}

}  // namespace berth::test
