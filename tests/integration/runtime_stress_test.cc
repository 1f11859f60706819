// Many containers at once, with different ids and with the same: each gets its own, and nothing is left.

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "base/json.h"
#include "support/containers.h"
#include "support/limits.h"
#include "support/orphans.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::IsEmpty;

constexpr int kMany = 200;

double cpu_seconds_of_children() {
  rusage used{};
  ::getrusage(RUSAGE_CHILDREN, &used);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

/// The cgroups that the sandbox finds, and version 2 alone.
enum class Cgroups { kOfThisMachine, kUnified };

class RuntimeStressTest : public ContainerSandbox, public ::testing::WithParamInterface<Cgroups> {
 protected:
  void SetUp() override {
    ContainerSandbox::SetUp();
    if (IsSkipped()) return;
    if (GetParam() == Cgroups::kUnified) {
      name_ = "stress2-";
      if (on_cgroup_v2()) GTEST_SKIP() << "this machine has no others";
      only_v2_.emplace();
    }
    adopt_orphans();
    path_ = bundle({"sleep", "1000"});
    before_ = host_state();
    cpu_before_ = cpu_seconds_of_children();
  }

  void TearDown() override {
    if (!IsSkipped()) end_orphans();
    only_v2_.reset();
    ContainerSandbox::TearDown();
  }

  /// Runs `work` with 0, 1, … in as many threads at the same time.
  static void at_once(int threads, const std::function<void(int)>& work) {
    std::vector<std::thread> running;
    for (int i = 0; i < threads; ++i) running.emplace_back(work, i);
    for (auto& thread : running) thread.join();
  }

  /// `berth WORDS` must succeed; what it says otherwise is kept.
  bool expect_berth(const std::vector<std::string>& words) {
    const auto result = berth(words);
    if (!result.ok()) complain(words.front() + " " + words.back() + ": " + result.status_text() + ": " + result.error);
    return result.ok();
  }

  void complain(const std::string& text) {
    const std::lock_guard lock(mutex_);
    complaints_.push_back(text);
  }

  std::vector<std::string> create(const std::string& id) const { return {"create", "--bundle", path_, id}; }

  /// Of the same command many times at once: how many succeeded. All others must say `refusal`.
  int winners(const std::vector<std::string>& words, const std::string& refusal) {
    std::atomic<int> won = 0;
    at_once(kMany, [&](int) {
      const auto result = berth(words);
      if (result.ok()) {
        ++won;
      } else if (result.exit_status != 1 || result.error.find(refusal) == std::string::npos) {
        complain(words.front() + ": " + result.status_text() + ": " + result.error);
      }
    });
    return won;
  }

  /// No state directory, cgroup, mount or process is left, and it did not take more than two processors have in 20 s.
  void expect_nothing_left() {
    EXPECT_THAT(complaints_, IsEmpty());
    EXPECT_EQ("[]\n", must_berth({"list", "--format", "json"}));
    EXPECT_THAT(cgroups_of(name_), IsEmpty());
    EXPECT_THAT(living_orphans(), IsEmpty());
    EXPECT_LT(cpu_seconds_of_children() - cpu_before_, 40);
    EXPECT_EQ(before_, host_state());
  }

  std::optional<OnlyCgroupV2> only_v2_;
  std::string name_ = "stress-";  // cgroups are the machine's
  std::string path_;
  std::string before_;
  double cpu_before_ = 0;
  std::mutex mutex_;
  std::vector<std::string> complaints_;
};

TEST_P(RuntimeStressTest, TwoHundredContainersLiveAndDieSideBySide) {
  std::set<pid_t> pids;
  at_once(kMany, [&](int i) {
    const std::string id = name_ + std::to_string(i);
    if (!expect_berth(create(id)) || !expect_berth({"start", id})) return;
    const auto state = Json::parse(berth({"state", id}).output);
    if (state["status"] != "running") complain(id + " is " + state["status"].get<std::string>());
    {
      const std::lock_guard lock(mutex_);
      pids.insert(state["pid"].get<pid_t>());
    }
    expect_berth({"kill", id, "KILL"});
    if (!eventually([&] { return status_of(id) == "stopped"; })) complain(id + " does not end");
    expect_berth({"delete", id});
  });
  EXPECT_EQ(size_t{kMany}, pids.size());
  expect_nothing_left();
}

TEST_P(RuntimeStressTest, OfTwoHundredWithOneIdExactlyOneWinsEachStep) {
  const std::string one = name_ + "one";
  EXPECT_EQ(1, winners(create(one), "container with given ID already exists"));
  EXPECT_EQ("created", status_of(one));
  EXPECT_EQ(1, winners({"start", one}, "cannot start an already running container"));
  must_berth({"kill", one, "KILL"});
  ASSERT_TRUE(eventually([&] { return status_of(one) == "stopped"; }));
  EXPECT_EQ(1, winners({"delete", one}, "container does not exist"));
  expect_nothing_left();
}

TEST_P(RuntimeStressTest, DeletesByForceAmongCreatesOfTheSameIdLeaveWholeContainersOrNone) {
  // A create that a delete gets in the way of must fail by itself, and never take with it what the next one has made.
  const std::string churn = name_ + "churn";
  std::atomic<int> created = 0;
  at_once(10, [&](int i) {
    for (int round = 0; round < kMany / 10; ++round) {
      if (i % 2 == 0) {
        created += berth(create(churn)).ok() ? 1 : 0;
      } else {
        expect_berth({"delete", "--force", churn});
      }
      const auto state = berth({"state", churn});
      if (!state.ok() && state.error.find("container does not exist") == std::string::npos) complain(state.error);
    }
  });
  EXPECT_GT(created, 0) << "nothing was tested";
  must_berth({"delete", "--force", churn});
  expect_nothing_left();
}

INSTANTIATE_TEST_SUITE_P(On, RuntimeStressTest, ::testing::Values(Cgroups::kOfThisMachine, Cgroups::kUnified),
                         [](const auto& which) {
                           return which.param == Cgroups::kUnified ? "CgroupV2" : "CgroupsOfThisMachine";
                         });

}  // namespace
}  // namespace berth::test
