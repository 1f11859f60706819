// Many attachments at once, on one bridge and one subnet, with published ports.

#include <gmock/gmock.h>

#include <atomic>
#include <set>
#include <thread>

#include "base/json.h"
#include "support/cni.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::IsEmpty;

constexpr int kContainers = 50;

class NetworkParallelTest : public Sandbox, public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    Sandbox::SetUp();
    if (IsSkipped()) return;
    if (legacy()) use_legacy_iptables();
    write("net.d/10-web.conflist", web_conflist("web", "many0", "10.13.0.0/24", "/var/lib/cni/networks"));
    host_ = {built_directory(), scratch() + "/net.d", "/var/lib/cni", ""};
  }

  /// Runs `work(i)` for every container, each in a thread of its own, and returns the commands' results.
  template <class Work>
  std::vector<base::CommandResult> everywhere(Work&& work) {
    std::vector<base::CommandResult> results(kContainers);
    std::vector<std::thread> threads;
    for (int i = 0; i < kContainers; ++i) {
      threads.emplace_back([&, i] { results[static_cast<size_t>(i)] = work(i); });
    }
    for (auto& thread : threads) thread.join();
    return results;
  }

  static bool legacy() { return GetParam() == std::string("legacy"); }
  /// The rules and maps of published ports; and how that of one port shows there.
  static std::string rules() {
    return legacy() ? must_run({"iptables-legacy", "-t", "nat", "-S"}) : must_run({"nft", "list", "ruleset"});
  }
  static std::string published_as(int port) {
    return legacy() ? "--dport " + std::to_string(port) + " -j DNAT" : "tcp . " + std::to_string(port) + " comment";
  }

  CniHost host_;
};

INSTANTIATE_TEST_SUITE_P(On, NetworkParallelTest, ::testing::Values("legacy", "nftables"),
                         [](const auto& each) { return std::string(each.param); });

std::vector<std::string> failures_in(const std::vector<base::CommandResult>& results) {
  std::vector<std::string> failures;
  for (const auto& result : results) {
    if (!result.ok()) failures.push_back(result.status_text() + ": " + result.error);
  }
  return failures;
}

TEST_P(NetworkParallelTest, FiftyAddsAndFiftyDelsAtOnceLoseAndLeaveNothing) {
  std::vector<std::unique_ptr<NamedNetNs>> namespaces;
  for (int i = 0; i < kContainers; ++i) namespaces.push_back(std::make_unique<NamedNetNs>("p" + std::to_string(i)));
  const auto netns = [&](int i) { return namespaces[static_cast<size_t>(i)]->path(); };
  const auto ports = [](int i) {
    return std::map<std::string, std::string>{{"CAP_ARGS", published({{20000 + i, 80}})}};
  };
  const std::string before = host_state();

  const auto added = everywhere([&](int i) { return host_.cnitool("add", "web", netns(i), ports(i)); });
  ASSERT_THAT(failures_in(added), IsEmpty());
  std::set<std::string> addresses;
  for (const auto& result : added) addresses.insert(Json::parse(result.output)["ips"][0]["address"].get<std::string>());
  EXPECT_EQ(size_t{kContainers}, addresses.size()) << "an address was given twice";
  const std::string made = rules();
  for (int i = 0; i < kContainers; ++i) {
    EXPECT_NE(std::string::npos, made.find(published_as(20000 + i))) << "port of container " << i;
  }

  const auto deleted = everywhere([&](int i) { return host_.cnitool("del", "web", netns(i), ports(i)); });
  EXPECT_THAT(failures_in(deleted), IsEmpty());
  must_run({"ip", "link", "delete", "many0"});
  EXPECT_EQ(before, host_state());
}

/// A list whose firewall backend is said.
std::string with_backend(const std::string& conflist, const std::string& backend) {
  Json list = Json::parse(conflist);
  list["plugins"][0]["ipMasqBackend"] = backend;
  list["plugins"][1]["backend"] = backend;
  return list.dump();
}

class MixedParallelTest : public Sandbox {};

TEST_F(MixedParallelTest, TwoHundredAddsAndDelsOnThreeNetworksAndBothBackendsBesideTheTools) {
  if (system_program("nft").empty()) GTEST_SKIP() << "nftables is not installed";
  use_iptables_nft();
  const std::vector<std::string> networks{"maps", "rules", "more"};
  for (size_t i = 0; i < networks.size(); ++i) {
    const std::string subnet = "10.2" + std::to_string(i) + ".0.0/24";
    write("net.d/" + networks[i] + ".conflist",
          with_backend(web_conflist(networks[i], "mix" + std::to_string(i), subnet, "/var/lib/cni/networks"),
                       networks[i] == "rules" ? "iptables" : "nftables"));
  }
  const CniHost host{built_directory(), scratch() + "/net.d", "/var/lib/cni", ""};
  constexpr int kBatch = 100;
  std::vector<std::unique_ptr<NamedNetNs>> namespaces;
  for (int i = 0; i < 2 * kBatch; ++i) namespaces.push_back(std::make_unique<NamedNetNs>("m" + std::to_string(i)));
  const auto run_one = [&](const char* command, int i) {
    return host.cnitool(command, networks[static_cast<size_t>(i) % networks.size()],
                        namespaces[static_cast<size_t>(i)]->path(), {{"CAP_ARGS", published({{20000 + i, 80}})}});
  };
  const std::string before = host_state();

  std::vector<base::CommandResult> results(3 * kBatch);
  const auto at_once = [&](const std::vector<std::pair<const char*, int>>& work, size_t first_result) {
    std::vector<std::thread> threads;
    for (size_t n = 0; n < work.size(); ++n) {
      threads.emplace_back([&, n] { results[first_result + n] = run_one(work[n].first, work[n].second); });
    }
    for (auto& thread : threads) thread.join();
  };
  std::vector<std::pair<const char*, int>> adds;
  std::vector<std::pair<const char*, int>> mixed;
  for (int i = 0; i < kBatch; ++i) {
    adds.emplace_back("add", i);
    mixed.emplace_back("del", i);
    mixed.emplace_back("add", kBatch + i);
  }
  at_once(adds, 0);
  std::atomic<bool> done{false};
  std::thread tools([&] {
    while (!done) {
      for (const char* action : {"-N", "-X"}) run({"iptables-nft", "-t", "nat", action, "BESIDE"});
      for (const char* action : {"add", "delete"}) run({"nft", action, "table", "inet", "beside"});
    }
  });
  at_once(mixed, kBatch);
  done = true;
  tools.join();
  EXPECT_THAT(failures_in(results), IsEmpty());
  std::set<std::string> addresses;
  for (size_t n = kBatch + 1; n < results.size(); n += 2) {
    addresses.insert(Json::parse(results[n].output)["ips"][0]["address"].get<std::string>());
  }
  EXPECT_EQ(size_t{kBatch}, addresses.size()) << "an address was given twice";

  for (int i = 0; i < kBatch; ++i) {
    const auto checked = run_one("check", kBatch + i);
    EXPECT_TRUE(checked.ok()) << checked.error;
  }
  std::vector<std::pair<const char*, int>> dels;
  for (int i = 0; i < kBatch; ++i) dels.emplace_back("del", kBatch + i);
  at_once(dels, 0);
  EXPECT_THAT(failures_in(results), IsEmpty());
  for (const char* bridge : {"mix0", "mix1", "mix2"}) must_run({"ip", "link", "delete", bridge});
  EXPECT_EQ(before, host_state());
}

}  // namespace
}  // namespace berth::test
