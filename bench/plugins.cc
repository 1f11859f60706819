#include <functional>
#include <memory>

#include "bench/measurements.h"
#include "bench/suite.h"
#include "support/programs.h"

namespace berth::bench {

namespace {

const std::vector<Chain>& chains() {
  static const std::vector<Chain> kChains{
      {"loopback"},
      {"bridge"},
      {"masquerade", true},
      {"one-port", true, 1},
      {"twenty-ports", true, 20},
      {"dual-stack", true, 1, true},
      {"everything", true, 1, false, true},
  };
  return kChains;
}

std::string describe(const Chain& chain) {
  if (chain.name == "loopback") return "loopback";
  std::string text = "bridge + host-local";
  if (chain.masquerade) text += " + ipMasq";
  if (chain.ports == 1) text += " + portmap";
  if (chain.ports > 1) text += " + portmap of " + std::to_string(chain.ports) + " ports";
  if (chain.ipv6) text += ", IPv4 and IPv6";
  if (chain.everything) text += " + firewall + bandwidth + tuning";
  return text;
}

/// The floor makes and removes what one ADD of the chain "one-port" does.
struct Floor {
  test::NamedNetNs host_namespace{"host-floor"};
  net::NetNs host = host_namespace.open();
  test::NamedNetNs box{"box-floor"};

  Cost run(const std::string& command) const {
    return host.within([&] { return run_measured(floor_command({command, box.path()})); });
  }
};

}  // namespace

void measure_plugins(const Options& options, Results& results) {
  const auto suites = make_suites(options.reference_plugins, !options.quick);
  std::vector<std::unique_ptr<test::NamedNetNs>> boxes;
  for (size_t i = 0; i < suites.size(); ++i)
    boxes.push_back(std::make_unique<test::NamedNetNs>("box" + std::to_string(i)));
  const Floor floor;
  floor.run("prepare");
  int subnet = 0;
  for (const auto& chain : chains()) {
    const auto what = describe(chain);
    std::vector<bool> checks(suites.size());
    for (size_t i = 0; i < suites.size(); ++i) {
      // The first attachment makes bridges and shared chains, and tells whether CHECK works (the reference's portmap
      // looks for IPv6 rules where there are none).
      const auto& suite = *suites[i];
      suites[i]->configure(chain, subnet);
      suite.run(suite.command("add", chain, boxes[i]->path()));
      checks[i] = suite.host().within([&] { return succeeds(suite.command("check", chain, boxes[i]->path())); });
      suite.run(suite.command("del", chain, boxes[i]->path()));
      if (!checks[i]) results.add_failure(what, "CHECK", suite.who(), "fails");
    }
    for (int round = 0; round < options.rounds; ++round) {
      for (size_t i = 0; i < suites.size(); ++i) {
        const auto& suite = *suites[i];
        for (const char* command : {"add", "check", "del"}) {
          const std::string operation = std::string(command) == "add" ? "ADD" : command[0] == 'c' ? "CHECK" : "DEL";
          if (operation == "CHECK" && !checks[i]) continue;
          results.add(what, operation, suite.who(), "ms",
                      suite.run(suite.command(command, chain, boxes[i]->path())).wall_ms);
        }
      }
      if (chain.name == "one-port") {
        results.add(what, "ADD", "floor", "ms", floor.run("add").wall_ms);
        results.add(what, "DEL", "floor", "ms", floor.run("del").wall_ms);
      }
    }
    ++subnet;
  }
}

}  // namespace berth::bench
