#include "support/systemd_host.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <sstream>

#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "support/programs.h"

namespace berth::test {

/// A part of the machine's /run, to be seen in the sandbox, too.
class MachinesSystemd::Part {
 public:
  explicit Part(const char* path)
      : path_(path),
        mount_(static_cast<int>(
            ::syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE))) {}

  void show() const {
    if (!mount_) return;
    base::make_directories(path_, 0755);
    base::check(::syscall(SYS_move_mount, mount_.get(), "", AT_FDCWD, path_, MOVE_MOUNT_F_EMPTY_PATH), "show", path_);
  }

 private:
  const char* path_;
  base::Fd mount_;
};

MachinesSystemd::MachinesSystemd() {
  for (const char* path : {"/run/systemd", "/run/dbus", "/run/user"}) parts_.emplace_back(path);
}

MachinesSystemd::~MachinesSystemd() = default;

bool MachinesSystemd::is_there() {
  return ::access("/run/systemd/system", F_OK) == 0;
}

void MachinesSystemd::show() const {
  for (const auto& part : parts_) part.show();
}

void SystemdHost::SetUp() {
  if (!MachinesSystemd::is_there()) GTEST_SKIP() << "this machine has no systemd";
  const MachinesSystemd systemd;
  ContainerSandbox::SetUp();
  if (IsSkipped()) return;
  systemd.show();
  slice_ = "berthtest" + base::random_hex(4) + ".slice";
}

void SystemdHost::TearDown() {
  // A slice takes its units with it; what does not end by itself is not asked twice.
  if (!slice_.empty()) {
    run({"systemctl", "kill", "--signal=KILL", slice_});
    run({"systemctl", "stop", slice_});
  }
  ContainerSandbox::TearDown();
}

ContainerSandbox::Edit SystemdHost::in_unit(const std::string& id, const Edit& edit) const {
  return [path = path_of(id), edit](base::Json& spec) {
    spec["linux"]["cgroupsPath"] = path;
    if (edit) edit(spec);
  };
}

base::CommandResult SystemdHost::try_run_in_unit(const std::string& id, const Edit& edit) const {
  return berth(
      {"--systemd-cgroup", "run", "--detach", "--bundle", bundle({"sleep", "1000"}, in_unit(id, edit), id), id});
}

void SystemdHost::run_in_unit(const std::string& id, const Edit& edit) const {
  const auto result = try_run_in_unit(id, edit);
  if (!result.ok()) throw std::runtime_error(result.status_text() + ": " + result.error);
  EXPECT_EQ("", result.error);
}

std::map<std::string, std::string> SystemdHost::show(const std::string& unit,
                                                     const std::vector<std::string>& properties) {
  std::vector<std::string> words{"systemctl", "show", unit};
  for (const auto& property : properties) words.push_back("--property=" + property);
  std::map<std::string, std::string> shown;
  std::istringstream lines(must_run(words));
  for (std::string line; std::getline(lines, line);) {
    const auto equals = line.find('=');
    const std::string value = line.substr(equals + 1);
    auto& all = shown[line.substr(0, equals)];
    all += (all.empty() ? "" : "; ") + value;  // DeviceAllow has a line for each
  }
  return shown;
}

std::string SystemdHost::show_one(const std::string& unit, const std::string& property) {
  return show(unit, {property})[property];
}

}  // namespace berth::test
