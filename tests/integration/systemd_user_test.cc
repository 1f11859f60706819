// Containers of an ordinary user, whose cgroups that user's instance of systemd manages, beside Debian's runc.

#include <gmock/gmock.h>
#include <sys/mount.h>

#include <map>

#include "base/encode.h"
#include "base/error.h"
#include "base/json.h"
#include "support/limits.h"
#include "support/programs.h"
#include "support/systemd_host.h"
#include "support/user.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class SystemdUserTest : public UserSandbox {
 protected:
  static constexpr const char* kName = "somebody";

  void SetUp() override {
    if (!MachinesSystemd::is_there()) GTEST_SKIP() << "this machine has no systemd";
    if (!exists("/usr/lib/systemd/user/dbus.socket")) GTEST_SKIP() << "dbus-user-session is not installed";
    const MachinesSystemd systemd;
    UserSandbox::SetUp();
    if (IsSkipped()) return;
    systemd.show();
    start_instance();
  }

  void TearDown() override {
    if (!service_.empty()) run({"systemctl", "stop", service_});
    UserSandbox::TearDown();
  }

  /// `berth --systemd-cgroup WORDS` by the user, as from a session of his.
  base::CommandResult by_user(std::vector<std::string> words) const {
    words.insert(words.begin(), "--systemd-cgroup");
    return user_berth(words, {{"XDG_RUNTIME_DIR", directory_}});
  }
  std::string must_by_user(const std::vector<std::string>& words) const {
    const auto result = by_user(words);
    if (!result.ok()) throw std::runtime_error(words.front() + ": " + result.status_text() + ": " + result.error);
    EXPECT_EQ("", result.error);
    return result.output;
  }

  void run_sleeper(const std::string& id, const Edit& edit = {}) const {
    must_by_user({"run", "--detach", "--bundle", user_bundle({"sleep", "1000"}, edit, id), id});
  }
  pid_t users_pid(const std::string& id) const { return Json::parse(must_by_user({"state", id}))["pid"].get<pid_t>(); }

  /// `systemctl --user show` of one property.
  std::string show(const std::string& unit, const std::string& property) const {
    const auto text = must_run(
        as_user({system_program("systemctl"), "--user", "show", "--value", "--property=" + property, unit}), session());
    return text.substr(0, text.find('\n'));
  }
  bool is_gone(const std::string& unit) const { return show(unit, "LoadState") == "not-found"; }

  RunOptions session() const {
    RunOptions options;
    options.env = {{"XDG_RUNTIME_DIR", directory_},
                   {"HOME", directory_},
                   {"USER", kName},
                   {"DBUS_SESSION_BUS_ADDRESS", "unix:path=" + directory_ + "/bus"}};
    options.working_directory = "/";
    return options;
  }

  /// Who wants to map ids must be known.
  void give_the_user_a_name() const {
    const std::string ids = std::to_string(kUser) + ":" + std::to_string(kUser);
    const std::string name = kName;
    for (const auto& [file, text] : std::map<std::string, std::string>{
             {"passwd", "root:x:0:0::/root:/bin/sh\n" + name + ":x:" + ids + "::" + directory_ + ":/bin/sh\n"},
             {"subuid", name + ":100000:65536\n"},
             {"subgid", name + ":100000:65536\n"}}) {
      base::check(::mount(write("etc/" + file, text).c_str(), ("/etc/" + file).c_str(), nullptr, MS_BIND, nullptr),
                  "mount", file);
    }
  }

  /// The cgroup of the user's instance, in which all its units are.
  std::string instances_cgroup() const { return "/system.slice/" + service_; }

 private:
  /// What user@1000.service does, for a machine without a user 1000: the directory is where the sandbox sees it.
  void start_instance() {
    const std::string name = "berthtest-user-" + base::random_hex(4);
    service_ = name + ".service";
    directory_ = "/run/systemd/" + name;
    const std::string id = std::to_string(kUser);
    must_run({"systemd-run", "--quiet", "--unit=" + service_, "--uid=" + id, "--gid=" + id, "--property=Type=notify",
              "--property=Delegate=yes", "--property=KillMode=mixed", "--property=RuntimeDirectoryMode=0700",
              "--property=RuntimeDirectory=systemd/" + name, "--setenv=XDG_RUNTIME_DIR=" + directory_,
              "--setenv=HOME=" + directory_, "/lib/systemd/systemd", "--user"});
    ASSERT_TRUE(eventually([&] { return exists(directory_ + "/bus"); }));
  }

  std::string service_;    ///< The instance is this unit of the machine's systemd.
  std::string directory_;  ///< XDG_RUNTIME_DIR
};

