// The sbr plugin: rules and tables as a user sees them, beside the reference's, and packets that go the right way.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/file.h>
#include <unistd.h>

#include <regex>
#include <set>
#include <sstream>
#include <thread>

#include "base/fd.h"
#include "base/json.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class SbrTest : public Sandbox {
 protected:
  void SetUp() override {
    Sandbox::SetUp();
    if (IsSkipped()) return;
    box_ = std::make_unique<NamedNetNs>("box");
    router_ = std::make_unique<NamedNetNs>("router");
    // The container's first interface has the default route; the second leads to a router with a world behind it.
    must_run({"ip", "link", "add", "host0", "type", "veth", "peer", "name", "eth0", "netns", "box"});
    must_run({"ip", "link", "set", "host0", "up"});
    must_run({"ip", "address", "add", "10.1.0.1/24", "dev", "host0"});
    must_run({"ip", "-n", "router", "link", "add", "to-box", "type", "veth", "peer", "name", "net1", "netns", "box"});
    must_run({"ip", "-n", "router", "link", "set", "to-box", "up"});
    must_run({"ip", "-n", "router", "address", "add", "10.2.0.1/24", "dev", "to-box"});
    must_run({"ip", "-n", "router", "address", "add", "172.16.0.1/32", "dev", "lo"});
    must_run({"ip", "-n", "router", "route", "add", "10.2.0.2", "dev", "to-box", "src", "172.16.0.1"});
    // Link-local addresses that come by themselves come at any time.
    for (const char* link : {"eth0", "net1"}) inside({"link", "set", link, "addrgenmode", "none"});
    inside({"address", "add", "10.1.0.2/24", "dev", "eth0"});
    inside({"link", "set", "eth0", "up"});
    inside({"route", "add", "default", "via", "10.1.0.1"});
    inside({"address", "add", "10.2.0.2/24", "dev", "net1"});
    inside({"address", "add", "fd02::2/64", "dev", "net1", "nodad"});
    inside({"address", "add", "fe80::2/64", "dev", "net1", "nodad"});
    inside({"link", "set", "net1", "up"});
    inside({"route", "add", "192.168.5.0/24", "via", "10.2.0.5"});
    inside({"route", "add", "192.168.6.0/24", "dev", "net1"});
    inside({"route", "add", "192.168.7.0/24", "via", "10.2.0.7", "src", "10.2.0.2", "mtu", "1400"});
    inside({"route", "add", "fd99::/64", "via", "fd02::5"});
  }

  static std::string inside(std::vector<std::string> words) {
    words.insert(words.begin(), {"ip", "-n", "box"});
    return must_run(words);
  }

  static Json config(const std::string& keys = "{}", const std::string& version = "1.1.0") {
    Json conf = {{"cniVersion", version}, {"name", "n1"}, {"type", "sbr"}};
    conf.update(Json::parse(keys));
    Json v4 = {{"address", "10.2.0.2/24"}, {"gateway", "10.2.0.1"}, {"interface", 1}};
    Json v6 = {{"address", "fd02::2/64"}, {"gateway", "fd02::1"}, {"interface", 1}};
    if (version.starts_with("0.")) {
      v4["version"] = "4";
      v6["version"] = "6";
    }
    conf["prevResult"] = {{"cniVersion", version},
                          {"interfaces", {{{"name", "host0"}}, {{"name", "net1"}, {"sandbox", "/run/netns/box"}}}},
                          {"ips", {v4, v6}}};
    if (version < "0.3.0") {
      conf["prevResult"] = {
          {"cniVersion", version}, {"ip4", {{"ip", "10.2.0.2/24"}, {"gateway", "10.2.0.1"}}}, {"dns", Json::object()}};
    }
    return conf;
  }

  static std::map<std::string, std::string> env(const std::string& command, const std::string& ifname = "net1") {
    return {
        {"CNI_COMMAND", command}, {"CNI_CONTAINERID", "ctr1"}, {"CNI_NETNS", "/run/netns/box"}, {"CNI_IFNAME", ifname}};
  }
  static base::CommandResult call(const std::string& command, const Json& conf, const std::string& ifname = "net1") {
    return run_plugin(built("sbr"), env(command, ifname), conf.dump());
  }
  static void must(const std::string& command, const Json& conf) {
    const auto result = call(command, conf);
    ASSERT_TRUE(result.ok()) << command << ": " << result.output;
  }

  static std::string rules() { return inside({"rule"}) + inside({"-6", "rule"}); }
  /// Sorted, without the tables that the kernel fills, and without carriers, which come a moment after a link is up.
  static std::string routes() {
    std::istringstream stream(inside({"-4", "route", "show", "table", "all"}) +
                              inside({"-6", "route", "show", "table", "all"}));
    std::set<std::string> lines;
    for (std::string line; std::getline(stream, line);) {
      if (line.find("table local") == std::string::npos)
        lines.insert(std::regex_replace(line, std::regex("linkdown "), "") + "\n");
    }
    std::string text;
    for (const auto& line : lines) text += line;
    return text;
  }
  static std::string everything() { return rules() + routes(); }

  static void expect_error(const base::CommandResult& result, int code, const std::string& part) {
    EXPECT_EQ(result.exit_status.value_or(-1), 1) << result.output;
    const Json error = Json::parse(result.output);
    EXPECT_EQ(error["code"], code) << result.output;
    EXPECT_THAT(error.value("msg", "") + "; " + error.value("details", ""), HasSubstr(part));
  }
  static void expect_refused(const std::string& keys, const std::string& part) {
    const std::string before = everything();
    expect_error(call("ADD", config(keys)), 7, part);
    EXPECT_EQ(everything(), before);
  }

  std::unique_ptr<NamedNetNs> box_;
  std::unique_ptr<NamedNetNs> router_;
};

