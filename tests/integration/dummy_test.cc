// The dummy plugin: an interface that leads nowhere, to carry addresses.
#include <gmock/gmock.h>

#include "support/plugin_test.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int kConfigError = 7;

class DummyTest : public PluginTest {
 protected:
  DummyTest() : PluginTest("dummy") {}

  void SetUp() override {
    PluginTest::SetUp();
    if (IsSkipped()) return;
    if (!kernel_has("dummy")) GTEST_SKIP() << lacks("dummy");
  }
};

TEST_F(DummyTest, TheContainerAnswersAtTheAddressesOfItsDummy) {
  config_["ipam"]["ranges"] =
      Json::parse(R"([[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd01::/64", "rangeStart": "fd01::2"}]])");
  const auto result = add();
  ASSERT_EQ(result["interfaces"].size(), 1U);
  EXPECT_EQ(result["interfaces"][0]["name"], "eth0");
  EXPECT_EQ(result["interfaces"][0]["mac"], eth0().mac.to_string());
  EXPECT_EQ(result["interfaces"][0]["sandbox"], "/run/netns/box");
  EXPECT_EQ(result["ips"][0]["interface"], 0);
  EXPECT_THAT(addresses(), ElementsAre("10.1.0.2/24", "fd01::2/64"));
  EXPECT_TRUE(ping("box", "10.1.0.2"));
  EXPECT_TRUE(ping("box", "fd01::2"));
  write("www/index.html", "berth");
  const Background server(
      {"ip", "netns", "exec", "box", system_program("busybox"), "httpd", "-f", "-p", "80", "-h", scratch() + "/www"});
  EXPECT_EQ(netns().within([] { return http_get(net::IpAddress::parse("10.1.0.2"), 80, "/", kPatience); }), "berth");
  expect_ok("CHECK");
}

TEST_F(DummyTest, IpamIsRequired) {
  for (const auto& ipam : {Json(nullptr), Json::object(), Json{{"type", ""}}}) {
    config_["ipam"] = ipam;
    const auto object = failed_add();
    EXPECT_EQ(object["code"], kConfigError);
    EXPECT_EQ(object["msg"], "dummy interface requires an IPAM configuration");
    EXPECT_EQ(error("STATUS")["code"], kConfigError);
    expect_ok("DEL");
  }
}

TEST_F(DummyTest, CheckFindsAnotherHardwareAddress) {
  add();
  inside().set_mac(eth0().index, net::MacAddress::parse("02:00:00:00:00:09"));
  EXPECT_THAT(message("CHECK"), HasSubstr("02:00:00:00:00:09"));
}

}  // namespace
}  // namespace berth::test
