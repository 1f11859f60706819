// Namespaces that a container makes or joins, one type after the other and several at once.

#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "support/containers.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::AllOf;
using ::testing::HasSubstr;

class NamespacesTest : public ContainerSandbox {
 protected:
  void TearDown() override {
    for (const char* id : {"c", "owner"}) berth({"delete", "--force", id});
    ContainerSandbox::TearDown();
  }

  static Json mappings(unsigned host) { return Json::array({{{"containerID", 0}, {"hostID", host}, {"size", 1000}}}); }

  static void set(Json& spec, const std::string& type, const std::string& path) {
    for (auto& entry : spec["linux"]["namespaces"]) {
      if (entry["type"] == type) return void(entry["path"] = path);
    }
    Json entry{{"type", type}};
    if (!path.empty()) entry["path"] = path;
    spec["linux"]["namespaces"].push_back(entry);
  }

  static void map(Json& spec, unsigned host) {
    spec["linux"]["uidMappings"] = mappings(host);
    spec["linux"]["gidMappings"] = mappings(host);
  }

  /// A container whose user namespace maps to `host`; its other namespaces belong to that one.
  std::string run_owner(unsigned host) {
    const auto path = bundle(
        {"sleep", "1000"},
        [host](Json& spec) {
          set(spec, "user", "");
          map(spec, host);
        },
        "owner");
    must_run({"chown", "-R", std::to_string(host) + ":" + std::to_string(host), path + "/rootfs"});
    must_berth({"run", "--detach", "--bundle", path, "owner"});
    return "/proc/" + std::to_string(pid_of("owner")) + "/ns/";
  }

  std::string owned_bundle(const std::string& script, unsigned host, const Edit& edit) {
    const auto path = shell_bundle(script, edit);
    must_run({"chown", "-R", std::to_string(host) + ":" + std::to_string(host), path + "/rootfs"});
    return path;
  }

  static std::string link(const std::string& path) { return std::filesystem::read_symlink(path); }

  void expect_failure(const std::string& path, const std::string& text) {
    const std::string before = host_state();
    const auto result = berth({"create", "--bundle", path, "c"});
    EXPECT_EQ(1, result.exit_status);
    EXPECT_THAT(result.error, HasSubstr(text));
    EXPECT_EQ(before, host_state());
  }
};

TEST_F(NamespacesTest, AUserNamespaceAndWhatItOwnsAreJoined) {
  const auto ns = run_owner(200000);
  const auto path = owned_bundle(
      "readlink /proc/self/ns/user; readlink /proc/self/ns/net; readlink /proc/self/ns/ipc; "
      "cat /proc/self/uid_map; id -u",
      200000, [&](Json& spec) {
        set(spec, "user", ns + "user");
        set(spec, "network", ns + "net");
        set(spec, "ipc", ns + "ipc");
      });
  const auto shown = must_berth({"run", "--bundle", path, "c"});
  EXPECT_THAT(shown, AllOf(HasSubstr(link(ns + "user")), HasSubstr(link(ns + "net")), HasSubstr(link(ns + "ipc")),
                           HasSubstr("200000       1000\n0\n")));
}

TEST_F(NamespacesTest, ANamespaceOfTheHostIsJoinedBesideAUserNamespace) {
  const auto ns = run_owner(0);
  const NamedNetNs hosts("hosts");
  const auto path = shell_bundle("readlink /proc/self/ns/user; readlink /proc/self/ns/net", [&](Json& spec) {
    set(spec, "user", ns + "user");
    set(spec, "network", hosts.path());
  });
  EXPECT_THAT(must_berth({"run", "--bundle", path, "c"}), HasSubstr(link(ns + "user")));
}

TEST_F(NamespacesTest, TheMappingsOfAJoinedUserNamespaceMayBeRepeatedButNotChanged) {
  const auto ns = run_owner(200000);
  const auto joining = [&](unsigned host) {
    return owned_bundle("cat /proc/self/uid_map", 200000, [&, host](Json& spec) {
      set(spec, "user", ns + "user");
      map(spec, host);
    });
  };
  EXPECT_THAT(must_berth({"run", "--bundle", joining(200000), "c"}), HasSubstr("200000       1000\n"));
  expect_failure(joining(300000), "linux.uidMappings: user namespace " + ns + "user has other mappings");
}

