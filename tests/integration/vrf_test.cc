// The vrf plugin: membership, tables, addresses and routes, and two networks with the same addresses that do not meet.
// It needs a kernel with VRFs: where there is none, the tests that make one are skipped (tests/vm/run has one).

#include <gmock/gmock.h>

#include <regex>

#include "base/json.h"
#include "support/plugin_test.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class VrfTest : public Sandbox {
 protected:
  void SetUp() override {
    Sandbox::SetUp();
    if (IsSkipped()) return;
    box_ = std::make_unique<NamedNetNs>("box");
    make_interface("net1");
  }

  /// An interface of the box with 10.2.0.2/24 and fd02::2/64, and a router behind it that has a page to tell.
  void make_interface(const std::string& name) {
    auto router = std::make_unique<NamedNetNs>("router-" + name);
    const std::vector<std::string> at{"ip", "-n", router->name()};
    const auto there = [&](std::vector<std::string> words) {
      words.insert(words.begin(), at.begin(), at.end());
      must_run(words);
    };
    there({"link", "add", "to-box", "type", "veth", "peer", "name", name, "netns", "box"});
    there({"address", "add", "10.2.0.1/24", "dev", "to-box"});
    there({"address", "add", "fd02::1/64", "dev", "to-box", "nodad"});
    there({"address", "add", "172.16.0.1/32", "dev", "lo"});
    there({"link", "set", "to-box", "up"});
    inside({"link", "set", name, "addrgenmode", "none"});
    inside({"address", "add", "10.2.0.2/24", "dev", name});
    inside({"address", "add", "fd02::2/64", "dev", name, "nodad"});
    inside({"link", "set", name, "up"});
    write(name + "/index.html", name);
    servers_.push_back(router->open().within([&] {
      return std::make_unique<Background>(std::vector<std::string>{system_program("busybox"), "httpd", "-f", "-p",
                                                                   "[::]:80", "-h", scratch() + "/" + name});
    }));
    routers_.push_back(std::move(router));
  }

  static std::string inside(std::vector<std::string> words) {
    words.insert(words.begin(), {"ip", "-n", "box"});
    return must_run(words);
  }
  static std::string table(const std::string& number) {
    // A table of one family alone is an error to ask for in the other.
    return run({"ip", "-n", "box", "-4", "route", "show", "table", number}).output +
           run({"ip", "-n", "box", "-6", "route", "show", "table", number}).output;
  }
  /// Links, addresses and routes. Carriers, which come a moment after a link is up, are left out, and rules: the kernel
  /// makes its own for VRFs once and for all.
  static std::string everything() {
    const std::string text = inside({"-br", "link"}) + inside({"-br", "address"}) + table("main");
    return std::regex_replace(text, std::regex("NO-CARRIER,|,LOWER_UP| linkdown| (UP|DOWN|UNKNOWN|LOWERLAYERDOWN) +"),
                              "");
  }

  static Json config(const std::string& keys = R"({"vrfname": "blue"})", const std::string& ifname = "net1",
                     const std::string& version = "1.1.0") {
    Json conf = {{"cniVersion", version}, {"name", "n1"}, {"type", "vrf"}};
    conf.update(Json::parse(keys));
    Json v4 = {{"address", "10.2.0.2/24"}, {"interface", 0}};
    Json v6 = {{"address", "fd02::2/64"}, {"interface", 0}};
    if (version.starts_with("0.")) {
      v4["version"] = "4";
      v6["version"] = "6";
    }
    conf["prevResult"] = {{"cniVersion", version},
                          {"interfaces", Json::array({{{"name", ifname}, {"sandbox", "/run/netns/box"}}})},
                          {"ips", {v4, v6}}};
    return conf;
  }

  static std::map<std::string, std::string> env(const std::string& command, const std::string& ifname = "net1") {
    return {
        {"CNI_COMMAND", command}, {"CNI_CONTAINERID", "ctr1"}, {"CNI_NETNS", "/run/netns/box"}, {"CNI_IFNAME", ifname}};
  }
  static base::CommandResult call(const std::string& command, const Json& conf, const std::string& ifname = "net1") {
    return run_plugin(built("vrf"), env(command, ifname), conf.dump());
  }
  static void must(const std::string& command, const Json& conf, const std::string& ifname = "net1") {
    const auto result = call(command, conf, ifname);
    ASSERT_TRUE(result.ok()) << command << ": " << result.output;
  }
  static void expect_error(const base::CommandResult& result, int code, const std::string& part) {
    EXPECT_EQ(result.exit_status.value_or(-1), 1) << result.output;
    const Json error = Json::parse(result.output);
    EXPECT_EQ(error["code"], code) << result.output;
    EXPECT_THAT(error.value("msg", "") + "; " + error.value("details", ""), HasSubstr(part));
  }

  std::unique_ptr<NamedNetNs> box_;
  std::vector<std::unique_ptr<NamedNetNs>> routers_;
  std::vector<std::unique_ptr<Background>> servers_;
};

