// Containers of an ordinary user, who has no rights on the host.

#include <gmock/gmock.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "support/killed.h"
#include "support/orphans.h"
#include "support/programs.h"
#include "support/user.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class RootlessTest : public UserSandbox {
 protected:
  void SetUp() override {
    UserSandbox::SetUp();
    if (!IsSkipped()) adopt_orphans();
  }
  void TearDown() override {
    if (!IsSkipped()) end_orphans();
    UserSandbox::TearDown();
  }

  void expect_nothing_left() const {
    EXPECT_THAT(living_orphans(), IsEmpty());
    EXPECT_THAT(cgroups_of("rootless-"), IsEmpty());
    EXPECT_TRUE(has_no_state());
  }

  void expect_refused(const std::string& path, const std::string& text) const {
    const auto result = user_berth({"create", "--bundle", path, "rootless-refused"});
    EXPECT_EQ(1, result.exit_status);
    EXPECT_THAT(result.error, HasSubstr(text));
    expect_nothing_left();
  }

  static Json bind_mount(const std::string& source, const std::string& destination) {
    return {{"type", "bind"}, {"source", source}, {"destination", destination}, {"options", {"rbind", "ro"}}};
  }
};

TEST_F(RootlessTest, AContainerIsTheSameAsWithRunc) {
  const auto path = user_bundle(
      {"sh", "-c",
       "id; cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups; grep -c . /proc/self/mountinfo; "
       "stat -c '%u %t:%T' /dev/null; grep Cap /proc/self/status; echo x > /file && stat -c %u /file; hostname"});
  const auto ours = user_berth({"run", "--bundle", path, "rootless-ours"});
  EXPECT_TRUE(ours.ok()) << ours.error;
  EXPECT_EQ("", ours.error);
  EXPECT_THAT(ours.output,
              AllOf(HasSubstr("uid=0(root)"), HasSubstr("0       1000          1\n"), HasSubstr("deny\n")));
  expect_nothing_left();
  const auto runc = system_program("runc");
  if (runc.empty()) return;
  RunOptions options;
  options.env["XDG_RUNTIME_DIR"] = "/run/user/1000";
  options.working_directory = "/";
  const auto theirs = run(as_user({runc, "run", "--bundle", path, "rootless-theirs"}), options);
  EXPECT_EQ(theirs.output, ours.output) << theirs.error;
}

TEST_F(RootlessTest, ItLivesThroughEveryCommand) {
  const auto path = user_bundle({"sleep", "1000"}, [](Json& spec) { spec["process"]["oomScoreAdj"] = 77; });
  must_user_berth({"create", "--bundle", path, "rootless-life"});
  // Its process is not to be traced: secrets of the caller's environment are still in its memory.
  const auto early = user_berth({"exec", "rootless-life", "true"});
  EXPECT_EQ(255, early.exit_status);
  EXPECT_THAT(early.error, HasSubstr("cannot exec in a container that is not started without root's rights"));
  must_user_berth({"start", "rootless-life"});
  EXPECT_EQ("running", Json::parse(must_user_berth({"state", "rootless-life"}))["status"]);
  EXPECT_EQ("77\n", must_user_berth({"exec", "rootless-life", "cat", "/proc/1/oom_score_adj"}));
  const auto list = Json::parse(must_user_berth({"list", "--format", "json"}));
  ASSERT_EQ(1U, list.size());
  EXPECT_EQ("rootless-life", list[0]["id"]);
  must_user_berth({"kill", "rootless-life", "KILL"});
  ASSERT_TRUE(eventually([&] {
    return Json::parse(must_user_berth({"state", "rootless-life"}))["status"] == "stopped";
  }));
  must_user_berth({"delete", "rootless-life"});
  expect_nothing_left();
}

TEST_F(RootlessTest, KilledAtAnyPointOfACreateItIsRemovedByForce) {
  const auto create = user_berth_command({"create", "--bundle", user_bundle({"sleep", "1000"}), "rootless-killed"});
  const auto points = kill_everywhere(create, [&](const Killed& killed) {
    EXPECT_EQ("", killed.output) << "it was to work, had it not been killed";
    const auto result = user_berth({"delete", "--force", "rootless-killed"});
    EXPECT_TRUE(result.ok()) << killed.at << ": " << result.error;
    EXPECT_EQ("", result.error) << killed.at;
    expect_nothing_left();
  });
  EXPECT_GT(points, 19);
}

