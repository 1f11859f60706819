// Attacks that need the right moment, tried at hundreds of moments: a neighbour who shares a part of the root file
// system exchanges files for links while containers are made. docs/security.md lists which attack is which.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/unix_socket.h"
#include "support/containers.h"
#include "support/programs.h"
#include "support/races.h"

namespace berth::test {
namespace {

namespace fs = std::filesystem;
using base::Json;

class SecurityRacesTest : public ContainerSandbox {
 protected:
  void SetUp() override {
    ContainerSandbox::SetUp();
    if (IsSkipped()) return;
    host_ = scratch() + "/host";
    shared_ = scratch() + "/shared";
    write("host/keep", "untouched\n");
    base::make_directories(shared_, 0755);
  }

  /// What nobody but the test may change.
  void expect_host_untouched() const {
    EXPECT_EQ("keep\n", must_run({"ls", "-A", host_}));
    EXPECT_EQ("untouched\n", base::read_file(host_ + "/keep"));
  }

  void share(Json& spec) const {
    spec["mounts"].push_back(
        {{"destination", "/vol"}, {"type", "bind"}, {"source", shared_}, {"options", {"bind", "rw"}}});
  }

  static void add_mount(Json& spec, const std::string& destination, const std::string& type, const std::string& source,
                        const Json& options = Json::array()) {
    spec["mounts"].push_back({{"destination", destination}, {"type", type}, {"source", source}, {"options", options}});
  }

  static void link(const std::string& target, const std::string& name) {
    fs::remove(name);
    fs::create_symlink(target, name);
  }

  const std::string& host() const { return host_; }
  const std::string& shared() const { return shared_; }

