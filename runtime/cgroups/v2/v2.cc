#include "cgroups/v2/v2.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <sstream>
#include <stdexcept>

#include "base/error.h"
#include "base/file.h"
#include "base/rollback.h"
#include "base/text.h"
#include "cgroups/device_rules.h"
#include "cgroups/files.h"

namespace berth::runtime {

namespace {

constexpr std::chrono::seconds kFreezePatience{10};

/// Makes all controllers of `parent` available to its children; what cannot be had is found out by whoever needs it.
void enable_controllers(const std::string& parent) {
  std::string wanted;
  std::istringstream available(base::read_file(parent + "/cgroup.controllers"));
  const std::string enabled = " " + base::read_file(parent + "/cgroup.subtree_control") + " ";
  std::vector<std::string> missing;
  for (std::string controller; available >> controller;) {
    const bool present = enabled.find(" " + controller + " ") != std::string::npos ||
                         enabled.find(" " + controller + "\n") != std::string::npos;
    if (!present) missing.push_back("+" + controller);
  }
  if (missing.empty()) return;
  for (const auto& controller : missing) wanted += (wanted.empty() ? "" : " ") + controller;
  try {
    base::write_existing(parent + "/cgroup.subtree_control", wanted);
    return;
  } catch (const base::SystemError&) {
    // One of them is refused: try each by itself.
  }
  for (const auto& controller : missing) {
    try {
      base::write_existing(parent + "/cgroup.subtree_control", controller);
    } catch (const base::SystemError&) {
      continue;
    }
  }
}

/// A cgroup below one that is threaded takes processes only if it is so, too. It has no memory or I/O to limit then,
/// which is found out by whoever wants that.
void join_threaded_domain(const std::string& directory) {
  if (!cgroup_files::text_if_there(directory + "/cgroup.type").starts_with("domain invalid")) return;
  base::write_existing(directory + "/cgroup.type", "threaded");
}

/// What of a cgroup belongs to whom it is delegated to (cgroups(7)).
std::vector<std::string> delegated_files() {
  const auto list = base::read_if_present("/sys/kernel/cgroup/delegate");
  return list ? base::split(*list, '\n')
              : std::vector<std::string>{"cgroup.procs", "cgroup.subtree_control", "cgroup.threads"};
}

class V2Cgroup : public Cgroup {
 public:
  V2Cgroup(std::string mount_point, std::string directory)
      : mount_point_(std::move(mount_point)), directory_(std::move(directory)) {}

  std::map<std::string, std::string> paths() const override { return {{"", directory_}}; }

  void create() override {
    const auto pids = processes();
    if (!pids.empty()) {
      throw std::runtime_error("container's cgroup is not empty: " + std::to_string(pids.size()) +
                               " process(es) found");
    }
    if (is_frozen()) throw std::runtime_error("container's cgroup unexpectedly frozen");
    base::Rollback rollback;
    std::string path = mount_point_;
    for (size_t end = mount_point_.size(); end < directory_.size();) {
      enable_controllers(path);
      end = std::min(directory_.find('/', end + 1), directory_.size());
      path = directory_.substr(0, end);
      if (::mkdir(path.c_str(), 0755) == 0) {
        rollback.add("remove the cgroup", [path] { ::rmdir(path.c_str()); });
      } else if (errno != EEXIST) {
        base::throw_errno("make cgroup " + path);
      }
      join_threaded_domain(path);
    }
    rollback.dismiss();
  }

  base::Fd directory() const override { return base::open_file(directory_, O_RDONLY | O_DIRECTORY); }
  void join(pid_t pid) override { base::write_existing(directory_ + "/cgroup.procs", std::to_string(pid)); }

  void apply(const oci::Resources& resources) override {
    apply_v2_limits(directory_, resources);
    try_device_rules(resources.devices, [&] {
      attach_device_program(directory(), device_program(complete_device_rules(resources.devices)));
    });
  }

  void give_to(uid_t owner) override {
    constexpr gid_t kSameGroup = static_cast<gid_t>(-1);
    base::check(::chown(directory_.c_str(), owner, kSameGroup), "change the owner of", directory_);
    for (const auto& file : delegated_files()) {
      const std::string path = directory_ + "/" + file;
      // The kernel's list names files of controllers, too, that are not enabled here.
      if (::chown(path.c_str(), owner, kSameGroup) != 0 && errno != ENOENT)
        base::throw_errno("change the owner of " + path);
    }
  }

  void update(const oci::Resources& changes, const oci::Resources&) override {
    base::Rollback rollback;
    apply_v2_limits(directory_, changes, &rollback);
    rollback.dismiss();
  }

  std::vector<pid_t> processes() const override { return cgroup_files::processes_below(directory_); }
  uint64_t oom_kills() const override { return cgroup_files::keyed_value(directory_ + "/memory.events", "oom_kill"); }

  CgroupStats stats() const override { return read_v2_stats(directory_); }

  void freeze() override {
    base::write_existing(directory_ + "/cgroup.freeze", "1");
    if (!wait_for_event("frozen", 1)) {
      thaw();
      throw std::runtime_error("unable to freeze the container");
    }
  }

  void thaw() override { base::write_existing(directory_ + "/cgroup.freeze", "0"); }

  bool is_frozen() const override {
    return cgroup_files::text_if_there(directory_ + "/cgroup.freeze").starts_with('1');
  }

  void kill_all() override {
    try {
      base::write_existing(directory_ + "/cgroup.kill", "1");
    } catch (const base::SystemError& error) {
      if (error.code() != ENOENT) throw;
      cgroup_files::kill_each(directory_);
    }
  }

  void destroy() override {
    if (cgroup_files::remove_if_empty(directory_)) return;
    if (!processes().empty()) {
      kill_all();
      wait_for_event("populated", 0);
    }
    cgroup_files::remove_tree(directory_);
  }

 private:
  /// The kernel announces changes of cgroup.events with POLLPRI.
  bool wait_for_event(const std::string& key, uint64_t value) const {
    const std::string path = directory_ + "/cgroup.events";
    const base::Fd events = base::open_file(path, O_RDONLY);
    const auto deadline = std::chrono::steady_clock::now() + kFreezePatience;
    while (std::chrono::steady_clock::now() < deadline) {
      base::read_all(events.get(), path);  // marks this state as seen
      if (cgroup_files::keyed_value(path, key) == value) return true;
      pollfd entry{events.get(), POLLPRI, 0};
      ::poll(&entry, 1, 100);
      ::lseek(events.get(), 0, SEEK_SET);
    }
    return false;
  }

  std::string mount_point_;
  std::string directory_;
};

}  // namespace

std::unique_ptr<Cgroup> make_v2_cgroup(std::string mount_point, std::string directory) {
  return std::make_unique<V2Cgroup>(std::move(mount_point), std::move(directory));
}

}  // namespace berth::runtime