TEST_F(SbrTest, AnswersLeaveThroughTheInterfaceTheirAddressIsOf) {
  write("www/index.html", "hello");
  const auto server = box_->open().within([&] {
    return std::make_unique<Background>(
        std::vector<std::string>{system_program("busybox"), "httpd", "-f", "-p", "80", "-h", scratch() + "/www"});
  });
  const auto get = [&](double seconds) {
    return router_->open().within([&] { return http_get(net::IpAddress::parse("10.2.0.2"), 80, "/", seconds); });
  };
  // The router's packets come from 172.16.0.1; answers go to the default route's gateway, which does not know it.
  EXPECT_THROW(get(0.5), std::exception);
  must("ADD", config());
  EXPECT_EQ(get(5), "hello");
}

TEST_F(SbrTest, EachAddressGetsATableAndARule) {
  must("ADD", config());
  EXPECT_THAT(rules(), AllOf(HasSubstr("from 10.2.0.2 lookup 100"), HasSubstr("from fd02::2 lookup 101")));
  EXPECT_THAT(routes(), AllOf(HasSubstr("default via 10.2.0.1 dev net1 table 100"),
                              HasSubstr("10.2.0.0/24 dev net1 table 100 proto kernel scope link src 10.2.0.2"),
                              HasSubstr("192.168.5.0/24 via 10.2.0.5 dev net1 table 100"),
                              HasSubstr("192.168.6.0/24 dev net1 table 100 scope link"),
                              HasSubstr("192.168.7.0/24 via 10.2.0.7 dev net1 table 100 src 10.2.0.2 mtu 1400"),
                              HasSubstr("default via fd02::1 dev net1 table 101"),
                              HasSubstr("fd99::/64 via fd02::5 dev net1 table 101")));
  const std::string left = inside({"route"}) + inside({"-6", "route"});
  EXPECT_THAT(left, AllOf(HasSubstr("default via 10.1.0.1 dev eth0"), HasSubstr("10.1.0.0/24"), Not(HasSubstr("10.2.")),
                          Not(HasSubstr("192.168.")), Not(HasSubstr("fd"))));
}

TEST_F(SbrTest, IPv4IsRoutedAsTheReferenceDoesIt) {
  if (reference_plugins().empty()) GTEST_SKIP() << "containernetworking-plugins is not installed";
  inside({"-6", "route", "del", "fd99::/64"});
  inside({"-6", "address", "flush", "dev", "net1"});
  inside({"route", "add", "default", "via", "10.2.0.1", "dev", "net1", "metric", "50"});
  Json conf = config("{}", "1.0.0");
  conf["prevResult"]["ips"].erase(1);
  const std::string before = everything();
  must("ADD", conf);
  const std::string ours = everything();
  // Each suite's DEL removes the other's rules.
  ASSERT_TRUE(run_plugin(reference_plugins() + "/sbr", env("DEL"), conf.dump()).ok());
  EXPECT_THAT(rules(), Not(HasSubstr("10.2.0.2")));

  inside({"link", "set", "net1", "down"});
  inside({"link", "set", "net1", "up"});
  inside({"route", "add", "192.168.5.0/24", "via", "10.2.0.5"});
  inside({"route", "add", "192.168.6.0/24", "dev", "net1"});
  inside({"route", "add", "192.168.7.0/24", "via", "10.2.0.7", "src", "10.2.0.2", "mtu", "1400"});
  inside({"route", "add", "default", "via", "10.2.0.1", "dev", "net1", "metric", "50"});
  ASSERT_EQ(everything(), before);
  ASSERT_TRUE(run_plugin(reference_plugins() + "/sbr", env("ADD"), conf.dump()).ok());
  EXPECT_EQ(everything(), ours);
  must("CHECK", conf);
  must("DEL", conf);
  EXPECT_THAT(rules(), Not(HasSubstr("10.2.0.2")));
}

