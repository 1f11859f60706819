// Whose a container's cgroup is, on a host with cgroup v2: of the user of its process, where it can make use of that.

#include <gmock/gmock.h>

#include "base/json.h"
#include "support/containers.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class CgroupOwnershipTest : public ContainerSandbox {
 protected:
  void SetUp() override {
    ContainerSandbox::SetUp();
    if (IsSkipped()) return;
    if (!run(in_unified_host({"true"})).ok()) GTEST_SKIP() << "this kernel has no cgroup2 file system";
  }

  /// The same command where only cgroup v2 is mounted, whatever this machine has.
  static std::vector<std::string> in_unified_host(const std::vector<std::string>& command) {
    std::vector<std::string> argv = {
        "unshare",
        "--mount",
        "sh",
        "-ec",
        "umount --lazy /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup; exec \"$@\"",
        "sh"};
    argv.insert(argv.end(), command.begin(), command.end());
    return argv;
  }

  static Edit container(const char* option, bool own_namespace = true, const char* source = "cgroup") {
    return [=](Json& spec) {
      spec["process"]["user"] = {{"uid", 1000}, {"gid", 1000}};
      spec["linux"].erase("resources");
      if (own_namespace) spec["linux"]["namespaces"].push_back({{"type", "cgroup"}});
      spec["mounts"].push_back(
          {{"destination", "/sys/fs/cgroup"}, {"type", "cgroup"}, {"source", source}, {"options", {option}}});
    };
  }

  /// Owner and name of the container's cgroup and its files, as a container sees them.
  std::string owners(const Edit& edit) const {
    const auto path = shell_bundle(
        "cd /sys/fs/cgroup && stat -c '%u %n' . * && mkdir below && rmdir below && echo may make cgroups", edit);
    const auto result = run(in_unified_host(berth_command({"run", "--bundle", path, "owned"})));
    return result.output + result.error;
  }

  static auto is_given_to(const std::string& user) {
    return AllOf(HasSubstr(user + " .\n"), HasSubstr(user + " cgroup.procs\n"),
                 HasSubstr(user + " cgroup.subtree_control\n"), HasSubstr(user + " cgroup.threads\n"),
                 HasSubstr("0 cgroup.freeze\n"), HasSubstr("0 cgroup.max.depth\n"), HasSubstr("may make cgroups"));
  }
};

TEST_F(CgroupOwnershipTest, AProcessThatCanWriteThereOwnsItsCgroupAndNoLimit) {
  EXPECT_THAT(owners(container("rw")), is_given_to("1000"));
}

TEST_F(CgroupOwnershipTest, InAUserNamespaceTheOwnerIsTheMappedUser) {
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

TEST_F(CgroupOwnershipTest, OtherwiseItStaysTheRuntimes) {
  const auto is_roots = AllOf(HasSubstr("0 .\n"), HasSubstr("0 cgroup.procs\n"), HasSubstr("0 cgroup.threads\n"),
                              Not(HasSubstr("may make cgroups")));
  EXPECT_THAT(owners(container("ro")), is_roots);
  EXPECT_THAT(owners(container("rw", false)), is_roots) << "without a cgroup namespace";
  EXPECT_THAT(owners(container("rw", true, "cgroup2")), is_roots) << "of another source than the specification names";
}

}  // namespace
}  // namespace berth::test
