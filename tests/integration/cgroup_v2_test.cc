// Containers on a host with cgroup v2, as any machine is where nothing else is mounted.

#include <gmock/gmock.h>
#include <unistd.h>

#include <optional>

#include "base/json.h"
#include "support/containers.h"
#include "support/limits.h"
#include "support/own_cgroup.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class CgroupV2Test : public ContainerSandbox {
 protected:
  void SetUp() override {
    ContainerSandbox::SetUp();
    if (IsSkipped()) return;
    only_v2_.emplace();
  }

  void TearDown() override {
    only_v2_.reset();
    ContainerSandbox::TearDown();
  }

  /// There are other tests on this machine.
  static std::string cgroup_named(const std::string& name) {
    return OwnCgroup::kNames + name + "-" + std::to_string(::getpid());
  }

  static Edit container(const char* option, bool own_namespace = true, const char* source = "cgroup") {
    return [=](Json& spec) {
      spec["process"]["user"] = {{"uid", 1000}, {"gid", 1000}};
      spec["linux"].erase("resources");
      spec["linux"]["cgroupsPath"] = "/" + cgroup_named("owned");
      if (own_namespace) spec["linux"]["namespaces"].push_back({{"type", "cgroup"}});
      spec["mounts"].push_back(
          {{"destination", "/sys/fs/cgroup"}, {"type", "cgroup"}, {"source", source}, {"options", {option}}});
    };
  }

  /// Owner and name of the container's cgroup and its files, as a container sees them.
  std::string owners(const Edit& edit) const {
    const auto path = shell_bundle(
        "cd /sys/fs/cgroup && stat -c '%u %n' . * && mkdir below && rmdir below && echo may make cgroups", edit);
    const auto result = berth({"run", "--bundle", path, "owned"});
    return result.output + result.error;
  }

  static auto is_given_to(const std::string& user) {
    return AllOf(HasSubstr(user + " .\n"), HasSubstr(user + " cgroup.procs\n"),
                 HasSubstr(user + " cgroup.subtree_control\n"), HasSubstr(user + " cgroup.threads\n"),
                 HasSubstr("0 cgroup.freeze\n"), HasSubstr("0 cgroup.max.depth\n"), HasSubstr("may make cgroups"));
  }

  std::optional<OnlyCgroupV2> only_v2_;
};

TEST_F(CgroupV2Test, AProcessThatCanWriteThereOwnsItsCgroupAndNoLimit) {
  EXPECT_THAT(owners(container("rw")), is_given_to("1000"));
}

TEST_F(CgroupV2Test, InAUserNamespaceTheOwnerIsTheMappedUser) {
  const auto edit = [](Json& spec) {
    container("rw")(spec);
    spec["linux"]["namespaces"].push_back({{"type", "user"}});
    const Json map = Json::array({{{"containerID", 0}, {"hostID", 100000}, {"size", 65536}}});
    spec["linux"]["uidMappings"] = spec["linux"]["gidMappings"] = map;
  };
  const auto seen = owners(edit);
  EXPECT_THAT(
      seen, AllOf(HasSubstr("1000 cgroup.procs\n"), HasSubstr("65534 cgroup.freeze\n"), HasSubstr("may make cgroups")));
}

TEST_F(CgroupV2Test, OtherwiseItStaysTheRuntimes) {
  const auto is_roots = AllOf(HasSubstr("0 .\n"), HasSubstr("0 cgroup.procs\n"), HasSubstr("0 cgroup.threads\n"),
                              Not(HasSubstr("may make cgroups")));
  EXPECT_THAT(owners(container("ro")), is_roots);
  EXPECT_THAT(owners(container("rw", false)), is_roots) << "without a cgroup namespace";
  EXPECT_THAT(owners(container("rw", true, "cgroup2")), is_roots) << "of another source than the specification names";
}

TEST_F(CgroupV2Test, BelowAThreadedCgroupTheContainersIsThreadedToo) {
  const std::string parent = cgroup_named("threaded");
  const auto threaded = [&](const Edit& edit) {
    const auto path = shell_bundle("cat /proc/self/cgroup", [&](Json& spec) {
      spec["linux"].erase("resources");
      spec["linux"]["cgroupsPath"] = "/" + parent + "/c";
      edit(spec);
    });
    std::vector<std::string> argv = {
        "sh", "-c",
        "cd /sys/fs/cgroup && mkdir -p $0/threads && echo threaded >$0/threads/cgroup.type "
        "&& cd / && \"$@\"; cd /sys/fs/cgroup && ls $0 && rmdir $0/threads $0",
        parent};
    for (const auto& word : berth_command({"run", "--bundle", path, "threaded"})) argv.push_back(word);
    const auto result = run(argv);
    EXPECT_TRUE(result.ok()) << result.error;
    EXPECT_THAT(result.output, Not(HasSubstr("\nc\n"))) << "it is removed";
    return result.output + result.error;
  };
  EXPECT_THAT(threaded([](Json&) {}), HasSubstr("0::/" + parent + "/c\n"));
  EXPECT_THAT(threaded([](Json& spec) { spec["linux"]["resources"]["memory"]["limit"] = 64 << 20; }),
              HasSubstr("linux.resources.memory.limit: the cgroup controller of memory.max is not available"));
}

}  // namespace
}  // namespace berth::test
