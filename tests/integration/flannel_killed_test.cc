// SIGKILL or SIGTERM takes the flannel plugin at any point of ADD and DEL, with bridge and host-local behind it: what
// is left then is nothing, or goes with the next DEL or GC.

#include <gmock/gmock.h>

#include "base/file.h"
#include "base/json.h"
#include "support/flanneld_host.h"
#include "support/killed.h"
#include "support/orphans.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class FlannelKilledTest : public FlanneldHost {
 protected:
  void SetUp() override {
    FlanneldHost::SetUp();
    if (IsSkipped()) return;
    config_["cniVersion"] = "1.1.0";
    config_["delegate"] = {{"ipMasq", true}};
    // The bridge, and the directories of the records.
    add();
    expect_ok("DEL");
    before_ = everything();
    adopt_orphans();
  }

  void TearDown() override {
    if (!IsSkipped()) end_orphans();
    FlanneldHost::TearDown();
  }

  void expect_nothing_left(const std::string& when) const {
    EXPECT_THAT(living_orphans(), IsEmpty()) << when;
    EXPECT_EQ(before_, everything()) << when;
  }

  void collect_garbage() {
    config_["cni.dev/valid-attachments"] = Json::array();
    expect_ok("GC");
    config_.erase("cni.dev/valid-attachments");
  }

  /// Delegates that run in processes of their own.
  std::string own_processes() const { return copies_of({"bridge", "host-local"}, scratch() + "/copies"); }

  void expect_interruptible_with(const std::string& plugins) const {
    const auto points = interrupt_everywhere(program("ADD", "eth0", plugins), [&](const Killed& add) {
      if (add.exit_status == 0) {  // too late
        expect_ok("DEL");
      } else if (add.exit_status) {
        EXPECT_THAT(add.output, HasSubstr("interrupted by SIGTERM")) << add.at;
        EXPECT_EQ(11, Json::parse(add.output)["code"]) << add.at;
      }
      expect_nothing_left(add.at);
    });
    EXPECT_GT(points, 3);
  }

  std::string before_;
};

TEST_F(FlannelKilledTest, DelRemovesWhatAKilledAddHasLeft) {
  const auto points = kill_everywhere(program("ADD"), [&](const Killed& add) {
    expect_ok("DEL");
    expect_nothing_left("first DEL, " + add.at);
    expect_ok("DEL");
  });
  EXPECT_GT(points, 3);
}

TEST_F(FlannelKilledTest, GarbageCollectionRemovesWhatAKilledAddHasLeft) {
  const auto points = kill_everywhere(program("ADD"), [&](const Killed& add) {
    // Not before the delegate has ended: the caller keeps the two apart.
    EXPECT_THAT(living_orphans(), IsEmpty()) << add.at;
    collect_garbage();
    EXPECT_THAT(kept(), IsEmpty()) << add.at;
    expect_nothing_left(add.at);
  });
  EXPECT_GT(points, 3);
}

TEST_F(FlannelKilledTest, DelRemovesWhatIsLeftOfOneThatWasKilledWhileTheDelegateWorked) {
  const auto plugins = own_processes();
  // Until three of them in a row come too late.
  int too_late = 0;
  for (int round = 0; too_late < 3 && round < 100 && !HasFailure(); ++round) {
    const auto add = kill_after(program("ADD", "eth0", plugins), std::chrono::microseconds(300) * round);
    too_late = add.killed ? 0 : too_late + 1;
    expect_ok("DEL");
    expect_nothing_left(add.at);
  }
}

TEST_F(FlannelKilledTest, ADelegateThatGoesOnDoesNotOvertakeTheDelThatFollows) {
  const auto late = write("plugins/late", "#!/bin/sh\n[ $CNI_COMMAND != ADD ] || { : > " + scratch() +
                                              "/begun; sleep 0.5; }\nexec " + built("bridge") + "\n");
  must_run({"chmod", "+x", late});
  config_["delegate"]["type"] = "late";
  config_["delegate"]["isGateway"] = true;
  const auto plugins = scratch() + "/plugins:" + built_directory();
  const auto add = kill_after(program("ADD", "eth0", plugins), std::chrono::milliseconds(200));
  ASSERT_TRUE(add.killed && base::read_if_present(scratch() + "/begun"));
  EXPECT_TRUE(call("DEL", "eth0", plugins).ok());
  expect_nothing_left("");
}

TEST_F(FlannelKilledTest, AnInterruptedAddLeavesNothing) {
  expect_interruptible_with(built_directory());
}

TEST_F(FlannelKilledTest, AnInterruptionIsPassedOnToADelegateInAProcessOfItsOwn) {
  expect_interruptible_with(own_processes());
}

TEST_F(FlannelKilledTest, TheNextDelFinishesWhatAKilledOneHasBegun) {
  const auto finish = [&](const Killed& del) {
    expect_ok("DEL");
    expect_nothing_left(del.at);
  };
  EXPECT_GT(kill_everywhere(program("DEL"), finish, [&] { add(); }), 1);
}

}  // namespace
}  // namespace berth::test
