#include <chrono>
#include <map>
#include <memory>
#include <thread>

#include "bench/fill.h"
#include "bench/measurements.h"
#include "bench/server.h"
#include "bench/suite.h"
#include "net/netlink.h"
#include "support/programs.h"

namespace berth::bench {

namespace {

constexpr uint16_t kPort = 9000;
constexpr const char* kHostAddress = "192.168.77.1";

const Chain& chain() {
  static const Chain kChain{"growth", true, 1};
  return kChain;
}

/// A suite's host, a container that comes and goes, and a client that reaches the host from outside.
struct Scene {
  std::unique_ptr<Suite> suite;
  test::NamedNetNs box, client, elsewhere, keeper;

  Scene(std::unique_ptr<Suite> of, const std::string& number)
      : suite(std::move(of)),
        box("box" + number),
        client("client" + number),
        elsewhere("elsewhere" + number),
        keeper("keeper" + number) {
    suite->configure(chain(), 0);
    // One that stays makes the bridge and shared chains, and keeps them.
    suite->run(suite->command("add", chain(), keeper.path(), kPort - 1));
    suite->host().within([&] {
      test::must_run({"ip", "link", "add", "outside", "type", "veth", "peer", "name", "eth0", "netns", client.name()});
      test::must_run({"ip", "address", "add", std::string(kHostAddress) + "/24", "dev", "outside"});
      test::must_run({"ip", "link", "set", "outside", "up"});
    });
    test::must_run({"ip", "-n", client.name(), "address", "add", "192.168.77.2/24", "dev", "eth0"});
    test::must_run({"ip", "-n", client.name(), "link", "set", "eth0", "up"});
    test::must_run({"ip", "-n", client.name(), "route", "add", "default", "via", kHostAddress});
  }
};

std::string first_address_in(const net::NetNs& netns) {
  return netns.within([&] {
    auto netlink = net::Netlink::here();
    return netlink.addresses(netlink.link("eth0").index, net::Family::kIpv4).at(0).address.address.to_string();
  });
}

/// The kernel looks at the carrier of a hundred new interfaces a second (MAX_DO_DEV_PER_LOOP of its
/// net/core/link_watch.c), and holds the RTNL lock over it. Until it has seen them all, whoever adds an attachment
/// waits for that.
void await_link_watch(size_t interfaces) {
  std::this_thread::sleep_for(std::chrono::seconds(1 + interfaces / 100));
}

/// What ran in between decides what is left in the processor's caches: the other suites' operations, which take ever
/// longer as the host fills. Each suite warms them for itself: looks at the attachment that stays, unmeasured.
void warm_up(const Scene& scene) {
  const auto& suite = *scene.suite;
  suite.host().within([&] { succeeds(suite.command("check", chain(), scene.keeper.path(), kPort - 1)); });
}

void measure_operations(std::vector<std::unique_ptr<Scene>>& scenes, const std::string& what, int rounds,
                        Results& results) {
  for (int round = 0; round < rounds; ++round) {
    for (const auto& scene : scenes) {
      const auto& suite = *scene->suite;
      warm_up(*scene);
      results.add(what, "ADD", suite.who(), "ms", suite.run(suite.command("add", chain(), scene->box.path())).wall_ms);
      results.add(what, "DEL", suite.who(), "ms", suite.run(suite.command("del", chain(), scene->box.path())).wall_ms);
    }
  }
}

/// Through the port that was published last, and to the container's own address.
void measure_connections(std::vector<std::unique_ptr<Scene>>& scenes, const std::string& what, int connections,
                         Results& results) {
  std::vector<std::unique_ptr<EchoServer>> servers;
  std::vector<std::string> addresses;
  for (const auto& scene : scenes) {
    scene->suite->run(scene->suite->command("add", chain(), scene->box.path()));
    servers.push_back(std::make_unique<EchoServer>(scene->box.open()));
    addresses.push_back(first_address_in(scene->box.open()));
  }
  for (int i = -10; i < connections; ++i) {
    for (size_t at = 0; at < scenes.size(); ++at) {
      const auto published = scenes[at]->client.open().within([] { return converse(kHostAddress, kPort); });
      const auto direct = scenes[at]->client.open().within([&] { return converse(addresses[at], 80); });
      if (i < 0) continue;  // neighbours are found
      const auto& who = scenes[at]->suite->who();
      results.add(what, "connect", who, "µs", published.connect_us);
      results.add(what, "round trip", who, "µs", published.round_trip_us);
      results.add(what, "connect directly", who, "µs", direct.connect_us);
    }
  }
  servers.clear();
  for (const auto& scene : scenes) scene->suite->run(scene->suite->command("del", chain(), scene->box.path()));
}

void measure_leases(const Options& options, Results& results) {
  std::vector<std::pair<std::string, std::string>> plugins{{"berth", test::built("host-local")}};
  if (!options.reference_plugins.empty()) plugins.emplace_back("reference", options.reference_plugins + "/host-local");
  for (const unsigned leases : {1U, 1000U, 20'000U}) {
    const std::string what = std::to_string(leases) + " leases";
    for (const auto& [who, path] : plugins) {
      fill_leases("/run/leases-" + who + std::to_string(leases) + "/n", "10.1.", leases);
    }
    for (int round = -1; round < options.rounds; ++round) {
      for (const auto& [who, path] : plugins) {
        const std::string config =
            R"({"cniVersion": "1.0.0", "name": "n", "type": "bridge", "ipam": {"type": "host-local",
            "ranges": [[{"subnet": "10.1.0.0/16"}]], "dataDir": "/run/leases-)" +
            who + std::to_string(leases) + "\"}}";
        const auto measure = [&, path = path](const std::string& command, const std::string& container) {
          const Program program{{path},
                                {"CNI_COMMAND=" + command, "CNI_CONTAINERID=" + container, "CNI_NETNS=/run/netns/none",
                                 "CNI_IFNAME=eth0", "CNI_PATH=/none"}};
          return run_measured(program, config).wall_ms;
        };
        measure("DEL", "nobody");  // warms the caches, which the other plugin has used
        for (const std::string command : {"ADD", "CHECK", "DEL"}) {
          const double duration = measure(command, "c" + std::to_string(round + 1));
          if (round >= 0) results.add(what, "host-local " + command, who, "ms", duration);  // the first makes the index
        }
      }
    }
  }
}

}  // namespace

void measure_growth(const Options& options, Results& results) {
  std::vector<std::unique_ptr<Scene>> scenes;
  for (auto& suite : make_suites(options.reference_plugins, false)) {
    scenes.push_back(std::make_unique<Scene>(std::move(suite), std::to_string(scenes.size())));
  }
  const auto counts = options.quick ? std::vector<unsigned>{1, 100, 200} : std::vector<unsigned>{1, 100, 1000, 5000};
  unsigned from = 0;
  for (const unsigned count : counts) {
    for (const auto& scene : scenes) fill(*scene->suite, scene->elsewhere.open(), from, count);
    await_link_watch(2 * (count - from) * scenes.size());
    from = count;
    const std::string what = std::to_string(count) + " attachments";
    measure_operations(scenes, what, options.rounds, results);
    measure_connections(scenes, what, options.rounds * 10, results);
  }
  measure_leases(options, results);
}

}  // namespace berth::bench