TEST_F(RootlessTest, WhatTheUserCanReadIsBoundAndWhatHeCannotIsNamed) {
  const auto file = write("file", "readable\n");
  const auto secret = write("secret/file", "secret\n");
  ::chmod((scratch() + "/secret").c_str(), 0700);
  const auto with = [&](const std::string& source) {
    return user_bundle({"cat", "/mounted"},
                       [&](Json& spec) { spec["mounts"].push_back(bind_mount(source, "/mounted")); });
  };
  const auto result = user_berth({"run", "--bundle", with(file), "rootless-bind"});
  EXPECT_EQ("readable\n", result.output) << result.error;
  expect_refused(with(secret), "error mounting \\\"" + secret + "\\\" to rootfs at \\\"/mounted\\\"");
  expect_refused(with(secret), "open " + secret + ": permission denied");
}

TEST_F(RootlessTest, IdMappedMountsNeedRightsThatHeHasNot) {
  const auto directory = scratch() + "/shared";
  base::make_directories(directory, 0777);
  const auto path = user_bundle({"true"}, [&](Json& spec) {
    auto mount = bind_mount(directory, "/mounted");
    mount["options"].push_back("idmap");
    spec["mounts"].push_back(mount);
  });
  expect_refused(path, "open " + directory + ": operation not permitted");
}

TEST_F(RootlessTest, NetworkDevicesOfTheHostAreNotHis) {
  const auto path = user_bundle({"true"}, [](Json& spec) {
    spec["linux"]["netDevices"] = {{"lo", {{"name", "lo9"}}}};
  });
  expect_refused(path, "linux.netDevices: network devices are not supported for rootless containers");
}

TEST_F(RootlessTest, LimitsAndCgroupsThatHeAsksForAndCannotHaveAreRefused) {
  if (cgroups_of(OwnCgroup::kNames).empty()) GTEST_SKIP() << "no cgroups here";
  expect_refused(user_bundle({"true"},
                             [](Json& spec) {
                               spec["linux"]["resources"]["memory"] = {{"limit", 64 << 20}};
                             }),
                 "linux.resources.memory: the cgroup controller memory is not available");
  expect_refused(user_bundle({"true"}, [](Json& spec) { spec["linux"]["cgroupsPath"] = "/rootless-asked"; }),
                 "permission denied");
}

/// With ids of /etc/subuid and /etc/subgid.
class RootlessRangesTest : public RootlessTest {
 protected:
  void SetUp() override {
    RootlessTest::SetUp();
    if (IsSkipped()) return;
    if (system_program("newuidmap").empty()) GTEST_SKIP() << "newuidmap is not installed (package uidmap)";
    const auto ranges = write("ranges", "1000:200000:1000\n");
    for (const char* file : {"/etc/subuid", "/etc/subgid"}) {
      if (!exists(file)) GTEST_SKIP() << file << " is missing (package uidmap)";
      base::check(::mount(ranges.c_str(), file, nullptr, MS_BIND, nullptr), "bind on", file);
    }
  }

  void TearDown() override {
    for (const char* file : {"/etc/subuid", "/etc/subgid"}) ::umount2(file, MNT_DETACH);
    RootlessTest::TearDown();
  }

  std::string mapped(unsigned first) const {
    return user_bundle({"cat", "/proc/self/uid_map", "/proc/self/gid_map"}, [&](Json& spec) {
      for (const char* kind : {"uidMappings", "gidMappings"})
        spec["linux"][kind].push_back({{"containerID", 1}, {"hostID", first}, {"size", 1000}});
    });
  }
};

TEST_F(RootlessRangesTest, RangesThatAreHisAreMapped) {
  const auto result = user_berth({"run", "--bundle", mapped(200000), "rootless-ranges"});
  const std::string map = "         0       1000          1\n         1     200000       1000\n";
  EXPECT_EQ(map + map, result.output) << result.error;
  expect_nothing_left();
}

TEST_F(RootlessRangesTest, OthersAreRefused) {
  expect_refused(mapped(300000), "linux.uidMappings: newuidmap: exit status 1: ");
}

}  // namespace
}  // namespace berth::test
