#include "process/identity.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <stdexcept>

#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "process/exec_failure.h"
#include "rootfs/paths.h"
#include "security/capabilities.h"
#include "security/lsm.h"

namespace berth::runtime {

using base::check;

namespace {

constexpr mode_t kDefaultUmask = 022;

void hand_over_standard_streams(uid_t uid) {
  for (int fd = 0; fd < 3; ++fd) {
    struct stat info {};
    if (::fstat(fd, &info) != 0 || info.st_uid == uid) continue;
    if (S_ISCHR(info.st_mode) && info.st_rdev == ::makedev(1, 3)) continue;
    if (::fchown(fd, uid, info.st_gid) != 0 && errno != EPERM && errno != EROFS && errno != EINVAL) {
      base::throw_errno("hand standard stream " + std::to_string(fd) + " to user " + std::to_string(uid));
    }
  }
}

void set_groups(const oci::User& user) {
  const auto& groups = user.additional_gids;
  if (::setgroups(groups.size(), groups.data()) == 0) return;
  // An unprivileged user namespace denies setgroups; that matters only if groups were asked for.
  if (errno != EPERM || !groups.empty()) base::throw_errno("set supplementary groups (process.user.additionalGids)");
}

[[noreturn]] void throw_unset(const char* kind, uint32_t id) {
  const int error = errno;
  throw base::SystemError(std::string("set ") + kind + " " + std::to_string(id), error,
                          error == EINVAL ? "it is unmapped in the user namespace" : "");
}

void require_inside_root() {
  char path[PATH_MAX];
  // The system call itself: glibc hides "(unreachable)".
  const long size = ::syscall(SYS_getcwd, path, sizeof path);
  if (size < 0 || path[0] != '/') {
    throw std::runtime_error("current working directory is outside of container mount namespace root");
  }
}

/// Field `index` of a line of colon-separated fields.
std::string field(const std::string& line, int index) {
  size_t start = 0;
  for (; index > 0; --index) {
    start = line.find(':', start);
    if (start == std::string::npos) return "";
    ++start;
  }
  return line.substr(start, line.find(':', start) - start);
}

/// The image's /etc/passwd, which may be anything: a fifo does not hold us up, a device does not fill our memory.
std::string read_passwd() {
  constexpr off_t kMost = 16 << 20;
  const base::Fd file(::open("/etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  struct stat info {};
  if (!file || ::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode) || info.st_size > kMost) return "";
  try {
    return base::read_all(file.get(), "/etc/passwd");
  } catch (const base::SystemError&) {
    return "";
  }
}

std::string home_of(uid_t uid) {
  const std::string passwd = read_passwd();
  const std::string wanted = std::to_string(uid);
  for (size_t start = 0; start < passwd.size();) {
    const auto end = std::min(passwd.find('\n', start), passwd.size());
    const std::string line = passwd.substr(start, end - start);
    if (field(line, 2) == wanted && !field(line, 5).empty()) return field(line, 5);
    start = end + 1;
  }
  return "/";
}

}  // namespace

bool enter_directory(const std::string& cwd, bool make) {
  const base::Fd root = base::open_file("/", O_PATH | O_DIRECTORY);
  if (make) {
    try {
      make_directories_in_root(root, cwd, 0755);
    } catch (const base::SystemError& error) {
      if (error.code() != EROFS && error.code() != EACCES && error.code() != EPERM) throw;
    }
  }
  try {
    // A link of procfs to one of our descriptors is refused, wherever the path passes through it (CVE-2024-21626).
    const base::Fd directory = open_in_root(root, cwd, O_DIRECTORY);
    check(::fchdir(directory.get()), "change to the directory");
  } catch (const base::SystemError& error) {
    if (error.code() == EACCES || error.code() == EPERM) return false;
    throw base::SystemError("chdir to cwd (\"" + cwd + "\") set in config.json failed", error.code());
  }
  require_inside_root();
  return true;
}

void join_session_keyring(const std::string& container_id, const std::string& label, const base::Fd& proc) {
  const std::string name = "_ses." + container_id;
  if (!label.empty()) set_key_label(proc, label);
  const auto result = ::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name.c_str());
  // EDQUOT: the user's quota of keys is used up; the container does not need one to run.
  if (result < 0 && errno != ENOSYS && errno != EDQUOT && errno != EPERM) {
    base::throw_errno("join session keyring " + name);
  }
  // What the kernel gives a session keyring, and the right of its user to find it: `exec` joins it by its name.
  constexpr uint32_t kAllOfThePossessor = 0x3f000000;
  constexpr uint32_t kViewReadSearchLinkOfTheUser = 0x001b0000;
  if (result >= 0) {
    check(::syscall(SYS_keyctl, KEYCTL_SETPERM, result, kAllOfThePossessor | kViewReadSearchLinkOfTheUser),
          "set the permissions of session keyring", name);
  }
  if (!label.empty()) set_key_label(proc, "");
}

void become(const oci::Process& process, bool keep_administration) {
  std::vector<std::string> unknown;
  const auto capabilities = CapabilitySets::from(process.capabilities, unknown);
  if (process.no_new_privileges) check(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "set no_new_privs");
  ::umask(process.user.umask.value_or(kDefaultUmask));
  hand_over_standard_streams(process.user.uid);
  limit_bounding_set(capabilities);
  keep_capabilities(true);
  set_groups(process.user);
  const auto [uid, gid] = std::pair{process.user.uid, process.user.gid};
  if (::setresgid(gid, gid, gid) != 0) throw_unset("group", gid);
  if (::setresuid(uid, uid, uid) != 0) throw_unset("user", uid);
  set_capabilities(capabilities, keep_administration);
  keep_capabilities(false);
}

std::vector<std::string> complete_environment(const oci::Process& process, const std::vector<std::string>& more) {
  std::vector<std::string> given = process.env;
  given.insert(given.end(), more.begin(), more.end());
  std::vector<std::string> env;
  bool has_home = false;
  for (const auto& entry : given) {
    const std::string key = entry.substr(0, entry.find('=') + 1);
    env.erase(
        std::remove_if(env.begin(), env.end(), [&](const std::string& earlier) { return earlier.rfind(key, 0) == 0; }),
        env.end());
    env.push_back(entry);
    has_home = has_home || (key == "HOME=" && entry.size() > key.size());
  }
  if (!has_home) {
    env.erase(std::remove(env.begin(), env.end(), "HOME="), env.end());
    env.push_back("HOME=" + home_of(process.user.uid));
  }
  return env;
}

void close_on_exec_from(int first) {
  check(::close_range(static_cast<unsigned>(first), ~0U, CLOSE_RANGE_CLOEXEC), "mark descriptors close-on-exec");
}

void execute(const std::string& program, const std::vector<std::string>& args, const std::vector<std::string>& env) {
  ::execve(program.c_str(), base::pointers(args).data(), base::pointers(env).data());
  const int error = errno;
  throw base::SystemError("exec " + program, error, explain_exec_failure(program, error));
}

}  // namespace berth::runtime