TEST_F(SystemdUserTest, AContainerIsAScopeOfTheUsersInstance) {
  run_sleeper("scope");
  const std::string unit = "berth-scope.scope";
  EXPECT_EQ("active", show(unit, "ActiveState"));
  EXPECT_EQ("user.slice", show(unit, "Slice"));
  EXPECT_EQ("yes", show(unit, "Delegate"));
  const std::string place = instances_cgroup() + "/user.slice/" + unit;
  EXPECT_EQ(place, show(unit, "ControlGroup"));
  EXPECT_EQ("/sys/fs/cgroup" + place, cgroup_directory_of(users_pid("scope"), ""));
  // A process from outside of the instance can be moved in by systemd only.
  EXPECT_THAT(must_by_user({"exec", "scope", "cat", "/proc/self/cgroup"}), HasSubstr(unit + "\n"));
  must_by_user({"pause", "scope"});
  EXPECT_EQ("paused", Json::parse(must_by_user({"state", "scope"}))["status"]);
  must_by_user({"resume", "scope"});
  must_by_user({"delete", "--force", "scope"});
  EXPECT_TRUE(is_gone(unit));
  EXPECT_THAT(cgroups_of(unit), IsEmpty());
  EXPECT_TRUE(has_no_state());
}

TEST_F(SystemdUserTest, LimitsAreTheUnitsAndTheKernels) {
  run_sleeper("limits", [](Json& spec) {
    spec["linux"]["cgroupsPath"] = "user.slice:mine:limits";
    spec["linux"]["resources"] = {{"memory", {{"limit", 64 << 20}}}, {"pids", {{"limit", 33}}}};
  });
  const std::string unit = "mine-limits.scope";
  const auto memory = [&] { return limit_of(users_pid("limits"), "", "memory.max"); };
  EXPECT_EQ(std::to_string(64 << 20), show(unit, "MemoryMax"));
  EXPECT_EQ(std::to_string(64 << 20), memory());
  EXPECT_EQ("33", limit_of(users_pid("limits"), "", "pids.max"));
  must_by_user({"update", "--memory", "33554432", "limits"});
  EXPECT_EQ(std::to_string(32 << 20), show(unit, "MemoryMax"));
  EXPECT_EQ(std::to_string(32 << 20), memory());
  must_by_user({"delete", "--force", "limits"});
}

TEST_F(SystemdUserTest, TheUnitIsLikeRuncs) {
  const auto runc = system_program("runc");
  if (runc.empty()) GTEST_SKIP() << "runc is not installed";
  const auto limited = [](const std::string& id) {
    return [=](Json& spec) {
      spec["linux"]["cgroupsPath"] = "user.slice:like:" + id;
      spec["linux"]["resources"] = {{"memory", {{"limit", 64 << 20}}}, {"pids", {{"limit", 33}}}};
    };
  };
  run_sleeper("ours", limited("ours"));
  const auto path = user_bundle({"sleep", "1000"}, limited("theirs"), "theirs");
  const auto started =
      run(as_user({runc, "--systemd-cgroup", "run", "--detach", "--bundle", path, "theirs"}), session());
  ASSERT_TRUE(started.ok()) << started.error;
  for (const char* property : {"ActiveState", "Slice", "Delegate", "DefaultDependencies", "MemoryAccounting",
                               "CPUAccounting", "TasksAccounting", "MemoryMax", "TasksMax"}) {
    EXPECT_EQ(show("like-theirs.scope", property), show("like-ours.scope", property)) << property;
  }
  run(as_user({runc, "delete", "--force", "theirs"}), session());
  must_by_user({"delete", "--force", "ours"});
  EXPECT_TRUE(is_gone("like-ours.scope"));
}