/// A test that makes a VRF.
class VrfKernelTest : public VrfTest {
 protected:
  void SetUp() override {
    VrfTest::SetUp();
    if (IsSkipped()) return;
    if (!kernel_has("vrf")) GTEST_SKIP() << lacks("vrf");
  }
};

TEST_F(VrfKernelTest, TwoNetworksWithTheSameAddressesDoNotMeet) {
  make_interface("net2");
  must("ADD", config());
  must("ADD", config(R"({"vrfname": "red"})", "net2"), "net2");
  const auto page = [&](const std::string& vrf, const std::string& address) {
    RunOptions patient;
    patient.timeout = std::chrono::seconds(100);  // a virtual machine without hardware help is slow
    return must_run({"ip", "netns", "exec", "box", "ip", "vrf", "exec", vrf, system_program("curl"), "-sgm", "60",
                     "http://" + address + "/"},
                    patient);
  };
  if (system_program("curl").empty()) GTEST_SKIP() << "curl is not installed";
  EXPECT_EQ(page("blue", "10.2.0.1"), "net1");
  EXPECT_EQ(page("red", "10.2.0.1"), "net2");
  EXPECT_EQ(page("blue", "[fd02::1]"), "net1");
  EXPECT_EQ(page("red", "[fd02::1]"), "net2");
}

TEST_F(VrfKernelTest, AddressesAndRoutesComeAlong) {
  inside({"route", "add", "default", "via", "10.2.0.1", "metric", "5"});
  inside({"route", "add", "192.168.6.0/24", "dev", "net1", "scope", "link"});
  inside({"route", "add", "192.168.7.0/24", "via", "192.168.6.1", "src", "10.2.0.2", "mtu", "1400"});
  inside({"route", "add", "10.99.0.0/16", "via", "10.2.0.9", "table", "77"});
  inside({"route", "add", "192.168.8.0/24", "via", "172.16.0.1", "dev", "net1", "onlink"});
  inside({"-6", "route", "add", "default", "via", "fd02::1"});
  inside({"-6", "route", "add", "fd99::/64", "via", "fd02::5", "src", "fd02::2"});
  must("ADD", config(R"({"vrfname": "blue", "table": 500})"));
  EXPECT_THAT(table("500"),
              AllOf(HasSubstr("default via 10.2.0.1 dev net1 metric 5"),
                    HasSubstr("10.2.0.0/24 dev net1 proto kernel scope link src 10.2.0.2"),
                    HasSubstr("192.168.6.0/24 dev net1 scope link"),
                    HasSubstr("192.168.7.0/24 via 192.168.6.1 dev net1 src 10.2.0.2 mtu 1400"),
                    HasSubstr("fd02::/64 dev net1 proto kernel"), HasSubstr("default via fd02::1 dev net1"),
                    HasSubstr("fd99::/64 via fd02::5 dev net1 src fd02::2")));
  EXPECT_THAT(table("77"), HasSubstr("10.99.0.0/16 via 10.2.0.9 dev net1"));
  EXPECT_THAT(table("main"), Not(HasSubstr("net1")));
  EXPECT_THAT(inside({"-br", "address", "show", "dev", "net1"}),
              AllOf(HasSubstr("10.2.0.2/24"), HasSubstr("fd02::2/64")));
  must("CHECK", config(R"({"vrfname": "blue", "table": 500})"));
}

