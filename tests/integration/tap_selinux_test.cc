// selinuxContext of the tap plugin where SELinux is in force: which labels are accepted, what they do, and that nothing
// is left of one that is refused.

#include <gmock/gmock.h>

#include <algorithm>

#include "base/file.h"
#include "support/plugin_test.h"
#include "support/programs.h"
#include "support/selinux.h"

namespace berth::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int kConfigError = 7;
constexpr int kInternal = 999;

class TapSelinuxTest : public PluginTest {
 protected:
  TapSelinuxTest() : PluginTest("tap") {}

  void SetUp() override {
    if (const auto reason = Selinux::why_unusable(); !reason.empty()) GTEST_SKIP() << reason;
    PluginTest::SetUp();
    if (IsSkipped()) return;
    selinux_ = std::make_unique<Selinux>(scratch());
  }

  void TearDown() override {
    selinux_.reset();
    PluginTest::TearDown();
  }

  /// An IPAM plugin that writes its label down.
  void use_ipam_that_tells_its_label() {
    write("plugins/canned", "#!/bin/sh\ncat /proc/self/attr/current > " + scratch() +
                                "/label\n[ $CNI_COMMAND != ADD ] || printf '{\"cniVersion\": \"1.1.0\", \"ips\": "
                                "[{\"address\": \"10.1.0.2/24\"}]}'\n");
    must_run({"chmod", "+x", scratch() + "/plugins/canned"});
    config_["ipam"] = {{"type", "canned"}};
  }

  /// The label of the program that ran last.
  std::string label() const {
    auto text = base::read_file(scratch() + "/label");
    text.erase(std::find(text.begin(), text.end(), '\0'), text.end());
    return text;
  }

  std::unique_ptr<Selinux> selinux_;
};

/// What only a program can that may attach to the interface.
const std::vector<std::string> kTakeAway{"/sbin/ip", "-n", "box", "tuntap", "del", "dev", "eth0", "mode", "tap"};

TEST_F(TapSelinuxTest, TheInterfaceHasTheLabelAndWhatRunsAfterwardsHasNot) {
  use_ipam_that_tells_its_label();
  config_["selinuxContext"] = Selinux::kTap;
  const Environment env{{"CNI_PATH", scratch() + "/plugins"}};
  add(env);
  EXPECT_EQ(label(), Selinux::kPlain);
  expect_ok("CHECK", env);

  const auto refused = run(kTakeAway);
  EXPECT_THAT(refused.error, HasSubstr("Permission denied"));
  EXPECT_TRUE(has_eth0());
  const auto taken = run_labelled(Selinux::kTap, kTakeAway);
  EXPECT_TRUE(taken.ok()) << taken.error;
  EXPECT_FALSE(has_eth0());

  config_.erase("prevResult");
  config_.erase("selinuxContext");
  add(env);
  EXPECT_TRUE(run(kTakeAway).ok()) << "without a label it is like all that runs";
}

TEST_F(TapSelinuxTest, NothingIsLeftOfALabelThatIsRefused) {
  const auto before = everything();
  const auto refuse = [&](const std::string& label, int code, const auto& message) {
    SCOPED_TRACE(label);
    config_["selinuxContext"] = label;
    const auto object = error("ADD");
    EXPECT_EQ(object["code"], code) << object;
    EXPECT_THAT(object["msg"].get<std::string>() + object.value("details", ""), message);
    EXPECT_FALSE(has_eth0());
    EXPECT_THAT(leases(), IsEmpty());
  };
  refuse("u:r:nobody_knows_t", kConfigError, HasSubstr("invalid selinuxContext \"u:r:nobody_knows_t\""));
  refuse("u:r:tap_t:s0", kConfigError, HasSubstr("invalid selinuxContext \"u:r:tap_t:s0\""));
  refuse(Selinux::kForbidden, kInternal, AllOf(HasSubstr(Selinux::kForbidden), HasSubstr("permission denied")));
  refuse(Selinux::kPowerless, kInternal, AllOf(HasSubstr(Selinux::kPowerless), HasSubstr("permission denied")));
  EXPECT_EQ(everything(), before);

  config_["selinuxContext"] = Selinux::kTap;
  add();
  expect_ok("CHECK");
  expect_ok("DEL");
  EXPECT_FALSE(has_eth0());
}

}  // namespace
}  // namespace berth::test
