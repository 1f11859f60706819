#pragma once

#include <map>
#include <string>
#include <vector>

#include "support/containers.h"

namespace berth::test {

/// The machine's systemd, as it is reached from a sandbox: to be looked at before the sandbox hides /run, and shown in
/// it.
class MachinesSystemd {
 public:
  MachinesSystemd();
  ~MachinesSystemd();

  static bool is_there();
  void show() const;

 private:
  class Part;
  std::vector<Part> parts_;
};

/// A sandbox on a machine that runs systemd, which is reached as on the host. Skipped where there is none.
class SystemdHost : public ContainerSandbox {
 protected:
  void SetUp() override;
  void TearDown() override;

  /// A slice of this test's own: units in it end with the test.
  const std::string& slice() const { return slice_; }
  std::string slice_directory() const { return "/sys/fs/cgroup/" + slice_; }
  /// The unit of a container that run_in_unit has made, and linux.cgroupsPath for it.
  static std::string unit_of(const std::string& id) { return "test-" + id + ".scope"; }
  std::string path_of(const std::string& id) const { return slice_ + ":test:" + id; }

  /// Sets linux.cgroupsPath, then what `edit` does.
  Edit in_unit(const std::string& id, const Edit& edit = {}) const;
  /// `berth --systemd-cgroup run --detach` of a container that sleeps.
  base::CommandResult try_run_in_unit(const std::string& id, const Edit& edit = {}) const;
  void run_in_unit(const std::string& id, const Edit& edit = {}) const;

  /// What `systemctl show` says of these properties.
  static std::map<std::string, std::string> show(const std::string& unit, const std::vector<std::string>& properties);
  static std::string show_one(const std::string& unit, const std::string& property);
  static bool is_gone(const std::string& unit) { return show_one(unit, "LoadState") == "not-found"; }

 private:
  std::string slice_;
};

}  // namespace berth::test