TEST_F(VrfKernelTest, AddressesThatSurviveByThemselvesAreNotAddedTwice) {
  must_run({"ip", "netns", "exec", "box", "sysctl", "-qw", "net.ipv6.conf.net1.keep_addr_on_down=1"});
  must("ADD", config());
  must("CHECK", config());
}

TEST_F(VrfKernelTest, TheFirstFreeTableIsTaken) {
  make_interface("net2");
  inside({"link", "add", "other", "type", "vrf", "table", "1"});
  inside({"rule", "add", "from", "10.99.0.1", "lookup", "2"});
  must("ADD", config());
  EXPECT_THAT(inside({"-d", "link", "show", "dev", "blue"}), HasSubstr("vrf table 3"));
}

TEST_F(VrfKernelTest, AVrfIsSharedAndDeletedWithItsLastInterface) {
  make_interface("net2");
  inside({"address", "flush", "dev", "net2"});
  must("ADD", config(R"({"vrfname": "blue", "table": 500})"));
  Json second = config(R"({"vrfname": "blue"})", "net2");
  second["prevResult"].erase("ips");
  must("ADD", second, "net2");
  must("CHECK", second, "net2");
  expect_error(call("ADD", config(R"({"vrfname": "blue", "table": 501})", "lo"), "lo"), 999,
               "VRF blue already exist with different routing table 500");
  must("DEL", config());
  EXPECT_THAT(inside({"link"}), HasSubstr("blue"));
  must("CHECK", second, "net2");
  must("DEL", second, "net2");
  EXPECT_THAT(inside({"link"}), Not(HasSubstr("blue")));
  must("DEL", second, "net2");
}

TEST_F(VrfKernelTest, AnInterfaceThatHasAMasterIsRefused) {
  inside({"link", "add", "br0", "type", "bridge"});
  inside({"link", "set", "net1", "master", "br0"});
  const std::string before = everything();
  expect_error(call("ADD", config()), 999, "net1 already has a master: br0");
  EXPECT_EQ(everything(), before);
}

TEST_F(VrfKernelTest, AFailedAddPutsEverythingBack) {
  // A route that cannot be added again: its gateway cannot be reached any more.
  inside({"route", "add", "192.168.8.0/24", "via", "10.2.0.1"});
  inside({"route", "add", "192.168.5.0/24", "dev", "net1"});
  inside({"route", "add", "192.168.9.0/24", "via", "192.168.5.1"});
  inside({"route", "del", "192.168.5.0/24"});
  inside({"-6", "route", "add", "fd99::/64", "via", "fd02::5"});
  expect_error(call("ADD", config()), 999, "192.168.9.0/24");
  EXPECT_THAT(inside({"-br", "link"}), Not(HasSubstr("blue")));
  EXPECT_THAT(inside({"-br", "address", "show", "dev", "net1"}),
              AllOf(HasSubstr("10.2.0.2/24"), HasSubstr("fd02::2/64")));
  EXPECT_THAT(table("main"), AllOf(HasSubstr("192.168.8.0/24 via 10.2.0.1"), HasSubstr("fd99::/64 via fd02::5")));
}

TEST_F(VrfKernelTest, CheckNoticesDamage) {
  const Json conf = config(R"({"vrfname": "blue", "table": 500})");
  must("ADD", conf);
  must("CHECK", conf);
  expect_error(call("CHECK", config(R"({"vrfname": "blue", "table": 7})")), 999, "different routing table 500");
  inside({"address", "del", "10.2.0.2/24", "dev", "net1"});
  expect_error(call("CHECK", conf), 999, "10.2.0.2/24");
  inside({"link", "set", "net1", "nomaster"});
  expect_error(call("CHECK", conf), 999, "net1 does not belong to VRF blue");
  inside({"link", "del", "blue"});
  expect_error(call("CHECK", conf), 999, "blue");
}

TEST_F(VrfKernelTest, DelSucceedsWhateverIsGone) {
  must("ADD", config());
  Json bare = config();
  bare.erase("prevResult");
  inside({"link", "del", "net1"});
  must("DEL", bare);
  EXPECT_THAT(inside({"link"}), Not(HasSubstr("blue")));
  must("DEL", bare);
}

