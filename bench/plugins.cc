#include <memory>
#include <string_view>
#include <utility>

#include "bench/measurements.h"
#include "bench/suite.h"

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

/// A suite, and the container namespace that it attaches.
struct Contender {
  std::unique_ptr<Suite> suite;
  test::NamedNetNs box;
  bool can_check = false;  ///< CHECK works with the present chain.

  Contender(std::unique_ptr<Suite> of, size_t number) : suite(std::move(of)), box("box" + std::to_string(number)) {}

  Program command(const char* name, const Chain& chain) const { return suite->command(name, chain, box.path()); }

  /// The first attachment makes bridges and shared chains, and tells whether CHECK works (the reference's portmap looks
  /// for IPv6 rules where there are none).
  void prepare(const Chain& chain, int subnet) {
    suite->configure(chain, subnet);
    suite->run(command("add", chain));
    can_check = suite->host().within([&] { return succeeds(command("check", chain)); });
    suite->run(command("del", chain));
  }

  void measure(const Chain& chain, const std::string& what, Results& results) const {
    constexpr std::pair<const char*, const char*> kCommands[] = {{"add", "ADD"}, {"check", "CHECK"}, {"del", "DEL"}};
    for (const auto& [name, operation] : kCommands) {
      if (name == std::string_view("check") && !can_check) continue;
      results.add(what, operation, suite->who(), "ms", suite->run(command(name, chain)).wall_ms);
    }
  }
};

std::vector<std::unique_ptr<Contender>> make_contenders(const Options& options) {
  std::vector<std::unique_ptr<Contender>> contenders;
  for (auto& suite : make_suites(options.reference_plugins, !options.quick)) {
    contenders.push_back(std::make_unique<Contender>(std::move(suite), contenders.size()));
  }
  return contenders;
}

}  // namespace

void measure_plugins(const Options& options, Results& results) {
  const auto contenders = make_contenders(options);
  const Floor floor;
  int subnet = 0;
  for (const auto& chain : chains()) {
    const auto what = describe(chain);
    for (const auto& contender : contenders) {
      contender->prepare(chain, subnet);
      if (!contender->can_check) results.add_failure(what, "CHECK", contender->suite->who(), "fails");
    }
    for (int round = 0; round < options.rounds; ++round) {
      for (const auto& contender : contenders) contender->measure(chain, what, results);
      if (chain.name != "one-port") continue;
      results.add(what, "ADD", "floor", "ms", floor.run("add").wall_ms);
      results.add(what, "DEL", "floor", "ms", floor.run("del").wall_ms);
    }
    ++subnet;
  }
}

}  // namespace berth::bench