TEST_F(SbrTest, ATableOfSomebodyElseGetsRulesOnly) {
  const std::string before = routes();
  must("ADD", config(R"({"table": 100000})"));
  EXPECT_EQ(routes(), before);
  EXPECT_THAT(rules(), AllOf(HasSubstr("from 10.2.0.2 lookup 100000"), HasSubstr("from fd02::2 lookup 100000")));
  must("CHECK", config(R"({"table": 100000})"));
  inside({"rule", "add", "from", "10.2.0.2", "lookup", "7"});
  must("DEL", config(R"({"table": 100000})"));
  EXPECT_THAT(rules(), AllOf(HasSubstr("from 10.2.0.2 lookup 7"), Not(HasSubstr("100000"))));
}

TEST_F(SbrTest, TablesInUseAreNotTaken) {
  inside({"rule", "add", "from", "10.99.0.1", "lookup", "100"});
  inside({"route", "add", "10.99.0.0/24", "dev", "eth0", "table", "101"});
  inside({"-6", "route", "add", "fd55::/64", "dev", "eth0", "table", "102"});
  must("ADD", config());
  EXPECT_THAT(rules(), AllOf(HasSubstr("from 10.2.0.2 lookup 103"), HasSubstr("from fd02::2 lookup 104")));
}

TEST_F(SbrTest, GatewaysOverrideThoseOfTheAddresses) {
  inside({"route", "add", "default", "via", "10.2.0.1", "dev", "net1", "metric", "50"});
  const Json conf = config(R"({"gateways": ["10.2.0.254", "fd02::fe"]})");
  must("ADD", conf);
  EXPECT_THAT(routes(), AllOf(HasSubstr("default via 10.2.0.254 dev net1 table 100"),
                              HasSubstr("default via fd02::fe dev net1 table 101"), Not(HasSubstr("via 10.2.0.1 "))));
  must("CHECK", conf);
}

TEST_F(SbrTest, SourceHintsKeepTheSubnetsInTheMainTable) {
  const Json conf = config(R"({"addSourceHints": true})");
  must("ADD", conf);
  EXPECT_THAT(inside({"route"}), HasSubstr("10.2.0.0/24 dev net1 proto kernel scope link src 10.2.0.2"));
  EXPECT_THAT(inside({"-6", "route"}), HasSubstr("fd02::/64 dev net1 proto kernel src fd02::2 metric 256"));
  must("CHECK", conf);
  inside({"route", "del", "10.2.0.0/24", "dev", "net1"});
  expect_error(call("CHECK", conf), 999, "10.2.0.0/24");
}

TEST_F(SbrTest, LinkLocalRoutesStay) {
  must("ADD", config());
  EXPECT_THAT(inside({"-6", "route"}), HasSubstr("fe80::/64 dev net1"));
}

TEST_F(SbrTest, CheckNoticesMissingRulesAndRoutes) {
  const Json conf = config();
  must("ADD", conf);
  must("CHECK", conf);
  inside({"route", "del", "default", "table", "100"});
  expect_error(call("CHECK", conf), 999, "0.0.0.0/0 via 10.2.0.1");
  inside({"route", "add", "default", "via", "10.2.0.1", "dev", "net1", "table", "100"});
  must("CHECK", conf);
  inside({"route", "del", "fd02::/64", "table", "101"});
  expect_error(call("CHECK", conf), 999, "fd02::/64");
  inside({"rule", "del", "from", "10.2.0.2"});
  expect_error(call("CHECK", conf), 999, "rule from 10.2.0.2");
}

TEST_F(SbrTest, DelRemovesTheRulesAndMayBeRepeated) {
  const std::string before = rules();
  must("ADD", config());
  Json bare = config();
  bare.erase("prevResult");
  must("DEL", bare);
  EXPECT_EQ(rules(), before);
  must("DEL", bare);
  must("DEL", config());
}

