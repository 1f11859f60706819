#include "support/own_host.h"

#include <linux/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/encode.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"

namespace berth::test {

namespace fs = std::filesystem;
using base::check;

namespace {

void mount_tmpfs(const std::string& path) {
  base::make_directories(path, 0755);
  check(::mount("tmpfs", path.c_str(), "tmpfs", 0, "mode=755"), "mount tmpfs on", path);
}

/// Mounts that a failed test left there die with the mount namespace; do not descend into them.
void unmount_below(const std::string& directory) {
  std::ifstream mounts("/proc/self/mounts");
  std::vector<std::string> below;
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream fields(line);
    std::string device;
    std::string target;
    fields >> device >> target;
    if (target.starts_with(directory)) below.push_back(target);
  }
  for (auto it = below.rbegin(); it != below.rend(); ++it) ::umount2(it->c_str(), MNT_DETACH);
}

void bring_loopback_up() {
  const base::Fd socket(check(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "open a socket"));
  ifreq request{};
  std::snprintf(request.ifr_name, sizeof request.ifr_name, "lo");
  request.ifr_flags = IFF_UP;
  check(::ioctl(socket.get(), SIOCSIFFLAGS, &request), "bring lo up");
}

}  // namespace

void enter_own_network() {
  check(::unshare(CLONE_NEWNET), "unshare the network namespace");
  bring_loopback_up();
  base::write_existing("/proc/sys/net/ipv4/ip_forward", "0");
}

void enter_own_host() {
  enter_own_network();
  check(::unshare(CLONE_NEWNS), "unshare the mount namespace");
  check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "make all mounts private");
  for (const char* path : {"/run", "/var/lib/cni", "/etc/cni"}) mount_tmpfs(path);
}

OwnHost::OwnHost(const std::vector<std::string>& emptied) {
  enter_own_host();
  for (const auto& path : emptied) mount_tmpfs(path);
  const char* base_directory = ::access("/var/tmp", W_OK) == 0 ? "/var/tmp" : "/tmp";
  const std::string name = OwnCgroup::kNames + base::random_hex(6);
  cgroup_ = std::make_unique<OwnCgroup>(name);
  scratch_ = std::string(base_directory) + "/" + name;
  base::make_directories(scratch_, 0755);
}

OwnHost::~OwnHost() {
  cgroup_.reset();
  unmount_below(scratch_);
  std::error_code ignored;
  fs::remove_all(scratch_, ignored);
}

std::string OwnHost::write(const std::string& relative_path, const std::string& content) const {
  const std::string path = scratch_ + "/" + relative_path;
  base::make_directories(fs::path(path).parent_path(), 0755);
  base::write_file_atomic(path, content, 0644);
  return path;
}

}  // namespace berth::test
