// Groups of linux.intelRdt. Machines that have resctrl are rare: a directory with its files takes the place of the file
// system, and where groups must bring their files with them, a cgroup v1 hierarchy, whose groups have a `tasks` too.

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "cgroups/resctrl.h"
#include "oci/config.h"
#include "support/containers.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;
using runtime::ResctrlGroup;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ResctrlTest : public ContainerSandbox {
 protected:
  void SetUp() override {
    ContainerSandbox::SetUp();
    root_ = scratch() + "/resctrl";
    make_group(root_, "L3:0=fffff;1=fffff\n    MB:0=100;1=100\n");
    for (const char* resource : {"L3", "MB"}) base::make_directories(root_ + "/info/" + resource, 0755);
  }

  static void make_group(const std::string& directory, const std::string& schemata) {
    base::make_directories(directory + "/mon_groups", 0755);
    base::write_file_atomic(directory + "/tasks", "", 0644);
    base::write_file_atomic(directory + "/schemata", schemata, 0644);
  }

  /// The group of container "c" with this `linux.intelRdt`.
  ResctrlGroup planned(const Json& config) const {
    Json spec = Json::parse(oci::default_spec(false));
    spec["linux"]["intelRdt"] = config;
    return ResctrlGroup::plan(*oci::Config::parse(spec.dump(), "/b", "config.json").linux_.intel_rdt, "c", root_);
  }

  void expect_refusal(const Json& config, const std::string& text) {
    try {
      planned(config);
      ADD_FAILURE() << "expected: " << text;
    } catch (const std::runtime_error& error) {
      EXPECT_THAT(error.what(), HasSubstr(text));
    }
    EXPECT_FALSE(exists(root_ + "/c"));
  }

  std::string root_;
};

TEST_F(ResctrlTest, WithoutTheFileSystemAContainerIsRefusedBeforeAnythingIsMade) {
  if (!runtime::resctrl_root().empty()) GTEST_SKIP() << "resctrl is mounted here";
  const auto path = bundle({"true"}, [](Json& spec) { spec["linux"]["intelRdt"] = Json::object(); });
  const std::string before = host_state();
  const auto result = berth({"create", "--bundle", path, "no-resctrl"});
  EXPECT_EQ(1, result.exit_status);
  EXPECT_THAT(result.error, HasSubstr("linux.intelRdt: it is specified in config, but Intel RDT is not enabled"));
  EXPECT_EQ(before, host_state());
  EXPECT_THAT(cgroups_of("no-resctrl"), IsEmpty());
}

TEST_F(ResctrlTest, AGroupOfAnotherNameMustBeThereUnlessSchemataMakeIt) {
  expect_refusal({{"closID", "gold"}}, "linux.intelRdt.closID: group " + root_ + "/gold does not exist");
  make_group(root_ + "/gold", "L3:0=f\n");
  const auto group = planned({{"closID", "gold"}});
  EXPECT_EQ(root_ + "/gold", group.directory());
  EXPECT_THAT(group.owned(), IsEmpty());
  group.create();
  runtime::join_resctrl(group.directory(), 4242);
  EXPECT_EQ("4242", base::read_file(root_ + "/gold/tasks"));
  EXPECT_EQ(root_, planned({{"closID", "/"}}).directory());
}

TEST_F(ResctrlTest, AGroupThatIsThereMustHaveTheSchemataThatAreAskedFor) {
  make_group(root_ + "/gold", "    L3:0=00f;1=0ff\n    MB:0= 50;1=100\n");
  for (const char* same : {"L3:0=f", "L3: 1=FF ; 0=F"}) {
    EXPECT_NO_THROW(planned({{"closID", "gold"}, {"l3CacheSchema", same}})) << same;
  }
  EXPECT_NO_THROW(planned({{"closID", "gold"}, {"schemata", {"L3:0=f", "MB:0=50"}}, {"memBwSchema", "MB:1=100"}}));
  expect_refusal({{"closID", "gold"}, {"l3CacheSchema", "L3:0=f;1=f"}}, "L3 of domain 1 is ff, not f");
  expect_refusal({{"closID", "gold"}, {"schemata", {"L2:0=f"}}}, "L2 of domain 0 is missing, not f");
}

TEST_F(ResctrlTest, OnlyMemBwSchemaSpeaksOfBandwidth) {
  make_group(root_ + "/gold", "L3:0=f;1=f\nMB:0=50;1=50\n");
  const char* both = "MB:0=70;1=70\nL3:0=f;1=f";
  EXPECT_NO_THROW(planned({{"closID", "gold"}, {"l3CacheSchema", both}, {"memBwSchema", "MB:0=50;1=50"}}));
  EXPECT_NO_THROW(planned({{"closID", "gold"}, {"l3CacheSchema", both}}));
  expect_refusal({{"closID", "gold"}, {"l3CacheSchema", both}, {"memBwSchema", "MB:0=70;1=70"}}, "is 50, not 70");
}

