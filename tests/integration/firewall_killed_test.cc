// SIGKILL or SIGTERM takes the firewall plugin at any point of ADD and DEL, on both backends: what is left then is
// nothing, or goes with the next DEL or GC.

#include <gmock/gmock.h>

#include "base/json.h"
#include "support/firewalled_host.h"
#include "support/killed.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::HasSubstr;

struct Variant {
  const char* backend;
  const char* policy;
};

std::ostream& operator<<(std::ostream& out, const Variant& variant) {
  return out << variant.backend << " " << variant.policy;
}

class FirewallKilledTest : public FirewalledHost, public ::testing::WithParamInterface<Variant> {
 protected:
  void SetUp() override {
    FirewalledHost::SetUp();
    if (IsSkipped()) return;
    for (const char* program : {"iptables-legacy-save", "nft"}) {
      if (system_program(program).empty()) GTEST_SKIP() << program << " is not installed";
    }
    use_legacy_iptables();
    conf_ = firewall_config(GetParam().backend, "{}", 2, "br0");
    conf_["ingressPolicy"] = GetParam().policy;
    container_ = container("c2", "br0", 2);
    // Locks, and whatever else the first one of a host makes.
    must_firewall("ADD");
    must_firewall("DEL");
    // Containers end the isolation of their ports by their own end.
    must_run({"bridge", "link", "set", "dev", "vc2", "isolated", "off"});
  }

  Program program(const std::string& command) const {
    return plugin_program(built("firewall"), environment(command, "ctr1", "eth0"), conf_.dump());
  }

  void must_firewall(const std::string& command, const std::string& when = "") const {
    const auto result = firewall(command, conf_);
    EXPECT_TRUE(result.ok()) << when << ": " << result.output << result.error;
  }

  /// With an empty list of valid attachments.
  void must_collect_garbage(const std::string& when) const {
    Json conf = conf_;
    conf.erase("prevResult");
    conf["cni.dev/valid-attachments"] = Json::array();
    const auto result = firewall("GC", conf);
    EXPECT_TRUE(result.ok()) << when << ": " << result.output << result.error;
  }

  /// All that the plugin may change, in short; host_state() tells the rest.
  static std::string rules() {
    std::string text = must_run({"nft", "list", "ruleset"});
    if (std::string(GetParam().backend) == "iptables") {
      for (const char* save : {"iptables-legacy-save", "ip6tables-legacy-save"}) {
        // A line "*TABLE", chains with counters, rules. Comments have the time.
        std::istringstream lines(must_run({save, "-t", "filter"}));
        for (std::string line; std::getline(lines, line);) {
          if (!line.starts_with("#")) text += line.substr(0, line.starts_with(":") ? line.find('[') : line.npos) + "\n";
        }
      }
    }
    return text;
  }
  static std::string port() { return must_run({"bridge", "-d", "link", "show", "dev", "vc2"}); }

  Json conf_;
  std::unique_ptr<NamedNetNs> container_;
};

TEST_P(FirewallKilledTest, DelRemovesWhatAKilledAddHasLeft) {
  const std::string before = rules();
  const std::string host_before = host_state();
  const auto points = kill_everywhere(program("ADD"), [&](const Killed& add) {
    for (const std::string time : {"first DEL, ", "second DEL, "}) {
      must_firewall("DEL", time + add.at);
      EXPECT_EQ(before, rules()) << time << add.at;
    }
  });
  EXPECT_GT(points, 3);
  EXPECT_EQ(host_before, host_state());
}

TEST_P(FirewallKilledTest, GarbageCollectionRemovesWhatAKilledAddHasLeft) {
  must_run({"ip", "link", "delete", "vc2"});  // the container is gone by then
  const std::string before = rules();
  const std::string host_before = host_state();
  const auto points = kill_everywhere(program("ADD"), [&](const Killed& add) {
    must_collect_garbage(add.at);
    EXPECT_EQ(before, rules()) << add.at;
  });
  EXPECT_GT(points, 3);
  EXPECT_EQ(host_before, host_state());
}

TEST_P(FirewallKilledTest, AnInterruptedAddLeavesNothing) {
  const std::string before = rules();
  const std::string port_before = port();
  const std::string host_before = host_state();
  const auto points = interrupt_everywhere(program("ADD"), [&](const Killed& add) {
    if (add.exit_status == 0) {  // too late
      must_firewall("DEL", add.at);
      must_run({"bridge", "link", "set", "dev", "vc2", "isolated", "off"});
    } else if (add.exit_status) {
      EXPECT_THAT(add.output, HasSubstr("interrupted by SIGTERM")) << add.at;
    }
    EXPECT_EQ(before, rules()) << add.at;
    EXPECT_EQ(port_before, port()) << add.at;
  });
  EXPECT_GT(points, 3);
  EXPECT_EQ(host_before, host_state());
}

TEST_P(FirewallKilledTest, AnInterruptedAddOfOneThatWasAdmittedBeforeLeavesItSo) {
  must_firewall("ADD");
  const std::string before = rules() + port();
  const auto points = interrupt_everywhere(
      program("ADD"), [&](const Killed& add) { EXPECT_EQ(before, rules() + port()) << add.at << add.output; });
  EXPECT_GT(points, 0);
}

TEST_P(FirewallKilledTest, TheNextDelFinishesWhatAKilledOneHasBegun) {
  const std::string before = rules();
  const auto finish = [&](const Killed& del) {
    must_firewall("DEL", del.at);
    EXPECT_EQ(before, rules()) << del.at;
  };
  EXPECT_GT(kill_everywhere(program("DEL"), finish, [&] { must_firewall("ADD"); }), 1);
}

INSTANTIATE_TEST_SUITE_P(Backends, FirewallKilledTest,
                         ::testing::Values(Variant{"iptables", "open"}, Variant{"iptables", "isolated"},
                                           Variant{"nftables", "open"}, Variant{"nftables", "same-bridge"},
                                           Variant{"nftables", "isolated"}),
                         [](const auto& variant) {
                           std::string name = std::string(variant.param.backend) + "_" + variant.param.policy;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace berth::test
