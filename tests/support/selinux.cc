#include "support/selinux.h"

#include <sys/mount.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "support/programs.h"

namespace berth::test {

namespace {

constexpr const char* kEnforce = "/sys/fs/selinux/enforce";

/// The labels that the kernel knows by number, in that order.
const std::vector<std::string> kInitialLabels{"kernel",
                                              "security",
                                              "unlabeled",
                                              "fs",
                                              "file",
                                              "file_labels",
                                              "init",
                                              "any_socket",
                                              "port",
                                              "netif",
                                              "netmsg",
                                              "node",
                                              "igmp_packet",
                                              "icmp_socket",
                                              "tcp_socket",
                                              "sysctl_modprobe",
                                              "sysctl",
                                              "sysctl_fs",
                                              "sysctl_kernel",
                                              "sysctl_net",
                                              "sysctl_net_unix",
                                              "sysctl_vm",
                                              "sysctl_dev",
                                              "kmod",
                                              "policy",
                                              "scmp_packet",
                                              "devnull"};

/// In checkpolicy's language. Classes and permissions that are not in it are allowed (-U allow).
std::string policy() {
  std::string text = "class process class file class dir class tun_socket\n";
  for (const auto& label : kInitialLabels) text += "sid " + label + "\n";
  text += R"(
class process { transition dyntransition }
class file { entrypoint }
class dir { mounton }
class tun_socket { create relabelfrom relabelto attach_queue }
policycap nnp_nosuid_transition;
type plain_t;
type tap_t;
type powerless_t;
type forbidden_t;
allow plain_t { plain_t tap_t powerless_t } : process { transition dyntransition };
allow { plain_t tap_t powerless_t forbidden_t } plain_t : file entrypoint;
allow { plain_t tap_t powerless_t } plain_t : dir mounton;
allow plain_t plain_t : tun_socket { create relabelfrom relabelto attach_queue };
allow tap_t tap_t : tun_socket { create relabelfrom relabelto attach_queue };
role r;
role r types { plain_t tap_t powerless_t forbidden_t };
user u roles r;
)";
  for (const auto& label : kInitialLabels) text += "sid " + label + " " + Selinux::kPlain + "\n";
  // File systems whose files can be labelled; others have files of one label.
  for (const char* name : {"devpts", "mqueue", "tmpfs"}) {
    text += std::string("fs_use_trans ") + name + " " + Selinux::kPlain + ";\n";
  }
  return text;
}

}  // namespace

std::string Selinux::why_unusable() {
  if (!is_in_virtual_machine() || base::read_file("/proc/filesystems").find("selinuxfs") == std::string::npos)
    return "this machine has no SELinux to load a policy into";
  return system_program("checkpolicy").empty() ? "checkpolicy is not installed" : "";
}

Selinux::Selinux(const std::string& directory) {
  if (::access(kEnforce, F_OK) != 0) {
    base::check(::mount("selinuxfs", "/sys/fs/selinux", "selinuxfs", 0, nullptr), "mount selinuxfs");
  }
  base::write_file_atomic(directory + "/policy.conf", policy(), 0600);
  must_run({"checkpolicy", "-U", "allow", "-c", "30", "-o", directory + "/policy", directory + "/policy.conf"});
  base::write_existing("/sys/fs/selinux/load", base::read_file(directory + "/policy"));
  base::write_existing(kEnforce, "1");
}

Selinux::~Selinux() {
  base::write_existing(kEnforce, "0");
}

base::CommandResult run_labelled(const std::string& label, const std::vector<std::string>& argv) {
  constexpr const char* kExecute = "printf %s \"$0\" > /proc/self/attr/exec && exec \"$@\"";
  std::vector<std::string> words{"/bin/sh", "-c", kExecute, label};
  words.insert(words.end(), argv.begin(), argv.end());
  return run(words);
}

}  // namespace berth::test
