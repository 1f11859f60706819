// SIGKILL takes berth while it, or its hook that goes on, connects a container or takes it off its network:
// `delete --force` then removes all of it.

#include <gmock/gmock.h>

#include "support/cni.h"
#include "support/killed_container.h"
#include "support/orphans.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::test {
namespace {

using ::testing::IsEmpty;

class NetworkKilledTest : public KilledContainer {
 protected:
  void SetUp() override {
    KilledContainer::SetUp();
    if (IsSkipped()) return;
    write("net.d/web.conflist", web_conflist("web", "kill0", "10.77.0.0/24", "/var/lib/cni/networks"));
    create_.insert(create_.end(), {"create", "--bundle", bundle({"sleep", "1000"}), "--network", "web", "--publish",
                                   "8080:80", "--net-dir", scratch() + "/net.d", kId});
    // The bridge and the tables of the firewall are there to stay.
    must_berth(create_);
    must_berth({"delete", kId});
    ASSERT_THAT(living_orphans(), IsEmpty());
    before_ = host_state();
  }

  void expect_deletable(const Killed& killed) const {
    KilledContainer::expect_deletable(killed);
    EXPECT_EQ(before_, host_state()) << killed.at;
  }

  std::vector<std::string> create_;
  std::string before_;
};

TEST_F(NetworkKilledTest, Create) {
  EXPECT_GT(kill_everywhere(berth_command(create_), [&](const Killed& killed) { expect_deletable(killed); }), 20);
}

/// By hand, without a container: all plugins work in cnitool's own process.
TEST_F(NetworkKilledTest, CnitoolAdd) {
  NamedNetNs box("box");
  const auto before = host_state();
  Program add({built("cnitool"), "add", "web", box.path()});
  add.env = {
      {"CNI_PATH", built_directory()}, {"NETCONFPATH", scratch() + "/net.d"}, {"CAP_ARGS", published({{8080, 80}})}};
  auto del = add;
  del.argv[1] = "del";
  const auto with = [](const Program& program) {
    RunOptions options;
    options.env = program.env;
    return options;
  };
  const auto expect_removable = [&](const Killed& killed) {
    must_run(del.argv, with(del));
    EXPECT_EQ(before, host_state()) << killed.at;
  };
  EXPECT_GT(kill_everywhere(add, expect_removable), 20);
  EXPECT_GT(interrupt_everywhere(add, expect_removable), 20);
  EXPECT_GT(kill_everywhere(del, expect_removable, [&] { must_run(add.argv, with(add)); }), 20);
}

TEST_F(NetworkKilledTest, CreateWhileItsHookWorks) {
  // Until three of them in a row come too late.
  int too_late = 0;
  for (int round = 0; too_late < 3 && round < 150 && !HasFailure(); ++round) {
    const auto killed = kill_after(berth_command(create_), std::chrono::microseconds(300) * round);
    too_late = killed.killed ? 0 : too_late + 1;
    expect_deletable(killed);
  }
}

TEST_F(NetworkKilledTest, DeleteWhileItsHookWorks) {
  int too_late = 0;
  for (int round = 0; too_late < 3 && round < 150 && !HasFailure(); ++round) {
    must_berth(create_);
    const auto killed = kill_after(berth_command({"delete", kId}), std::chrono::microseconds(300) * round);
    too_late = killed.killed ? 0 : too_late + 1;
    expect_deletable(killed);
  }
}

}  // namespace
}  // namespace berth::test
