// SIGKILL takes berth at any point of what it does: `delete --force` then removes all of it.

#include <gtest/gtest.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/vfs.h>

#include <filesystem>
#include <functional>
#include <memory>

#include "base/file.h"
#include "base/json.h"
#include "support/killed_container.h"
#include "support/orphans.h"
#include "support/programs.h"

namespace berth::test {
namespace {

namespace fs = std::filesystem;
using base::Json;

class RuntimeKilledTest : public KilledContainer {
 protected:
  /// Kills `berth WORDS` at each point of its work; `prepare` makes what it works on. Returns how many points there
  /// were.
  int kill_everywhere(
      const std::vector<std::string>& words, const std::function<void()>& prepare = [] {}) {
    const std::string before = host_state();
    const auto check = [&](const Killed& killed) {
      EXPECT_EQ("", killed.output) << "it was to work, had it not been killed";
      expect_deletable(killed);
    };
    const int points = test::kill_everywhere(berth_command(words), check, prepare);
    EXPECT_EQ(before, host_state());
    return points;
  }

  static bool is_on_overlay(const std::string& path) {
    struct statfs info {};
    return ::statfs(path.c_str(), &info) == 0 && info.f_type == OVERLAYFS_SUPER_MAGIC;
  }

  static void add_hooks(Json& spec, const std::vector<const char*>& stages) {
    for (const char* stage : stages)
      spec["hooks"][stage] = Json::array({{{"path", "/bin/busybox"}, {"args", {"busybox", "true"}}}});
  }

  static void use_user_namespace(Json& spec) {
    spec["linux"]["namespaces"].push_back({{"type", "user"}});
    spec["linux"]["namespaces"].push_back({{"type", "cgroup"}});
    for (const char* kind : {"uidMappings", "gidMappings"})
      spec["linux"][kind] = Json::array({{{"containerID", 0}, {"hostID", 100000}, {"size", 65536}}});
  }
};

TEST_F(RuntimeKilledTest, Create) {
  const auto path = bundle({"sleep", "1000"}, [](Json& spec) {
    add_hooks(spec, {"prestart", "createRuntime", "poststop"});
    spec["linux"]["resources"]["memory"] = {{"limit", 64 << 20}};
  });
  const auto points = kill_everywhere({"create", "--bundle", path, "--pid-file", scratch() + "/pid", kId});
  EXPECT_GT(points, 20);
}

TEST_F(RuntimeKilledTest, CreateWithUserAndTimeNamespacesAndAnIdMappedMount) {
  const auto path = bundle({"sleep", "1000"}, [&](Json& spec) {
    use_user_namespace(spec);
    if (exists("/proc/self/ns/time")) spec["linux"]["namespaces"].push_back({{"type", "time"}});
    base::make_directories(scratch() + "/shared", 0755);
    if (is_on_overlay(scratch())) return;  // it maps no ids
    spec["mounts"].push_back(
        {{"destination", "/www"}, {"type", "bind"}, {"source", scratch() + "/shared"}, {"options", {"bind", "idmap"}}});
  });
  EXPECT_GT(kill_everywhere({"create", "--bundle", path, kId}), 20);
}

TEST_F(RuntimeKilledTest, Start) {
  const auto path = bundle({"sleep", "1000"}, [](Json& spec) { add_hooks(spec, {"startContainer", "poststart"}); });
  EXPECT_GT(kill_everywhere({"start", kId}, [&] { must_berth({"create", "--bundle", path, kId}); }), 2);
}

TEST_F(RuntimeKilledTest, RunDetached) {
  const auto path = bundle({"sleep", "1000"});
  EXPECT_GT(kill_everywhere({"run", "--detach", "--bundle", path, kId}), 20);
}

TEST_F(RuntimeKilledTest, Delete) {
  const auto path = bundle({"sleep", "1000"}, [](Json& spec) { add_hooks(spec, {"poststop"}); });
  const auto points = kill_everywhere({"delete", "--force", kId}, [&] {
    must_berth({"run", "--detach", "--bundle", path, kId});
  });
  EXPECT_GT(points, 5);
}

TEST_F(RuntimeKilledTest, ExecPauseAndUpdate) {
  // The kernel ends a PID namespace when the last of its processes is reaped: by somebody who does that all the time.
  leave_orphans();
  const auto path = bundle({"sleep", "1000"});
  const auto run = [&] { must_berth({"run", "--detach", "--bundle", path, kId}); };
  EXPECT_GT(kill_everywhere({"exec", "--detach", "--pid-file", scratch() + "/pid", kId, "sleep", "1000"}, run), 5);
  EXPECT_GT(kill_everywhere({"pause", kId}, run), 0);
  EXPECT_GT(kill_everywhere({"update", "--memory", "64m", kId}, run), 3);
}

/// A create whose hook is at work, and writes down what it does.
class CreateAtWorkTest : public RuntimeKilledTest {
 protected:
  /// Starts it, and returns when its createRuntime hook runs `script`.
  void begin(const std::string& script) {
    const auto hook = [](const std::string& words) {
      return Json::array({{{"path", "/bin/busybox"}, {"args", {"sh", "-c", words}}}});
    };
    const auto path = bundle({"sleep", "1000"}, [&](Json& spec) {
      spec["hooks"]["createRuntime"] = hook("echo begun >> " + log_ + "; " + script);
      spec["hooks"]["poststop"] = hook("echo undone >> " + log_);
    });
    before_ = host_state();
    create_ = std::make_unique<Child>(berth_command({"create", "--bundle", path, kId}));
    ASSERT_TRUE(eventually([&] { return log() == "begun\n"; }));
  }