 private:
  std::string host_;
  std::string shared_;
};

TEST_F(SecurityRacesTest, MountsOnSwappedDirectoriesLandInsideOrNotAtAll) {
  for (const std::string& target : {host(), "../../../../../../../../../.." + host(), std::string("/")}) {
    SCOPED_TRACE(target);
    const std::string path = shell_bundle("grep -c ' /[^ ]*/deep/er ' /proc/self/mountinfo", [&](Json& spec) {
      share(spec);
      add_mount(spec, "/vol/x/deep/er", "tmpfs", "tmpfs");
      add_mount(spec, "/vol/x/deep/er/file", "bind", host() + "/keep", {"bind", "ro"});
    });
    fs::remove_all(shared() + "/x");
    base::make_directories(shared() + "/x", 0755);
    link(target, shared() + "/y");
    const std::string before = host_state();
    const base::Fd directory = base::open_file(shared() + "/x", O_PATH | O_DIRECTORY);
    int made = 0;
    {
      const Swapper neighbour(shared() + "/x", shared() + "/y");
      race([&] {
        const auto result = berth({"run", "--bundle", path, "racer"});
        if (result.ok()) {
          EXPECT_EQ("1\n", result.output);
          ++made;
        }
        fs::remove_all(directory.proc_path() + "/deep");
      });
    }
    EXPECT_GT(made, 0) << "nothing was tested";
    expect_host_untouched();
    EXPECT_EQ(before, host_state());
    EXPECT_FALSE(exists("/deep"));
  }
}

TEST_F(SecurityRacesTest, AProcWhosePlaceIsSwappedIsMaskedAllTheSame) {
  // The image's /proc changes places with a link into the volume. Wherever the proc file system ends up, its parts are
  // masked and read-only.
  const std::string script =
      "for d in /proc /decoy /vol/fake; do [ \"$(stat -f -c %T $d)\" = proc ] || continue; "
      "[ -s $d/keys ] && echo unmasked; ( : > $d/sys/kernel/domainname ) 2>/dev/null && echo writable; done; exit 0";
  const std::string path = shell_bundle(script, [&](Json& spec) { share(spec); });
  base::make_directories(shared() + "/fake", 0755);
  link("/vol/fake", path + "/rootfs/decoy");
  int made = 0;
  {
    const Swapper neighbour(path + "/rootfs/proc", path + "/rootfs/decoy");
    race([&] {
      const auto result = berth({"run", "--bundle", path, "racer"});
      EXPECT_EQ("", result.output);
      made += result.ok() ? 1 : 0;
    });
  }
  EXPECT_GT(made, 0) << "nothing was tested";
}

TEST_F(SecurityRacesTest, AMaskIsTheNullDeviceWhateverTheImageHasInItsPlace) {
  const std::string path = shell_bundle("stat -c '%F %t:%T' /secret/mask /proc/keys", [&](Json& spec) {
    spec["mounts"] = Json::array({spec["mounts"][0]});
    spec["linux"]["maskedPaths"] = {"/secret/mask", "/proc/keys"};
  });
  const std::string rootfs = path + "/rootfs";
  base::make_directories(rootfs + "/secret", 0755);
  base::write_file_atomic(rootfs + "/secret/mask", "secret\n", 0600);
  base::write_file_atomic(rootfs + "/secret/other", "other\n", 0600);
  ASSERT_EQ(0, ::mknod((rootfs + "/dev/null").c_str(), S_IFCHR | 0666, 0x103));
  link("/secret/other", rootfs + "/dev/trap");
  int made = 0;
  {
    const Swapper neighbour(rootfs + "/dev/null", rootfs + "/dev/trap");
    race([&] {
      const auto result = berth({"run", "--bundle", path, "racer"});
      if (!result.ok()) return;
      EXPECT_EQ("character special file 1:3\ncharacter special file 1:3\n", result.output);
      ++made;
    });
  }
  EXPECT_GT(made, 0) << "nothing was tested";
  EXPECT_EQ("secret\n", base::read_file(rootfs + "/secret/mask"));
}

TEST_F(SecurityRacesTest, ATerminalIsBoundOnTheConsoleAndOnNothingElse) {
  const std::string path = bundle({"sleep", "1000"}, [](Json& spec) {
    const auto terminals = spec["mounts"][2];
    spec["mounts"] = Json::array({spec["mounts"][0], terminals});
    spec["process"]["terminal"] = true;
  });
  const std::string rootfs = path + "/rootfs";
  base::make_directories(rootfs + "/dev/pts", 0755);
  base::write_file_atomic(rootfs + "/etc/victim", "content\n", 0644);
  base::write_file_atomic(rootfs + "/dev/console", "", 0644);
  link("/etc/victim", rootfs + "/dev/trap");
  const std::string socket = "/run/console.sock";
  const base::Fd listener = base::listen_at(socket);
  int made = 0;
  {
    const Swapper neighbour(rootfs + "/dev/console", rootfs + "/dev/trap");
    race([&] {
      const auto result = berth({"create", "--bundle", path, "--console-socket", socket, "racer"});
      const base::Fd connection(::accept(listener.get(), nullptr, nullptr));
      if (result.ok()) {
        const std::string root = "/proc/" + std::to_string(pid_of("racer")) + "/root";
        struct stat victim {};
        EXPECT_EQ(0, ::stat((root + "/etc/victim").c_str(), &victim));
        EXPECT_TRUE(S_ISREG(victim.st_mode)) << "the terminal covers another file";
        ++made;
      }
      berth({"delete", "--force", "racer"});
    });
  }
  EXPECT_GT(made, 0) << "nothing was tested";
  EXPECT_EQ("content\n", base::read_file(rootfs + "/etc/victim"));
}

TEST_F(SecurityRacesTest, SysctlsAreWrittenToTheKernelNotToAnImagesProc) {
  const std::string path = bundle({"sleep", "1000"}, [](Json& spec) {
    spec["mounts"] = Json::array();
    spec["linux"]["maskedPaths"] = spec["linux"]["readonlyPaths"] = Json::array();
    spec["linux"]["sysctl"] = {{"net.ipv4.ip_forward", "1"}};
  });
  const std::string rootfs = path + "/rootfs";
  base::write_file_atomic(rootfs + "/etc/victim", "content\n", 0666);
  for (const char* fake : {"/proc", "/other"}) {
    base::make_directories(rootfs + fake + "/sys/net/ipv4", 0755);
    link("/etc/victim", rootfs + fake + "/sys/net/ipv4/ip_forward");
  }
  const Swapper neighbour(rootfs + "/proc", rootfs + "/other");
  race([&] {
    const auto result = berth({"create", "--bundle", path, "racer"});
    ASSERT_TRUE(result.ok()) << result.error;
    const auto snmp = base::read_file("/proc/" + std::to_string(pid_of("racer")) + "/net/snmp");
    EXPECT_THAT(snmp, ::testing::ContainsRegex("\nIp: 1 ")) << "forwarding is off";
    must_berth({"delete", "--force", "racer"});
  });
  EXPECT_EQ("content\n", base::read_file(rootfs + "/etc/victim"));
}

TEST_F(SecurityRacesTest, DevicesAreMadeInTheContainersDev) {
  const std::string path = bundle({"true"}, [](Json& spec) { spec["mounts"] = Json::array({spec["mounts"][0]}); });
  const std::string rootfs = path + "/rootfs";
  link(host(), rootfs + "/trap");
  int made = 0;
  {
    const Swapper neighbour(rootfs + "/dev", rootfs + "/trap");
    race([&] {
      made += berth({"run", "--bundle", path, "racer"}).ok() ? 1 : 0;
      for (const char* name : {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "fd", "core"}) {
        fs::remove(rootfs + "/dev/" + name);
      }
    });
  }
  EXPECT_GT(made, 0) << "nothing was tested";
  expect_host_untouched();
}

}  // namespace
}  // namespace berth::test
