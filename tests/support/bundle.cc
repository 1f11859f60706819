#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <sstream>
#include <stdexcept>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::test {

namespace fs = std::filesystem;
using base::Json;

namespace {

Json mount_entry(const char* destination, const char* type, const char* source,
                 const std::vector<std::string>& options) {
  return {{"destination", destination}, {"type", type}, {"source", source}, {"options", options}};
}

Json default_mounts() {
  return Json::array({
      mount_entry("/proc", "proc", "proc", {}),
      mount_entry("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}),
      mount_entry("/dev/pts", "devpts", "devpts",
                  {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}),
      mount_entry("/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}),
      mount_entry("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}),
      mount_entry("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}),
  });
}

}  // namespace

void make_busybox_rootfs(const std::string& directory) {
  const std::string busybox = "/bin/busybox";
  if (::access(busybox.c_str(), X_OK) != 0)
    throw std::runtime_error("busybox is not installed (package busybox-static)");
  for (const char* name : {"bin", "dev", "etc", "proc", "sys", "tmp", "root", "www", "var", "run"}) {
    base::make_directories(directory + "/" + name, 0755);
  }
  ::chmod((directory + "/tmp").c_str(), 01777);
  fs::copy_file(busybox, directory + "/bin/busybox", fs::copy_options::overwrite_existing);
  std::istringstream applets(must_run({busybox, "--list"}));
  for (std::string applet; std::getline(applets, applet);) {
    if (applet != "busybox") ::symlink("busybox", (directory + "/bin/" + applet).c_str());
  }
  base::write_file_atomic(directory + "/etc/passwd",
                          "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/tmp:/bin/sh\n", 0644);
  base::write_file_atomic(directory + "/etc/group", "root:x:0:\ntty:x:5:\nuser:x:1000:\n", 0644);
}

std::string busybox_spec(const std::vector<std::string>& args) {
  const Json capabilities = Json::array({"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"});
  Json spec;
  spec["ociVersion"] = "1.0.2";
  spec["process"] = {
      {"terminal", false},
      {"user", {{"uid", 0}, {"gid", 0}}},
      {"args", args},
      {"env", {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"}},
      {"cwd", "/"},
      {"capabilities", {{"bounding", capabilities}, {"effective", capabilities}, {"permitted", capabilities}}},
      {"rlimits", Json::array({{{"type", "RLIMIT_NOFILE"}, {"hard", 1024}, {"soft", 1024}}})},
      {"noNewPrivileges", true},
  };
  spec["root"] = {{"path", "rootfs"}, {"readonly", false}};
  spec["hostname"] = "box";
  spec["mounts"] = default_mounts();
  Json namespaces = Json::array();
  for (const char* type : {"pid", "network", "ipc", "uts", "mount"}) namespaces.push_back({{"type", type}});
  spec["linux"] = {
      {"resources", {{"devices", Json::array({{{"allow", false}, {"access", "rwm"}}})}}},
      {"namespaces", namespaces},
      {"maskedPaths", {"/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"}},
      {"readonlyPaths", {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}},
  };
  return spec.dump(2);
}

std::string make_bundle(const std::string& directory, const std::string& config) {
  make_busybox_rootfs(directory + "/rootfs");
  base::write_file_atomic(directory + "/config.json", config, 0644);
  return directory;
}

}  // namespace berth::test
