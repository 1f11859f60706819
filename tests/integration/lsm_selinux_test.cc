// SELinux labels of containers where SELinux is in force.

#include <gmock/gmock.h>

#include <algorithm>

#include "base/json.h"
#include "support/containers.h"
#include "support/programs.h"
#include "support/selinux.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class LsmSelinuxTest : public ContainerSandbox {
 protected:
  void SetUp() override {
    if (const auto reason = Selinux::why_unusable(); !reason.empty()) GTEST_SKIP() << reason;
    ContainerSandbox::SetUp();
    if (IsSkipped()) return;
    selinux_ = std::make_unique<Selinux>(scratch());
  }

  void TearDown() override {
    if (selinux_) berth({"delete", "--force", "c"});
    selinux_.reset();
    ContainerSandbox::TearDown();
  }

  static Edit labelled(const std::string& process, const std::string& mounts = Selinux::kPlain) {
    return [=](Json& spec) {
      spec["process"]["selinuxLabel"] = process;
      spec["linux"]["mountLabel"] = mounts;
    };
  }

  std::unique_ptr<Selinux> selinux_;
};

constexpr const char* kLabel = "tr '\\0' '\\n' < /proc/self/attr/current";

TEST_F(LsmSelinuxTest, AContainerRunsUnderItsLabelAndItsMountsHaveOne) {
  const auto script = std::string(kLabel) + "; grep -c context=" + Selinux::kPlain + " /proc/self/mounts";
  const auto output = must_berth({"run", "--bundle", shell_bundle(script, labelled(Selinux::kTap)), "c"});
  EXPECT_THAT(output, ::testing::StartsWith(std::string(Selinux::kTap) + "\n"));
  EXPECT_GE(std::stoi(output.substr(output.find('\n'))), 2) << "/dev and /dev/shm at least";
}

TEST_F(LsmSelinuxTest, SoDoProcessesOfExecUnlessAFlagSaysOtherwise) {
  run_sleeper("c", labelled(Selinux::kTap));
  EXPECT_EQ(std::string(Selinux::kTap) + "\n", must_berth({"exec", "c", "sh", "-c", kLabel}));
  EXPECT_EQ(std::string(Selinux::kPowerless) + "\n",
            must_berth({"exec", "--process-label", Selinux::kPowerless, "c", "sh", "-c", kLabel}));
  const auto refused = berth({"exec", "--process-label", "u:r:nobody_knows_t", "c", "true"});
  EXPECT_EQ(255, refused.exit_status);
  EXPECT_THAT(refused.error, HasSubstr("u:r:nobody_knows_t"));
}

TEST_F(LsmSelinuxTest, ALabelThatIsRefusedIsAnErrorThatLeavesNothing) {
  const auto refuse = [&](const Edit& edit, const auto& message) {
    const auto result = berth({"run", "--bundle", bundle({"true"}, edit, "failing"), "failing"});
    EXPECT_NE(0, result.exit_status);
    EXPECT_THAT(result.error, message);
    EXPECT_THAT(cgroups_of("failing"), IsEmpty());
  };
  const std::string before = host_state();
  refuse(labelled("u:r:nobody_knows_t"), HasSubstr("u:r:nobody_knows_t"));
  refuse(labelled(Selinux::kTap, "u:r:nobody_knows_t"), HasSubstr("set mount option context: invalid argument"));
  refuse(labelled(Selinux::kForbidden), HasSubstr("permission denied"));
  EXPECT_EQ(before, host_state());
}

}  // namespace
}  // namespace berth::test