TEST_F(VrfKernelTest, EveryVersionFrom031IsAnsweredInItsShape) {
  for (const char* version : {"0.3.1", "0.4.0", "1.0.0", "1.1.0"}) {
    const Json conf = config(R"({"vrfname": "blue"})", "net1", version);
    const auto result = call("ADD", conf);
    ASSERT_TRUE(result.ok()) << version << result.output;
    const Json answer = Json::parse(result.output);
    EXPECT_EQ(answer["cniVersion"], version);
    EXPECT_EQ(answer["ips"][1]["address"], "fd02::2/64");
    EXPECT_EQ(answer["ips"][1].contains("version"), std::string(version).starts_with("0."));
    must("DEL", conf);
    inside({"address", "replace", "fd02::2/64", "dev", "net1", "nodad"});
  }
}

TEST_F(VrfKernelTest, EachSuiteRemovesWhatTheOtherMade) {
  if (reference_plugins().empty()) GTEST_SKIP() << "containernetworking-plugins is not installed";
  const Json conf = config(R"({"vrfname": "blue", "table": 500})", "net1", "1.0.0");
  ASSERT_TRUE(run_plugin(reference_plugins() + "/vrf", env("ADD"), conf.dump()).ok());
  must("CHECK", conf);
  must("DEL", conf);
  EXPECT_THAT(inside({"link"}), Not(HasSubstr("blue")));
  must("ADD", conf);
  EXPECT_TRUE(run_plugin(reference_plugins() + "/vrf", env("CHECK"), conf.dump()).ok());
  EXPECT_TRUE(run_plugin(reference_plugins() + "/vrf", env("DEL"), conf.dump()).ok());
  EXPECT_THAT(inside({"link"}), Not(HasSubstr("blue")));
}

TEST_F(VrfTest, ANameThatIsNoVrfIsRefused) {
  inside({"link", "add", "blue", "type", "bridge"});
  const std::string before = everything();
  expect_error(call("ADD", config()), 999, "\"blue\" already exists but is not a VRF");
  EXPECT_EQ(everything(), before);
  must("DEL", config());
  EXPECT_EQ(everything(), before);
}

TEST_F(VrfTest, BadValuesAreRefusedAndChangeNothing) {
  const std::string before = everything();
  expect_error(call("ADD", config("{}")), 7, "configuration is expected to have a valid vrf name");
  expect_error(call("ADD", config(R"({"vrfname": "a-name-that-is-too-long"})")), 7, "a-name-that-is-too-long");
  expect_error(call("ADD", config(R"({"vrfname": 7})")), 7, "vrfname");
  expect_error(call("ADD", config(R"({"vrfname": "blue", "table": -1})")), 7, "table");
  expect_error(call("ADD", config(R"({"vrfname": "blue", "table": 4294967296})")), 7, "table");
  expect_error(call("ADD", config(), "net9"), 999, "net9");
  expect_error(call("ADD", config(R"({"vrfname": "blue"})", "net1", "0.3.0")), 1, "incompatible CNI versions");
  Json conf = config();
  conf.erase("prevResult");
  expect_error(call("ADD", conf), 7, "prevResult");
  expect_error(call("CHECK", conf), 7, "prevResult");
  for (const char* keys : {"{}", R"({"vrfname": 7})", R"({"vrfname": "blue", "table": -1})"}) must("DEL", config(keys));
  EXPECT_EQ(everything(), before);
}

TEST_F(VrfTest, DelWithoutANamespaceSucceeds) {
  auto variables = env("DEL");
  for (const char* netns : {"", "/run/netns/gone", "/etc/hostname"}) {
    variables["CNI_NETNS"] = netns;
    EXPECT_TRUE(run_plugin(built("vrf"), variables, config().dump()).ok()) << netns;
  }
  must("DEL", config());
}

TEST_F(VrfTest, GcAndStatusHaveNothingToDo) {
  Json conf = config();
  conf.erase("prevResult");
  conf["cni.dev/valid-attachments"] = Json::array();
  EXPECT_TRUE(call("GC", conf).ok());
  EXPECT_TRUE(call("STATUS", conf).ok());
  conf.erase("vrfname");
  expect_error(call("STATUS", conf), 7, "valid vrf name");
}

}  // namespace
}  // namespace berth::test
