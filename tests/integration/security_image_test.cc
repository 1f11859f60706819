// Images that were made to lead the runtime astray. docs/security.md lists which attack is which.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "support/containers.h"
#include "support/programs.h"

namespace berth::test {
namespace {

namespace fs = std::filesystem;
using base::Json;
using ::testing::HasSubstr;

class SecurityImageTest : public ContainerSandbox {
 protected:
  void SetUp() override {
    ContainerSandbox::SetUp();
    if (IsSkipped()) return;
    host_ = scratch() + "/host";
    write("host/keep", "untouched\n");
  }

  void expect_host_untouched() const {
    EXPECT_EQ("keep\n", must_run({"ls", "-A", host_}));
    EXPECT_EQ("untouched\n", base::read_file(host_ + "/keep"));
  }

  static void replace_by_link(const std::string& name, const std::string& target) {
    fs::remove_all(name);
    fs::create_symlink(target, name);
  }

  static Json mount(const std::string& destination, const std::string& type, const std::string& source,
                    const Json& options = Json::array()) {
    return {{"destination", destination}, {"type", type}, {"source", source}, {"options", options}};
  }

  /// Runs the bundle, which must fail with this text and change nothing on the host.
  void expect_refused(const std::string& path, const std::string& text) const {
    const std::string before = host_state();
    const auto result = berth({"run", "--bundle", path, "c"});
    EXPECT_EQ(1, result.exit_status) << result.output;
    std::string error = result.error;
    std::erase(error, '\\');
    EXPECT_THAT(error, HasSubstr(text));
    EXPECT_EQ(before, host_state());
    expect_host_untouched();
  }

  const std::string& host() const { return host_; }

