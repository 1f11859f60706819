#include "bench/floor/container.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace berth::bench {

namespace {

void must(long result, const char* what) {
  if (result >= 0) return;
  std::perror(what);
  ::_exit(1);
}

void make_device(const char* path, unsigned major, unsigned minor) {
  must(::mknod(path, S_IFCHR | 0666, makedev(major, minor)), path);
}

[[noreturn]] void be_contained(const std::string& rootfs, const std::vector<std::string>& argv) {
  must(::mount("", "/", nullptr, MS_REC | MS_SLAVE, nullptr), "mount propagation");
  must(::mount(rootfs.c_str(), rootfs.c_str(), nullptr, MS_BIND | MS_REC, nullptr), "bind rootfs");
  must(::chdir(rootfs.c_str()), "chdir");
  must(::mount("proc", "proc", "proc", 0, nullptr), "mount proc");
  must(::mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k"), "mount dev");
  must(::mkdir("dev/pts", 0755), "mkdir");
  must(::mkdir("dev/shm", 0755), "mkdir");
  must(::mkdir("dev/mqueue", 0755), "mkdir");
  must(::mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620"), "devpts");
  must(::mount("shm", "dev/shm", "tmpfs", MS_NOSUID | MS_NOEXEC | MS_NODEV, "mode=1777,size=65536k"), "shm");
  must(::mount("mqueue", "dev/mqueue", "mqueue", MS_NOSUID | MS_NOEXEC | MS_NODEV, nullptr), "mqueue");
  must(::mount("sysfs", "sys", "sysfs", MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY, nullptr), "sysfs");
  make_device("dev/null", 1, 3);
  make_device("dev/zero", 1, 5);
  make_device("dev/full", 1, 7);
  make_device("dev/random", 1, 8);
  make_device("dev/urandom", 1, 9);
  make_device("dev/tty", 5, 0);
  must(::symlink("pts/ptmx", "dev/ptmx"), "symlink");
  must(::syscall(SYS_pivot_root, ".", "."), "pivot_root");
  must(::umount2(".", MNT_DETACH), "umount");
  must(::sethostname("floor", 5), "sethostname");
  must(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
  std::vector<char*> words;
  for (const auto& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  char* const env[] = {const_cast<char*>("PATH=/bin"), nullptr};
  ::execve(words[0], words.data(), env);
  std::perror(words[0]);
  ::_exit(127);
}

}  // namespace

int run_contained(const std::string& rootfs, const std::vector<std::string>& argv, bool network) {
  clone_args args{};
  args.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
  if (network) args.flags |= CLONE_NEWNET;
  args.exit_signal = SIGCHLD;
  const long pid = ::syscall(SYS_clone3, &args, sizeof args);
  must(pid, "clone3");
  if (pid == 0) be_contained(rootfs, argv);
  int status = 0;
  ::waitpid(static_cast<pid_t>(pid), &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace berth::bench
