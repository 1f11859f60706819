#include "cgroups/systemd/systemd.h"

#include <sys/stat.h>
#include <unistd.h>

#include <stdexcept>

#include "base/error.h"
#include "base/file.h"
#include "base/rollback.h"
#include "cgroups/device_rules.h"
#include "cgroups/layout.h"
#include "cgroups/subgroup.h"
#include "cgroups/systemd/device_properties.h"
#include "cgroups/systemd/limit_properties.h"
#include "cgroups/systemd/manager.h"
#include "cgroups/systemd/unit_annotations.h"
#include "cgroups/systemd/unit_place.h"
#include "cgroups/v1/v1.h"
#include "cgroups/v2/v2.h"
#include "process/namespaces.h"

namespace berth::runtime {

namespace {

bool is_v2(const std::map<std::string, std::string>& paths) {
  return paths.contains("");
}

class SystemdCgroup : public Cgroup {
 public:
  /// With `properties` the unit is to be made, else it is there.
  SystemdCgroup(SystemdUnit unit, std::unique_ptr<Cgroup> files, SystemdManager manager,
                std::optional<dbus::Properties> properties)
      : unit_(std::move(unit)),
        files_(std::move(files)),
        manager_(std::move(manager)),
        to_start_(std::move(properties)),
        has_unit_(!to_start_) {}

  std::map<std::string, std::string> paths() const override { return files_->paths(); }
  SystemdUnit unit() const override { return unit_; }

  void create() override {
    files_->create();
    // A slice takes no processes: it is there before them.
    if (!unit_.name.ends_with(".slice")) return;
    base::Rollback rollback;
    rollback.add("remove the cgroup", [this] { files_->destroy(); });
    start();
    rollback.dismiss();
  }

  base::Fd directory() const override { return to_start_ ? base::Fd() : files_->directory(); }

  void join(pid_t pid) override {
    if (!to_start_) return attach(pid);
    to_start_->emplace_back("PIDs", std::vector<uint32_t>{static_cast<uint32_t>(pid)});
    try {
      start();
    } catch (const SystemdManager::UnitExists&) {
      // Asked twice, because the first answer was lost, systemd says so of our own unit.
      if (!is_in_place(pid)) throw;
      has_unit_ = true;
      finish_start();
    }
    if (!is_v2(paths())) return files_->join(pid);  // there are controllers that systemd knows nothing of
    if (!is_in_place(pid)) {
      throw std::runtime_error("systemd unit " + unit_.name + " has the cgroup " + unified_directory_of(pid) +
                               " instead of " + paths().at(""));
    }
  }

  void apply(const oci::Resources& resources) override {
    const auto limits = rounded_for_systemd(resources);
    auto properties = limit_properties(limits);
    const auto devices = device_properties(complete_device_rules(resources.devices), base::read_file("/proc/devices"));
    properties.insert(properties.end(), devices.begin(), devices.end());
    manager_.set_properties(unit_.name, properties);
    files_->apply(limits);
  }

  void give_to(uid_t owner) override { files_->give_to(owner); }

  void update(const oci::Resources& changes, const oci::Resources&) override {
    const auto limits = rounded_for_systemd(changes);
    base::Rollback rollback;
    write_limits(limits, &rollback);
    manager_.set_properties(unit_.name, limit_properties(limits));
    // systemd has written what it makes of them, which may be less.
    write_limits(limits, nullptr);
    rollback.dismiss();
  }

  std::vector<pid_t> processes() const override { return files_->processes(); }
  uint64_t oom_kills() const override { return files_->oom_kills(); }
  CgroupStats stats() const override { return files_->stats(); }
  void freeze() override { files_->freeze(); }
  void thaw() override { files_->thaw(); }
  bool is_frozen() const override { return files_->is_frozen(); }
  void kill_all() override { files_->kill_all(); }

  void destroy() override {
    base::BestEffort cleanup;
    // systemd would ask its processes to end, and wait for them.
    if (!processes().empty()) cleanup.attempt("end the processes", [&] { files_->kill_all(); });
    if (has_unit_) cleanup.attempt("remove the unit", [&] { manager_.stop(unit_.name); });
    cleanup.attempt("remove the cgroup", [&] { files_->destroy(); });
    cleanup.finish();
  }