TEST_F(SbrTest, DelRemovesTheRulesOfALinkThatIsGone) {
  const std::string before = rules();
  must("ADD", config());
  inside({"link", "del", "net1"});
  must("DEL", config());
  EXPECT_EQ(rules(), before);
}

TEST_F(SbrTest, DelWithoutANamespaceSucceedsAndMakesNoFile) {
  auto variables = env("DEL");
  for (const char* netns : {"", "/run/netns/gone"}) {
    variables["CNI_NETNS"] = netns;
    EXPECT_TRUE(run_plugin(built("sbr"), variables, config().dump()).ok()) << netns;
  }
  EXPECT_NE(::access("/run/netns/gone", F_OK), 0);
}

TEST_F(SbrTest, AFailedAddPutsEverythingBack) {
  Json conf = config();
  // The second address' gateway cannot be reached: the first one's table and rule are there by then.
  conf["prevResult"]["ips"][1]["gateway"] = "fd77::1";
  const std::string before = everything();
  expect_error(call("ADD", conf), 999, "fd77::1");
  EXPECT_EQ(everything(), before);
}

TEST_F(SbrTest, AFailureAfterTheMainTableWasChangedPutsItBack) {
  // A source that is not the container's is refused when the hint is made, last of all.
  Json conf = config(R"({"addSourceHints": true})");
  conf["prevResult"]["ips"][0]["address"] = "10.2.0.3/24";
  const std::string before = everything();
  expect_error(call("ADD", conf), 999, "10.2.0.0/24");
  EXPECT_EQ(everything(), before);
}

TEST_F(SbrTest, WaitsForAnotherPluginThatHoldsTheNamespacesLock) {
  const base::Fd held(::open("/run/netns/box", O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(::flock(held.get(), LOCK_EX), 0);
  const std::string before = everything();
  std::thread adding([] { must("ADD", config()); });
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_EQ(everything(), before);
  ASSERT_EQ(::flock(held.get(), LOCK_UN), 0);
  adding.join();
  EXPECT_THAT(rules(), HasSubstr("from 10.2.0.2 lookup 100"));
}

TEST_F(SbrTest, EveryVersionIsAnsweredInItsShape) {
  for (const char* version : {"0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"}) {
    const Json conf = config(R"({"table": 7})", version);
    const auto result = call("ADD", conf);
    ASSERT_TRUE(result.ok()) << version << result.output;
    const Json answer = Json::parse(result.output);
    EXPECT_EQ(answer["cniVersion"], version);
    EXPECT_EQ(answer.contains("ip4"), std::string(version) < "0.3.0");
    must("DEL", conf);
  }
}

TEST_F(SbrTest, OnlyTheInterfacesOwnAddressesCount) {
  Json conf = config();
  conf["prevResult"]["ips"][0]["interface"] = 0;
  must("ADD", conf);
  EXPECT_THAT(rules(), AllOf(Not(HasSubstr("10.2.0.2")), HasSubstr("from fd02::2 lookup 100")));
}

TEST_F(SbrTest, BadValuesAreRefusedAndChangeNothing) {
  expect_refused(R"({"table": "main"})", "table");
  expect_refused(R"({"table": 0})", "table");
  expect_refused(R"({"table": 4294967296})", "table");
  must("DEL", config(R"({"table": "main"})"));
  expect_refused(R"({"gateways": "10.2.0.1"})", "gateways");
  expect_refused(R"({"gateways": ["10.2.0"]})", "gateways[0]: expected an IP address, got \"10.2.0\"");
  expect_refused(R"({"gateways": ["10.2.0.1", "10.2.0.2"]})", "\"10.2.0.2\" is the second IPv4 gateway");
  expect_refused(R"({"addSourceHints": "yes"})", "addSourceHints");
  Json conf = config();
  conf.erase("prevResult");
  expect_error(call("ADD", conf), 7, "prevResult");
  expect_error(call("CHECK", conf), 7, "prevResult");
  expect_error(call("ADD", config(), "net9"), 999, "net9");
  auto variables = env("ADD");
  variables["CNI_NETNS"] = "/run/netns/gone";
  expect_error(run_plugin(built("sbr"), variables, config().dump()), 8, "/run/netns/gone");
}

TEST_F(SbrTest, GcAndStatusHaveNothingToDo) {
  Json conf = config();
  conf.erase("prevResult");
  conf["cni.dev/valid-attachments"] = Json::array();
  EXPECT_TRUE(call("GC", conf).ok());
  EXPECT_TRUE(call("STATUS", conf).ok());
  conf["table"] = -1;
  expect_error(call("STATUS", conf), 7, "table");
}

}  // namespace
}  // namespace berth::test