 private:
  std::string host_;
};

TEST_F(SecurityImageTest, NothingButAProcFileSystemCoversProc) {
  const auto mounting = [](const Json& entry) { return [=](Json& spec) { spec["mounts"].push_back(entry); }; };
  const char* only_proc = "\"/proc\" can only be a proc file system";
  expect_refused(bundle({"true"}, mounting(mount("/proc", "tmpfs", "tmpfs"))), only_proc);
  expect_refused(bundle({"true"}, mounting(mount("/proc", "bind", host(), {"bind"}))), only_proc);
  expect_refused(bundle({"true"}, mounting(mount("/a/../proc/", "tmpfs", "tmpfs"))), only_proc);
  for (const char* below : {"/proc/self", "/proc/sys/kernel", "/proc/self/attr", "/proc/1/../sys"}) {
    expect_refused(bundle({"true"}, mounting(mount(below, "tmpfs", "tmpfs"))), "because it is inside /proc");
    // Not even where a later mount would make it so.
    const auto first = [&](Json& spec) {
      auto& mounts = spec["mounts"];
      mounts.insert(mounts.begin(), mount(below, "tmpfs", "tmpfs"));
    };
    expect_refused(bundle({"true"}, first), "because it is inside /proc");
  }
  const std::string path = bundle({"true"}, mounting(mount("/elsewhere", "tmpfs", "tmpfs")));
  replace_by_link(path + "/rootfs/elsewhere", "/proc/sys");
  expect_refused(path, "because it is inside /proc");
  fs::remove(path + "/rootfs/elsewhere");
}

TEST_F(SecurityImageTest, FilesThatShowTheContainersLimitsMayCoverThoseOfProc) {
  const std::string uptime = write("uptime", "1.00 2.00\n");
  const std::string path = bundle({"cat", "/proc/uptime"}, [&](Json& spec) {
    spec["mounts"].push_back(mount("/proc/uptime", "bind", uptime, {"bind", "ro"}));
  });
  EXPECT_EQ("1.00 2.00\n", must_berth({"run", "--bundle", path, "c"}));
}

TEST_F(SecurityImageTest, ProcAndSysAreNotMountedWhereLinksLead) {
  for (const char* name : {"/proc", "/sys"}) {
    for (const std::string& target : {host(), "../../../../../../.." + host(), std::string("/tmp")}) {
      const std::string path = bundle({"true"});
      replace_by_link(path + "/rootfs" + name, target);
      // ENOTDIR: the link is not followed, and it is no directory.
      expect_refused(path, std::string("open ") + name + " in the root file system: not a directory");
      fs::remove(path + "/rootfs" + name);
    }
  }
  const auto inner = [](Json& spec) { spec["mounts"].push_back(mount("/a/sys", "sysfs", "sysfs")); };
  const std::string path = bundle({"true"}, inner);
  replace_by_link(path + "/rootfs/a", "/tmp");
  expect_refused(path, "open /a/sys in the root file system: too many levels of symbolic links");
}

TEST_F(SecurityImageTest, MountsOnLinksLandInTheContainer) {
  const std::string file = write("source/file", "content\n");
  const std::string script = "cat /etc/inner/file /var/link; mount | grep -c ' on /host'";
  for (const std::string& prefix : {std::string(), std::string("../../../../../../../..")}) {
    const std::string path = shell_bundle(script, [&](Json& spec) {
      spec["mounts"].push_back(mount("/etc/inner", "bind", scratch() + "/source", {"bind"}));
      spec["mounts"].push_back(mount("/var/link", "bind", file, {"bind"}));
    });
    // The same paths exist on the host; in the container they are made.
    replace_by_link(path + "/rootfs/etc", prefix + host());
    replace_by_link(path + "/rootfs/var/link", prefix + host() + "/new/place");
    const auto result = berth({"run", "--bundle", path, "c"});
    EXPECT_EQ("content\ncontent\n0\n", result.output) << result.error;
    expect_host_untouched();
    EXPECT_TRUE(exists(path + "/rootfs" + host() + "/new/place"));
    fs::remove_all(path + "/rootfs");
  }
}

TEST_F(SecurityImageTest, ALinkThatLeadsInACircleIsAnErrorAndNotAnEndlessLoop) {
  const std::string path =
      bundle({"true"}, [](Json& spec) { spec["mounts"].push_back(mount("/loop/inner", "tmpfs", "tmpfs")); });
  replace_by_link(path + "/rootfs/loop", "other");
  replace_by_link(path + "/rootfs/other", "loop");
  expect_refused(path, "too many levels of symbolic links");
  // A link that is missing its target at every step.
  replace_by_link(path + "/rootfs/loop", "loop/deeper");
  expect_refused(path, "too many levels of symbolic links");
}

TEST_F(SecurityImageTest, DevicesAreNotMadeWhereALinkForDevLeads) {
  const auto without_tmpfs = [](Json& spec) { spec["mounts"] = Json::array({spec["mounts"][0]}); };
  for (const auto& edit : {Edit(), Edit(without_tmpfs)}) {
    for (const std::string& target : {host(), "../../../../../../.." + host(), std::string("/tmp/x")}) {
      const std::string path = bundle({"true"}, edit);
      base::make_directories(path + "/rootfs/tmp/x", 0755);
      replace_by_link(path + "/rootfs/dev", target);
      expect_refused(path, "in the root file system");
      EXPECT_TRUE(fs::is_empty(path + "/rootfs/tmp/x"));
      fs::remove(path + "/rootfs/dev");
    }
  }
}

TEST_F(SecurityImageTest, AConsoleThatIsALinkIsRefused) {
  const std::string path = bundle({"true"}, [](Json& spec) {
    spec["mounts"] = Json::array({spec["mounts"][0], spec["mounts"][2]});
    spec["process"]["terminal"] = true;
  });
  base::make_directories(path + "/rootfs/dev/pts", 0755);
  replace_by_link(path + "/rootfs/dev/console", "/proc/sysrq-trigger");
  const auto result = run({system_program("script"), "--quiet", "--command",
                           built("berth") + " --root /run/berth run --bundle " + path + " c", "/dev/null"});
  EXPECT_THAT(result.output, HasSubstr("/dev/console is a symbolic link in the root file system"));
}

TEST_F(SecurityImageTest, FifosInTheImageHoldNobodyUp) {
  const auto start = std::chrono::steady_clock::now();
  const std::string path = bundle({"sleep", "1000"}, {}, "fifos");
  fs::remove(path + "/rootfs/etc/passwd");
  ASSERT_EQ(0, ::mkfifo((path + "/rootfs/etc/passwd").c_str(), 0644));
  must_berth({"run", "--detach", "--bundle", path, "fifos"});
  EXPECT_EQ("/\n", must_berth({"exec", "fifos", "sh", "-c", "echo $HOME"}));
  must_berth({"delete", "--force", "fifos"});

  // In a user namespace the host's devices are bound on files.
  const std::string bound = bundle({"true"}, [](Json& spec) {
    spec["mounts"] = Json::array({spec["mounts"][0]});
    spec["linux"]["namespaces"].push_back({{"type", "user"}});
    const Json map = Json::array({{{"containerID", 0}, {"hostID", 0}, {"size", 65536}}});
    spec["linux"]["uidMappings"] = spec["linux"]["gidMappings"] = map;
  });
  ASSERT_EQ(0, ::mkfifo((bound + "/rootfs/dev/null").c_str(), 0666));
  expect_refused(bound, "device /dev/null: something else with that name exists in the root file system");
  fs::remove(bound + "/rootfs/dev/null");
  // A plain file is what an earlier container left for the next one.
  for (int i = 0; i < 2; ++i) must_berth({"run", "--bundle", bound, "c"});
  EXPECT_TRUE(fs::is_regular_file(bound + "/rootfs/dev/null"));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(15));
}

TEST_F(SecurityImageTest, TheHostsSysfsIsReadOnlyAllTheWayDown) {
  // Without a network namespace of its own, a container in a user namespace cannot mount a sysfs.
  const std::string script =
      "awk '$5 ~ /^.sys(.|$)/ { n++; if ($6 !~ /^ro,.*nosuid,nodev,noexec/) print } END { print "
      "(n > 0) }' /proc/self/mountinfo";
  const std::string path = shell_bundle(script, [](Json& spec) {
    auto& namespaces = spec["linux"]["namespaces"];
    namespaces = Json::array({{{"type", "pid"}}, {{"type", "mount"}}, {{"type", "ipc"}}, {{"type", "uts"}}});
    namespaces.push_back({{"type", "user"}});
    const Json map = Json::array({{{"containerID", 0}, {"hostID", 0}, {"size", 65536}}});
    spec["linux"]["uidMappings"] = spec["linux"]["gidMappings"] = map;
    spec["linux"]["maskedPaths"] = Json::array();
  });
  const auto result = berth({"run", "--bundle", path, "c"});
  EXPECT_EQ("1\n", result.output) << result.error;
}

TEST_F(SecurityImageTest, WithoutACgroupOfItsOwnAContainerCannotChangeTheHosts) {
  const std::string script =
      "awk '$5 ~ /^.cgroups(.|$)/ && $6 !~ /^ro,/ { print $5, $6 }' /proc/self/mountinfo; "
      "for f in /cgroups/cgroup.procs /cgroups/*/cgroup.procs; do [ -e $f ] && ( : >> $f ) 2>/dev/null && echo $f; "
      "done; exit 0";
  const std::string path =
      shell_bundle(script, [](Json& spec) { spec["mounts"].push_back(mount("/cgroups", "cgroup", "cgroup", {"ro"})); });
  EXPECT_EQ("", must_berth({"run", "--bundle", path, "c"}));
  // Read-write as it was asked for, but with no cgroup to show.
  const std::string open = shell_bundle(script, [](Json& spec) {
    spec["linux"]["resources"] = Json::object();
    spec["mounts"].push_back(mount("/cgroups", "cgroup", "cgroup"));
  });
  const auto result = run(berth_command({"--cgroup-manager", "disabled", "run", "--bundle", open, "c"}));
  EXPECT_THAT(result.output, ::testing::Not(HasSubstr("cgroup.procs"))) << result.error;
}

}  // namespace
}  // namespace berth::test