TEST_F(NamespacesTest, IdsThatAreNotMappedAreNamed) {
  const auto ns = run_owner(200000);
  const auto executed = berth({"exec", "--user", "1000:0", "owner", "true"});
  EXPECT_EQ(255, executed.exit_status);
  EXPECT_THAT(executed.error, HasSubstr("process.user.uid: 1000 is unmapped"));
  const auto group = berth({"exec", "--additional-gids", "5000", "owner", "true"});
  EXPECT_EQ(255, group.exit_status);
  EXPECT_THAT(group.error, HasSubstr("process.user.additionalGids: 5000 is unmapped"));
  EXPECT_EQ("999\n", must_berth({"exec", "--user", "999:999", "owner", "id", "-u"}));
  // Nothing in the configuration tells what a joined namespace maps: the kernel does.
  const auto path = owned_bundle("true", 200000, [&](Json& spec) {
    set(spec, "user", ns + "user");
    spec["process"]["user"]["uid"] = 1000;
  });
  expect_failure(path, "set user 1000: invalid argument (it is unmapped in the user namespace)");
}

TEST_F(NamespacesTest, ATimeNamespaceKeepsItsOffsetsInAUserNamespaceAndForExec) {
  const Edit edit = [](Json& spec) {
    set(spec, "time", "");
    set(spec, "user", "");
    map(spec, 0);
    spec["linux"]["timeOffsets"] = {{"boottime", {{"secs", 7000000}}}, {"monotonic", {{"secs", 5}, {"nanosecs", 7}}}};
  };
  const char* script = "cut -d. -f1 /proc/uptime; cat /proc/self/timens_offsets";
  EXPECT_GE(std::stol(must_berth({"run", "--bundle", shell_bundle(script, edit), "c"})), 7000000);
  run_sleeper("c", edit);
  const auto shown = must_berth({"exec", "c", "sh", "-c", script});
  EXPECT_GE(std::stol(shown), 7000000);
  EXPECT_THAT(shown, ::testing::ContainsRegex("monotonic +5 +7\n"));
}

TEST_F(NamespacesTest, ATimeNamespaceIsJoined) {
  run_sleeper("owner", [](Json& spec) {
    set(spec, "time", "");
    spec["linux"]["timeOffsets"] = {{"boottime", {{"secs", 7000000}}}};
  });
  const auto ns = "/proc/" + std::to_string(pid_of("owner")) + "/ns/time";
  const auto path =
      shell_bundle("readlink /proc/self/ns/time; cut -d. -f1 /proc/uptime", [&](Json& spec) { set(spec, "time", ns); });
  const auto shown = must_berth({"run", "--bundle", path, "c"});
  EXPECT_THAT(shown, HasSubstr(link(ns)));
  EXPECT_GE(std::stol(shown.substr(shown.find('\n') + 1)), 7000000);
}

TEST_F(NamespacesTest, PidUtsAndCgroupNamespacesAreJoined) {
  run_sleeper("owner", [](Json& spec) { set(spec, "cgroup", ""); });
  const auto ns = "/proc/" + std::to_string(pid_of("owner")) + "/ns/";
  const auto path =
      shell_bundle("ps; readlink /proc/self/ns/uts; readlink /proc/self/ns/cgroup; hostname", [&](Json& spec) {
        for (const char* type : {"pid", "uts", "cgroup"}) set(spec, type, ns + type);
        spec["hostname"] = "renamed";
      });
  EXPECT_THAT(must_berth({"run", "--bundle", path, "c"}),
              AllOf(HasSubstr("sleep 1000"), HasSubstr(link(ns + "uts")), HasSubstr(link(ns + "cgroup")),
                    HasSubstr("\nrenamed\n")));
  EXPECT_EQ("renamed\n", must_berth({"exec", "owner", "hostname"}));
}

TEST_F(NamespacesTest, APathOfAnotherKindIsNamed) {
  expect_failure(bundle({"true"}, [](Json& spec) { set(spec, "network", "/proc/self/ns/uts"); }),
                 "linux.namespaces: /proc/self/ns/uts is not a net namespace");
  expect_failure(bundle({"true"}, [](Json& spec) { set(spec, "ipc", "/etc/passwd"); }),
                 "linux.namespaces: /etc/passwd is not a ipc namespace");
  expect_failure(bundle({"true"}, [](Json& spec) { set(spec, "pid", "/nope"); }), "open /nope: no such file");
}

}  // namespace
}  // namespace berth::test
