#include "security/lsm.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stdexcept>

#include "base/error.h"
#include "base/file.h"

namespace berth::runtime {

using base::check;

namespace {

/// A file of ours below /proc/thread-self/attr; empty if there is none. thread-self is a symbolic link within procfs.
base::Fd open_attribute(const base::Fd& proc, const std::string& name) {
  open_how how{};
  how.flags = O_RDWR | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  const auto path = "thread-self/attr/" + name;
  base::Fd file(static_cast<int>(::syscall(SYS_openat2, proc.get(), path.c_str(), &how, sizeof how)));
  if (!file) {
    if (errno == ENOENT) return file;
    base::throw_errno("open /proc/" + path);
  }
  struct statfs info {};
  check(::fstatfs(file.get(), &info), "find the file system type of /proc/" + path);
  if (info.f_type != PROC_SUPER_MAGIC) throw std::runtime_error("/proc/" + path + " is not in a proc file system");
  return file;
}

void write_attribute(const base::Fd& file, const std::string& value, const std::string& doing) {
  check(::write(file.get(), value.data(), value.size()), doing);
  // A write that reached no security module would leave nothing to read.
  std::array<char, 4096> stored;
  if (::pread(file.get(), stored.data(), stored.size(), 0) <= 0) throw std::runtime_error(doing + ": it was not kept");
}

/// Linux 5.1 and later keep the modules apart; before, and where that directory is missing, the first one answers.
void apply_profile(const base::Fd& proc, const std::string& profile) {
  base::Fd file = open_attribute(proc, "apparmor/exec");
  if (!file) file = open_attribute(proc, "exec");
  if (!file) throw std::runtime_error("apparmor failed to apply profile: there is no /proc/thread-self/attr/exec");
  write_attribute(file, "exec " + profile, "apparmor failed to apply profile \"" + profile + "\"");
}

}  // namespace

bool has_apparmor() {
  try {
    return base::read_file("/sys/module/apparmor/parameters/enabled").starts_with('Y');
  } catch (const base::SystemError&) {
    return false;
  }
}

bool has_selinux() {
  struct statfs info {};
  if (::statfs("/sys/fs/selinux", &info) != 0 || info.f_type != SELINUX_MAGIC) return false;
  // Until a policy is loaded everything has this label.
  const auto label = base::read_file("/proc/thread-self/attr/current");
  return label != "kernel" && label != std::string("kernel\0", 7);
}

void require_lsm(const oci::Process& process, const std::string& mount_label) {
  if (!process.apparmor_profile.empty() && !has_apparmor()) {
    throw std::runtime_error("process.apparmorProfile: apparmor: config provided but apparmor not supported");
  }
  if (process.selinux_label.empty() && mount_label.empty()) return;
  if (has_selinux()) return;
  throw std::runtime_error(std::string(process.selinux_label.empty() ? "linux.mountLabel" : "process.selinuxLabel") +
                           ": selinux label is specified in config, but selinux is disabled or not supported");
}

bool has_exec_labels(const oci::Process& process) {
  return !process.apparmor_profile.empty() || !process.selinux_label.empty();
}

void set_exec_labels(const base::Fd& proc, const oci::Process& process) {
  if (!process.apparmor_profile.empty()) {
    try {
      apply_profile(proc, process.apparmor_profile);
    } catch (const std::exception& error) {
      throw std::runtime_error(std::string("unable to apply apparmor profile: ") + error.what());
    }
  }
  if (process.selinux_label.empty()) return;
  const base::Fd file = open_attribute(proc, "exec");
  if (!file) throw std::runtime_error("process.selinuxLabel: there is no /proc/thread-self/attr/exec");
  write_attribute(file, process.selinux_label, "set SELinux label \"" + process.selinux_label + "\"");
}

void set_key_label(const base::Fd& proc, const std::string& label) {
  const base::Fd file = open_attribute(proc, "keycreate");
  if (!file) throw std::runtime_error("process.selinuxLabel: there is no /proc/thread-self/attr/keycreate");
  const std::string text = label.empty() ? "\n" : label;
  check(::write(file.get(), text.data(), text.size()), "set the SELinux label of keys to \"" + label + "\"");
}

}  // namespace berth::runtime
