#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <functional>

#include "base/json.h"
#include "support/containers.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;

/// Containers as seen from inside, by berth and by Debian's runc: the same script must say the same in both.
class ContainerViewTest : public ContainerSandbox {};

constexpr const char* kStatus = "grep -E '^(Cap|NoNewPrivs|Groups|Umask|Uid|Gid)' /proc/self/status";
/// Mount point, options, propagation (without the peer group's number) and type; sorted, for the
/// kernel lists mounts by their age, not by where they are. Without
/// masked files: runc binds the container's /dev/null there, berth the host's, which the image cannot replace.
constexpr const char* kMounts =
    "awk '$5 !~ /^.proc.(keys|timer_list)$/ { p=\"\"; for (i=7; $i!=\"-\"; i++) { split($i, f, \":\"); p=p f[1] } "
    "print $5, $6, p, $(i+1) }' "
    "/proc/self/mountinfo | sort";

TEST_F(ContainerViewTest, IdentityIsThatOfRunc) {
  expect_same(kStatus);
}

TEST_F(ContainerViewTest, MountsAreThoseOfRunc) {
  expect_same(kMounts);
}

TEST_F(ContainerViewTest, LimitsAreThoseOfRunc) {
  expect_same("cat /proc/self/limits");
}

TEST_F(ContainerViewTest, DevicesAreThoseOfRunc) {
  expect_same("ls -l /dev | awk '{ print $1, $3, $4, $5, $6 == \"\" ? \"\" : $NF }'");
}

TEST_F(ContainerViewTest, OpenDescriptorsAreThoseOfRunc) {
  expect_same("ls /proc/self/fd");
}

TEST_F(ContainerViewTest, NamesEnvironmentAndDirectoryAreThoseOfRunc) {
  expect_same("hostname; cat /proc/sys/kernel/domainname; env | sort; pwd; cat /proc/self/oom_score_adj",
              [](Json& spec) {
                spec["process"]["cwd"] = "/made/for/me";
                spec["process"]["oomScoreAdj"] = 100;
                spec["process"]["env"].push_back("A=b=c");
              });
}

TEST_F(ContainerViewTest, AnotherUserKeepsOnlyAmbientCapabilities) {
  expect_same(kStatus, [](Json& spec) {
    const Json kept = Json::array({"CAP_NET_BIND_SERVICE"});
    spec["process"]["user"] = {{"uid", 1000}, {"gid", 1000}, {"additionalGids", {5, 7}}, {"umask", 63}};
    spec["process"]["capabilities"]["inheritable"] = kept;
    spec["process"]["capabilities"]["ambient"] = kept;
    spec["process"]["noNewPrivileges"] = false;
  });
}

TEST_F(ContainerViewTest, RootWithoutCapabilitiesHasNone) {
  expect_same(kStatus, [](Json& spec) { spec["process"]["capabilities"] = Json::object(); });
}

TEST_F(ContainerViewTest, ReadonlyRootAndMountOptionsAreThoseOfRunc) {
  const std::string file = write("source/file", "content\n");
  const std::string directory = file.substr(0, file.rfind('/'));
  expect_same(std::string("cat /file; touch /data/x; touch /x; df /small | wc -l; ") + kMounts, [&](Json& spec) {
    spec["root"]["readonly"] = true;
    const auto add = [&](const char* where, const char* type, const std::string& source, const Json& options) {
      spec["mounts"].push_back({{"destination", where}, {"type", type}, {"source", source}, {"options", options}});
    };
    add("/tmp", "tmpfs", "tmpfs", {"size=64k", "mode=1777"});
    add("/www", "bind", directory, {"rbind", "ro", "nosuid", "nodev", "noexec"});
    add("/var", "bind", directory, {"bind", "rshared"});
    add("/run", "tmpfs", "tmpfs", {"ro", "size=64k"});
    add("/etc/group", "bind", file, {"bind", "ro"});
  });
}

TEST_F(ContainerViewTest, EveryRootfsPropagationIsThatOfRunc) {
  for (const char* propagation : {"private", "slave", "rslave"}) {
    SCOPED_TRACE(propagation);
    expect_same(kMounts, [&](Json& spec) { spec["linux"]["rootfsPropagation"] = propagation; });
  }
}

TEST_F(ContainerViewTest, ExtraDevicesAreThoseOfRunc) {
  expect_same("ls -ln /dev/mine /dev/fifo | awk '{ print $1, $3, $4, $5, $NF }'", [](Json& spec) {
    spec["linux"]["devices"] = Json::array(
        {{{"type", "c"}, {"path", "/dev/mine"}, {"major", 1}, {"minor", 3}, {"fileMode", 416}, {"uid", 1}, {"gid", 2}},
         {{"type", "p"}, {"path", "/dev/fifo"}, {"fileMode", 384}}});
  });
}

TEST_F(ContainerViewTest, DevicesThatNoRuleAllowsAreOutOfReachAsWithRunc) {
  for (const bool with_resources : {true, false}) {
    SCOPED_TRACE(with_resources);
    expect_same(
        "for d in '1 1' '1 3' '1 5' '10 229' '5 2'; do mknod /tmp/d c $d; head -c 0 /tmp/d 2>/dev/null; echo $d $?; "
        "rm /tmp/d; done",
        [&](Json& spec) {
          spec["mounts"].push_back({{"destination", "/tmp"}, {"type", "tmpfs"}, {"source", "tmpfs"}});
          for (auto& set : spec["process"]["capabilities"]) set.push_back("CAP_MKNOD");
          if (with_resources) {
            spec["linux"]["resources"] = {{"devices", Json::array()}};
          } else {
            spec["linux"].erase("resources");
          }
        });
  }
}

TEST_F(ContainerViewTest, SysctlsOfItsNamespacesAreSet) {
  expect_same("cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shm_rmid_forced", [](Json& spec) {
    spec["linux"]["sysctl"] = {{"net.ipv4.ip_forward", "1"}, {"kernel.shm_rmid_forced", "1"}};
  });
}

TEST_F(ContainerViewTest, ANetworkNamespaceIsJoinedByPath) {
  const NamedNetNs joined("joined");
  expect_same("readlink /proc/self/ns/net", [&](Json& spec) {
    for (auto& entry : spec["linux"]["namespaces"]) {
      if (entry["type"] == "network") entry["path"] = joined.path();
    }
  });
}

TEST_F(ContainerViewTest, AUserNamespaceMapsItsIds) {
  expect_same(std::string("cat /proc/self/uid_map /proc/self/gid_map; ") + kStatus, [](Json& spec) {
    spec["linux"]["namespaces"].push_back({{"type", "user"}});
    const Json map = Json::array({{{"containerID", 0}, {"hostID", 0}, {"size", 65536}}});
    spec["linux"]["uidMappings"] = map;
    spec["linux"]["gidMappings"] = map;
  });
}

}  // namespace
}  // namespace berth::test