 private:
  void start() {
    // Whatever becomes of the request, systemd may have carried it out.
    has_unit_ = true;
    try {
      manager_.start(unit_.name, *to_start_);
    } catch (const SystemdManager::UnitExists&) {
      has_unit_ = false;  // another's
      throw;
    }
    finish_start();
  }

  /// On v1 systemd has removed the directories of the controllers that it does not use.
  void finish_start() {
    to_start_.reset();
    base::Rollback rollback;
    if (!is_v2(paths())) make_v1_directories(paths(), rollback);
    rollback.dismiss();
  }

  /// The user's processes outside of its instance of systemd can be moved into there only by systemd.
  void attach(pid_t pid) {
    try {
      files_->join(pid);
    } catch (const base::SystemError& error) {
      if (error.code() != EACCES && error.code() != EPERM) throw;
      manager_.attach(unit_.name, pid);
    }
  }

  bool is_in_place(pid_t pid) const { return is_v2(paths()) && unified_directory_of(pid) == paths().at(""); }

  dbus::Properties limit_properties(const oci::Resources& limits) {
    return is_v2(paths()) ? v2_limit_properties(limits, manager_.version())
                          : v1_limit_properties(limits, manager_.version());
  }

  void write_limits(const oci::Resources& limits, base::Rollback* undo) const {
    if (is_v2(paths())) {
      apply_v2_limits(paths().at(""), limits, undo);
    } else {
      apply_v1_limits(paths(), limits, undo);
    }
  }

  SystemdUnit unit_;
  std::unique_ptr<Cgroup> files_;
  SystemdManager manager_;
  std::optional<dbus::Properties> to_start_;  ///< What the unit is started with; empty: it has been.
  bool has_unit_;                             ///< There may be a unit of ours.
};

dbus::Properties start_properties(const UnitPlace& place, const std::string& container_id,
                                  const oci::Annotations& annotations, bool v2) {
  dbus::Properties properties{{"Description", "container " + container_id}};
  if (place.is_slice()) {
    properties.emplace_back("Wants", std::vector<std::string>{place.slice});
  } else {
    properties.emplace_back("Slice", place.slice);
    properties.emplace_back("Delegate", true);
  }
  for (const char* accounting :
       {"MemoryAccounting", "CPUAccounting", v2 ? "IOAccounting" : "BlockIOAccounting", "TasksAccounting"}) {
    properties.emplace_back(accounting, true);
  }
  properties.emplace_back("DefaultDependencies", false);
  for (auto& property : unit_annotations(annotations)) properties.push_back(std::move(property));
  return properties;
}

/// The unit's directories: the same place in every hierarchy.
std::map<std::string, std::string> directories(const CgroupLayout& layout, const std::string& place) {
  if (layout.unified) return {{"", layout.unified_mount_point + place}};
  std::map<std::string, std::string> paths;
  for (const auto& hierarchy : layout.hierarchies) {
    if (hierarchy.read_only) continue;
    for (const auto& controller : hierarchy.controllers) paths[controller] = hierarchy.mount_point + place;
  }
  return paths;
}

}  // namespace

void require_systemd() {
  // As sd_booted(3) has it.
  struct stat info {};
  if (::lstat("/run/systemd/system", &info) == 0 && S_ISDIR(info.st_mode)) return;
  throw std::runtime_error(
      "systemd not running on this host, cannot use systemd cgroups manager: there is no /run/systemd/system");
}

std::unique_ptr<Cgroup> plan_systemd_cgroup(const std::string& cgroups_path, const std::string& container_id,
                                            const oci::Annotations& annotations) {
  const bool of_user = ::geteuid() != 0 || !in_initial_user_namespace();
  const auto place = unit_place(cgroups_path, container_id, of_user ? "user.slice" : "system.slice");
  const auto& layout = CgroupLayout::of_host();
  auto properties = start_properties(place, container_id, annotations, layout.unified);
  SystemdManager manager(of_user);
  const auto paths = directories(layout, manager.control_group() + place.cgroup());
  return std::make_unique<SystemdCgroup>(SystemdUnit{place.unit, of_user}, Cgroup::open(paths), std::move(manager),
                                         std::move(properties));
}

std::unique_ptr<Cgroup> open_systemd_cgroup(const SystemdUnit& unit, std::unique_ptr<Cgroup> files) {
  return std::make_unique<SystemdCgroup>(unit, std::move(files), SystemdManager(unit.of_user), std::nullopt);
}

}  // namespace berth::runtime