  std::string log() const { return exists(log_) ? base::read_file(log_) : ""; }

  void expect_nothing_left() const {
    EXPECT_EQ("", traces());
    EXPECT_EQ(before_, host_state());
  }

  void kill_create() {
    create_->signal(SIGKILL);
    create_->wait();
  }

  std::string log_ = "/run/log-of-hooks";
  std::string before_;
  std::unique_ptr<Child> create_;
};

TEST_F(CreateAtWorkTest, DeleteForceLetsTheHookOfAKilledOneFinishBeforeItIsUndone) {
  begin("sleep 0.5; echo done >> " + log_);
  kill_create();
  must_berth({"delete", "--force", kId});
  EXPECT_EQ("begun\ndone\nundone\n", log());
  fs::remove(log_);
  expect_nothing_left();
}

TEST_F(CreateAtWorkTest, TheHookOfAKilledOneThatNeverEndsIsEndedWithItsChildren) {
  begin("sleep 1000 & sleep 1000");
  kill_create();
  must_berth({"delete", "--force", kId});
  EXPECT_EQ("begun\nundone\n", log());
  fs::remove(log_);
  expect_nothing_left();
}

TEST_F(CreateAtWorkTest, DeleteWaitsUntilItIsDone) {
  begin("sleep 0.5");
  must_berth({"delete", kId});
  EXPECT_EQ(0, create_->wait());
  EXPECT_EQ("begun\nundone\n", log());
  fs::remove(log_);
  expect_nothing_left();
}

TEST_F(CreateAtWorkTest, DeleteForceMakesItFail) {
  begin("sleep 0.5");
  must_berth({"delete", "--force", kId});
  EXPECT_EQ(1, create_->wait());
  EXPECT_EQ("begun\nundone\n", log());
  fs::remove(log_);
  expect_nothing_left();
}

TEST_F(CreateAtWorkTest, ItsHookCanUpdateTheContainer) {
  begin("sleep 0.5; exec " + built("berth") + " --root /run/berth update --pids-limit 77 " + kId);
  EXPECT_EQ(0, create_->wait());
  const auto config = Json::parse(base::read_file(std::string("/run/berth/") + kId + "/config.json"));
  EXPECT_EQ(77, config["linux"]["resources"]["pids"]["limit"]);
  must_berth({"delete", kId});
}

}  // namespace
}  // namespace berth::test