TEST_F(SystemdUserTest, RootOfAUserNamespaceReachesTheInstanceOfWhoMadeIt) {
  // As Podman runs a runtime for an ordinary user: all its commands in one user namespace.
  const auto path = user_bundle({"sleep", "1000"}, [](Json& spec) {
    for (const char* kind : {"uidMappings", "gidMappings"}) spec["linux"][kind][0]["hostID"] = 0;
  });
  const std::string berth = scratch() + "/bin/berth --systemd-cgroup ";
  const auto result = run(
      as_user({system_program("unshare"), "--user", "--map-root-user", "sh", "-ec",
               berth + "run --detach --bundle " + path + " inside; " + berth + "exec inside cat /proc/self/cgroup; " +
                   berth + "list --quiet; " + berth + "delete --force inside"}),
      session());
  EXPECT_TRUE(result.ok()) << result.error;
  EXPECT_EQ("", result.error);
  EXPECT_THAT(result.output, EndsWith(instances_cgroup() + "/user.slice/berth-inside.scope\ninside\n"));
  EXPECT_TRUE(is_gone("berth-inside.scope"));
}

TEST_F(SystemdUserTest, PodmanOfTheUserDrivesItAsItDrivesCrun) {
  for (const char* program : {"podman", "conmon", "newuidmap", "crun"})
    if (system_program(program).empty()) GTEST_SKIP() << program << " is not installed";
  give_the_user_a_name();
  const auto path = user_bundle({"true"}) + "/rootfs";
  std::string errors;
  const auto transcript = [&](const std::string& runtime) {
    std::string text;
    const auto podman = [&](std::vector<std::string> words) {
      words.insert(words.begin(), {system_program("podman"), "--cgroup-manager", "systemd", "--events-backend", "file",
                                   "--runtime", runtime});
      const auto result = run(as_user(words), session());
      if (!result.ok()) errors += runtime + " " + words[7] + ": " + result.error;
      text += words[7] + ": " + result.status_text() + " " + result.output;
    };
    podman({"run", "--rm", "--net", "none", "--memory", "64m", "--ulimit", "nofile=512:512", "--ulimit",
            "nproc=512:512", "--rootfs", path, "sh", "-c",
            "id -u; cat /proc/self/uid_map /sys/fs/cgroup/memory.max; exit 3"});
    podman({"run", "--detach", "--name", "c", "--net", "none", "--ulimit", "nofile=512:512", "--ulimit",
            "nproc=512:512", "--rootfs", path, "sleep", "1000"});
    text.resize(text.rfind(' '));  // an identifier
    podman({"exec", "c", "cat", "/proc/self/cgroup"});
    for (const char* command : {"pause", "unpause"}) podman({command, "c"});
    podman({"rm", "--force", "--time", "0", "c"});
    return text;
  };
  const auto ours = transcript(scratch() + "/bin/berth");
  // (runc 1.1 asks the machine's systemd there, and is refused.)
  EXPECT_EQ(transcript(system_program("crun")), ours) << errors;
  EXPECT_THAT(ours, HasSubstr("67108864"));
}

TEST_F(SystemdUserTest, TheUnitEndsWithARunInTheForeground) {
  EXPECT_EQ(7, by_user({"run", "--bundle", user_bundle({"sh", "-c", "exit 7"}), "short"}).exit_status);
  EXPECT_TRUE(is_gone("berth-short.scope"));
  EXPECT_TRUE(has_no_state());
}

TEST_F(SystemdUserTest, WithoutAWayToTheInstanceNothingIsMade) {
  const auto path = user_bundle({"true"});
  const auto with = [&](const std::string& directory) {
    return user_berth({"--systemd-cgroup", "run", "--bundle", path, "lost"}, {{"XDG_RUNTIME_DIR", directory}});
  };
  const auto nowhere = with("");
  EXPECT_EQ(1, nowhere.exit_status);
  EXPECT_THAT(nowhere.error, HasSubstr("neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR is set"));
  const auto empty = with("/run/user/1000");
  EXPECT_EQ(1, empty.exit_status);
  EXPECT_THAT(empty.error, HasSubstr("/run/user/1000/bus"));
  EXPECT_TRUE(has_no_state());
}

}  // namespace
}  // namespace berth::test
