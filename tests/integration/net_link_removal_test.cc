// Links that are deleted by a child process: gone when the wait is over, whatever happens to the child.

#include <gmock/gmock.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <chrono>

#include "base/error.h"
#include "base/fd.h"
#include "net/link_removal.h"
#include "support/netlink.h"
#include "support/orphans.h"

namespace berth::net {
namespace {

class LinkRemovalTest : public NetlinkTest {
 protected:
  void SetUp() override {
    NetlinkTest::SetUp();
    if (IsSkipped()) return;
    there_ = std::make_unique<test::NamedNetNs>("there");
    const auto netns = there_->open();
    Netlink::here().create_veth(pair_to(netns));
  }

  NetNs netns() const { return there_->open(); }
  int far_end() const { return Netlink::in(netns()).link("eth0").index; }

  void expect_gone() const {
    EXPECT_FALSE(Netlink::here().find_link("near0"));
    EXPECT_FALSE(Netlink::in(netns()).find_link("eth0"));
  }

 private:
  std::unique_ptr<test::NamedNetNs> there_;
};

TEST_F(LinkRemovalTest, ALinkAndItsPeerAreGoneWhenTheWaitIsOver) {
  EXPECT_TRUE(LinkRemoval(netns(), far_end()).wait());
  expect_gone();
}

TEST_F(LinkRemovalTest, ItsNameIsFreeAtOnce) {
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(LinkRemoval(netns(), far_end()).wait());
    const auto there = netns();
    Netlink::here().create_veth(pair_to(there));
  }
}

TEST_F(LinkRemovalTest, WhatIsGoneIsNoFailure) {
  const int index = far_end();
  Netlink::here().delete_link("near0");
  EXPECT_FALSE(LinkRemoval(netns(), index).wait());
}

TEST_F(LinkRemovalTest, ARefusalNamesTheLinkAndTheKernelsReason) {
  LinkRemoval of_loopback(netns(), 1);
  EXPECT_EQ(error_of(EOPNOTSUPP, [&] { of_loopback.wait(); }), "delete link #1: operation not supported");
}

TEST_F(LinkRemovalTest, IfTheChildIsKilledTheLinkIsDeletedAllTheSame) {
  for (int i = 0; i < 20; ++i) {
    LinkRemoval removal(netns(), far_end());
    for (const pid_t child : test::children()) ::kill(child, SIGKILL);
    removal.wait();
    expect_gone();
    const auto there = netns();
    Netlink::here().create_veth(pair_to(there));
  }
}

TEST_F(LinkRemovalTest, TheChildHoldsNothingOfItsParent) {
  std::array<int, 2> ends{};
  base::check(::pipe(ends.data()), "make a pipe");
  const base::Fd reader(ends[0]);
  base::Fd writer(ends[1]);
  LinkRemoval removal(netns(), far_end());
  writer.reset();
  pollfd waiting{reader.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&waiting, 1, 5000), 1) << "whoever waits for the end of our output would wait for the kernel";
  removal.wait();
}

}  // namespace
}  // namespace berth::net