TEST_F(ResctrlTest, AContainersOwnGroupMustNotBeThere) {
  make_group(root_ + "/c", "");
  try {
    planned(Json::object());
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("group " + root_ + "/c already exists"));
  }
}

TEST_F(ResctrlTest, ResourcesThatTheMachineDoesNotHaveAreNamed) {
  std::filesystem::remove_all(root_ + "/info");
  expect_refusal({{"l3CacheSchema", "L3:0=f"}},
                 "linux.intelRdt.l3CacheSchema: it is specified in config, but Intel RDT/CAT is not enabled");
  expect_refusal({{"memBwSchema", "MB:0=50"}},
                 "linux.intelRdt.memBwSchema: it is specified in config, but Intel RDT/MBA is not enabled");
  make_group(root_ + "/gold", "");
  std::filesystem::remove_all(root_ + "/gold/mon_groups");
  expect_refusal({{"closID", "gold"}, {"enableMonitoring", true}},
                 "linux.intelRdt.enableMonitoring: this machine has no");
}

TEST_F(ResctrlTest, AGroupWhoseSchemataAreRefusedIsRemovedAgain) {
  // The directory gets no files by itself, so that the first write fails.
  const auto group = planned({{"closID", "new"}, {"schemata", {"L3:0=f"}}});
  EXPECT_THROW(group.create(), std::runtime_error);
  EXPECT_FALSE(exists(root_ + "/new"));
}

TEST_F(ResctrlTest, SchemataAreWrittenToTheGroupOfAMonitoringGroup) {
  make_group(root_ + "/gold", "");
  base::make_directories(root_ + "/gold/mon_groups/c", 0755);
  runtime::write_schemata(root_ + "/gold/mon_groups/c", "L3:0=3", "--l3-cache-schema");
  EXPECT_EQ("L3:0=3\n", base::read_file(root_ + "/gold/schemata"));
  base::write_file_atomic(root_ + "/info/last_cmd_status", "Need to specify one valid resource\n", 0444);
  std::filesystem::remove(root_ + "/gold/schemata");
  std::filesystem::create_symlink("/dev/full", root_ + "/gold/schemata");
  try {
    runtime::write_schemata(root_ + "/gold", "L9:0=3", "--l3-cache-schema");
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("--l3-cache-schema: write \"L9:0=3\" to " + root_ + "/gold/schemata: "));
    EXPECT_THAT(error.what(), HasSubstr("(Need to specify one valid resource)"));
  }
}

TEST_F(ResctrlTest, AContainersOwnGroupAndItsMonitoringGroupAreMadeJoinedAndRemoved) {
  const std::string hierarchy = "/sys/fs/cgroup/pids";
  if (!exists(hierarchy + "/tasks")) GTEST_SKIP() << "no cgroup v1 hierarchy to stand in for resctrl";
  root_ = hierarchy + "/berth-resctrl-" + std::to_string(::getpid());
  base::make_directories(root_ + "/gold/mon_groups", 0755);
  const Background sleeper({"sleep", "1000"});

  const auto own = planned(Json::object());
  EXPECT_THAT(own.owned(), ElementsAre(root_ + "/c"));
  own.create();
  runtime::join_resctrl(own.directory(), sleeper.pid());
  EXPECT_EQ(std::to_string(sleeper.pid()) + "\n", base::read_file(root_ + "/c/tasks"));
  runtime::join_resctrl(hierarchy, sleeper.pid());
  runtime::remove_resctrl(own.owned());
  EXPECT_FALSE(exists(root_ + "/c"));

  const auto monitored = planned({{"closID", "gold"}, {"enableMonitoring", true}});
  EXPECT_THAT(monitored.owned(), ElementsAre(root_ + "/gold/mon_groups/c"));
  monitored.create();
  runtime::join_resctrl(monitored.directory(), sleeper.pid());
  EXPECT_EQ(std::to_string(sleeper.pid()) + "\n", base::read_file(root_ + "/gold/mon_groups/c/tasks"));
  runtime::join_resctrl(hierarchy, sleeper.pid());
  monitored.remove();
  EXPECT_FALSE(exists(root_ + "/gold/mon_groups/c"));
  EXPECT_TRUE(exists(root_ + "/gold"));
  for (const char* directory : {"/gold/mon_groups", "/gold", ""}) ::rmdir((root_ + directory).c_str());
}

}  // namespace
}  // namespace berth::test
