// The dhcp plugin beside the reference's, each with its own daemon, before the same server.
#include <gmock/gmock.h>

#include <filesystem>

#include "base/file.h"
#include "support/dhcp_fixture.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class DhcpBesideReferenceTest : public DhcpTest {
 protected:
  void SetUp() override {
    DhcpTest::SetUp();
    if (IsSkipped()) return;
    if (reference_plugins().empty()) GTEST_SKIP() << "containernetworking-plugins is not installed";
  }

  /// One suite's plugins: CNI_PATH, and the socket of its daemon.
  struct Suite {
    std::string interface_plugins;
    std::string ipam_plugins;
  };
  const Suite ours_{built_directory(), built_directory()};
  const Suite theirs_{reference_plugins(), reference_plugins()};

  base::CommandResult call_suite(const Suite& suite, const std::string& command) const {
    return run_plugin(suite.interface_plugins + "/bridge",
                      {{"CNI_COMMAND", command},
                       {"CNI_CONTAINERID", "box"},
                       {"CNI_NETNS", "/run/netns/box"},
                       {"CNI_IFNAME", "eth0"},
                       {"CNI_ARGS", "IgnoreUnknown=1;K8S_POD_NAME=web"},
                       {"CNI_PATH", suite.ipam_plugins}},
                      config_.dump());
  }

  /// What an attachment looks like: result without names that are made up, routes, and dnsmasq's record.
  struct View {
    Json result;
    std::vector<std::string> routes;
    std::string lease;
  };

  View attach(const Suite& suite) {
    const Background daemon({suite.ipam_plugins + "/dhcp", "daemon"}, scratch() + "/daemon.log");
    EXPECT_TRUE(eventually([&] { return std::filesystem::exists("/run/cni/dhcp.sock"); }));
    const auto added = call_suite(suite, "ADD");
    EXPECT_TRUE(added.ok()) << added.output << added.error << daemon_log();
    if (!added.ok()) return {};
    View view{Json::parse(added.output), routes(), ""};
    // The address comes from the hardware address, which is random.
    view.result.erase("interfaces");
    if (view.result.contains("dns") && view.result["dns"].empty()) view.result.erase("dns");
    for (auto& ip : view.result["ips"]) ip["address"] = "its address";
    for (auto& route : view.routes) route = route.substr(0, route.find(" proto kernel"));
    EXPECT_THAT(lan_->leases(), SizeIs(1));
    // Time, hardware address, address, name, client identifier: the last two are the client's.
    const auto line = lan_->leases().at(0);
    view.lease = line.substr(line.find(' ', line.find(' ', line.find(' ') + 1) + 1) + 1);
    view.lease = view.lease.substr(view.lease.find(' ') + 1);
    EXPECT_TRUE(call_suite(suite, "DEL").ok());
    lan_->stop_serving();
    lan_->forget_leases();
    std::filesystem::remove("/run/cni/dhcp.sock");
    return view;
  }

  void expect_same(const std::vector<std::string>& options) {
    config_["cniVersion"] = "1.0.0";
    lan_->serve(options);
    const auto theirs = attach(theirs_);
    lan_->serve(options);
    const auto ours = attach(ours_);
    EXPECT_EQ(theirs.result, ours.result);
    EXPECT_EQ(theirs.routes, ours.routes);
    EXPECT_EQ(theirs.lease, ours.lease);
  }
};

TEST_F(DhcpBesideReferenceTest, AddressGatewayAndDefaultRouteAlike) {
  expect_same({});
}

TEST_F(DhcpBesideReferenceTest, ClasslessRoutesAlike) {
  config_["ipam"]["request"] = Json::parse(R"([{"option": "121"}])");
  expect_same({"--dhcp-option=121,0.0.0.0/0,10.50.0.254,10.60.0.0/16,10.50.0.253"});
}

TEST_F(DhcpBesideReferenceTest, WithoutARouterAlike) {
  expect_same({"--dhcp-option=3"});
}

TEST_F(DhcpBesideReferenceTest, ProvidedOptionsAlike) {
  config_["ipam"]["provide"] = Json::parse(R"([{"option": "host-name", "fromArg": "K8S_POD_NAME"},
                                               {"option": "60", "value": "class"}])");
  config_["ipam"]["request"] = Json::parse(R"([{"option": "routers", "skipDefault": true}, {"option": "1"}])");
  expect_same({});
}

TEST_F(DhcpBesideReferenceTest, EachSuitesBridgeTakesTheOthersLeases) {
  config_["cniVersion"] = "1.0.0";
  for (const Suite& suite : {Suite{reference_plugins(), built_directory()}, {built_directory(), reference_plugins()}}) {
    lan_->serve();
    const auto view = attach(suite);
    EXPECT_EQ(view.result["ips"][0]["gateway"], "10.50.0.1") << suite.interface_plugins;
    EXPECT_THAT(view.routes.at(0), HasSubstr("default via 10.50.0.1")) << suite.interface_plugins;
  }
}

}  // namespace
}  // namespace berth::test
