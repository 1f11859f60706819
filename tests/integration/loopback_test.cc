#include <gmock/gmock.h>

#include "base/file.h"
#include "base/json.h"
#include "net/netlink.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::HasSubstr;

class LoopbackTest : public Sandbox {
 protected:
  void SetUp() override {
    Sandbox::SetUp();
    if (IsSkipped()) return;
    box_ = std::make_unique<NamedNetNs>("box");
    set_lo(false);
  }

  void set_lo(bool up) {
    auto netlink = inside();
    const int lo = netlink.link("lo").index;
    up ? netlink.set_up(lo) : netlink.set_down(lo);
  }
  bool lo_is_up() { return inside().link("lo").is_up(); }
  net::Netlink inside() { return net::Netlink::in(box_->open()); }

  base::CommandResult call(const std::string& command, const std::string& netns = "/run/netns/box") const {
    return run_plugin(
        built("loopback"),
        {{"CNI_COMMAND", command}, {"CNI_CONTAINERID", "box"}, {"CNI_NETNS", netns}, {"CNI_IFNAME", "lo"}},
        config_.dump());
  }

  std::unique_ptr<NamedNetNs> box_;
  Json config_{{"cniVersion", "1.0.0"}, {"name", "cni-loopback"}, {"type", "loopback"}};
};

TEST_F(LoopbackTest, AddSetsLoUpAndSaysWhatItHas) {
  const auto result = call("ADD");
  ASSERT_TRUE(result.ok()) << result.output;
  EXPECT_EQ(Json::parse(result.output), Json::parse(R"({"cniVersion": "1.0.0",
      "interfaces": [{"name": "lo", "mac": "00:00:00:00:00:00", "sandbox": "/run/netns/box"}],
      "ips": [{"interface": 0, "address": "127.0.0.1/8"}, {"interface": 0, "address": "::1/128"}]})"));
  EXPECT_TRUE(lo_is_up());
}

TEST_F(LoopbackTest, AddPassesOnThePreviousResult) {
  config_["prevResult"] = Json::parse(R"({"cniVersion": "1.0.0", "interfaces": [{"name": "eth0"}],
      "ips": [{"address": "10.1.0.2/24"}]})");
  const auto result = call("ADD");
  ASSERT_TRUE(result.ok()) << result.output;
  EXPECT_EQ(Json::parse(result.output)["ips"], config_["prevResult"]["ips"]);
  EXPECT_TRUE(lo_is_up());
}

TEST_F(LoopbackTest, AForeignAddressOnLoIsAnErrorAndLoIsDownAgain) {
  auto netlink = inside();
  netlink.add_address(netlink.link("lo").index, {net::IpNet::parse("10.1.0.9/32"), false, 0});
  const auto result = call("ADD");
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.output, HasSubstr("non-loopback address 10.1.0.9/32 found on lo interface"));
  EXPECT_FALSE(lo_is_up());
}

TEST_F(LoopbackTest, CheckTellsWhetherLoIsUp) {
  set_lo(true);
  EXPECT_TRUE(call("CHECK").ok());
  set_lo(false);
  const auto result = call("CHECK");
  EXPECT_FALSE(result.ok());
  EXPECT_THAT(result.output, HasSubstr("loopback interface is down"));
}

TEST_F(LoopbackTest, DelSetsLoDownAndNeverMindsAMissingNamespace) {
  set_lo(true);
  EXPECT_TRUE(call("DEL").ok());
  EXPECT_FALSE(lo_is_up());
  EXPECT_TRUE(call("DEL").ok());
  EXPECT_TRUE(call("DEL", "").ok());
  EXPECT_TRUE(call("DEL", "/run/netns/gone").ok());
}

TEST_F(LoopbackTest, AMissingNamespaceIsAnErrorOfAdd) {
  const auto result = call("ADD", "/run/netns/gone");
  EXPECT_FALSE(result.ok());
  EXPECT_EQ(Json::parse(result.output)["code"], 8);
}

TEST_F(LoopbackTest, StatusAndGcHaveNothingToDo) {
  config_["cniVersion"] = "1.1.0";
  EXPECT_TRUE(call("STATUS").ok());
  EXPECT_TRUE(call("GC").ok());
}

}  // namespace
}  // namespace berth::test
