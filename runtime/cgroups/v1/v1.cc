#include "cgroups/v1/v1.h"

#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <set>
#include <stdexcept>

#include "base/error.h"
#include "base/file.h"
#include "base/rollback.h"
#include "cgroups/files.h"

namespace berth::runtime {

namespace {

std::string trimmed(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

std::string parent_of(const std::string& directory) {
  return directory.substr(0, directory.rfind('/'));
}

/// Makes a directory, after its parent if that is missing. False: it was there.
bool make_directory(const std::string& path, void (*make_parent)(const std::string&)) {
  bool made = ::mkdir(path.c_str(), 0755) == 0;
  if (!made && errno == ENOENT && parent_of(path) != path) {
    make_parent(parent_of(path));
    made = ::mkdir(path.c_str(), 0755) == 0;
  }
  if (!made && errno != EEXIST) base::throw_errno("create directory " + path);
  return made;
}

/// A new cpuset is empty and takes no process: it gets what its parent has.
void fill_cpuset(const std::string& directory, bool is_new) {
  for (const char* file : {"/cpuset.cpus", "/cpuset.mems"}) {
    if (is_new || trimmed(base::read_file(directory + file)).empty())
      base::write_existing(directory + file, base::read_file(parent_of(directory) + file));
  }
}

void make_parent_cpuset(const std::string& directory) {
  fill_cpuset(directory, make_directory(directory, make_parent_cpuset));
}

void make_parent(const std::string& directory) {
  base::make_directories(directory, 0755);
}

class V1Cgroup : public Cgroup {
 public:
  explicit V1Cgroup(std::map<std::string, std::string> paths) : paths_(std::move(paths)) {
    for (const auto& [controller, path] : paths_) directories_.insert(path);
  }

  std::map<std::string, std::string> paths() const override { return paths_; }

  void create() override {
    base::Rollback rollback;
    if (!make_v1_directories(paths_, rollback)) require_unused();
    rollback.dismiss();
  }

  base::Fd directory() const override { return {}; }

  void join(pid_t pid) override {
    for (const auto& directory : directories_) base::write_existing(directory + "/cgroup.procs", std::to_string(pid));
  }
  bool can_be_entered() const override { return true; }
  void enter() override {
    for (const auto& directory : directories_) base::write_existing(directory + "/tasks", "0");
  }

  void apply(const oci::Resources& resources) override {
    apply_v1_limits(paths_, resources);
    apply_v1_devices(paths_, resources.devices);
  }

  void update(const oci::Resources& changes, const oci::Resources&) override {
    base::Rollback rollback;
    apply_v1_limits(paths_, changes, &rollback);
    rollback.dismiss();
  }

  std::vector<pid_t> processes() const override { return cgroup_files::processes_below(any_directory()); }

  uint64_t oom_kills() const override {
    const auto memory = paths_.find("memory");
    return memory == paths_.end() ? 0 : cgroup_files::keyed_value(memory->second + "/memory.oom_control", "oom_kill");
  }

  CgroupStats stats() const override { return read_v1_stats(paths_); }

  void freeze() override {
    // A process that is being created can keep the freezer from finishing; thawing and trying again lets it go on.
    for (int round = 0; round < 1000; ++round) {
      set_freezer("FROZEN");
      if (freezer_state() == "FROZEN") return;
      if (round % 25 == 24) set_freezer("THAWED");
      const timespec pause{0, 1'000'000};
      ::nanosleep(&pause, nullptr);
    }
    set_freezer("THAWED");
    throw std::runtime_error("unable to freeze the container");
  }

  void thaw() override { set_freezer("THAWED"); }

  bool is_frozen() const override {
    const auto path = paths_.find("freezer");
    if (path == paths_.end()) return false;
    const auto state = trimmed(cgroup_files::text_if_there(path->second + "/freezer.state"));
    return state == "FROZEN" || state == "FREEZING";
  }

  void kill_all() override {
    const bool can_freeze = paths_.count("freezer") != 0 && ::access((freezer() + "/freezer.state").c_str(), W_OK) == 0;
    if (can_freeze) set_freezer("FROZEN");
    for (const pid_t pid : processes()) ::kill(pid, SIGKILL);
    if (can_freeze) set_freezer("THAWED");
    cgroup_files::kill_each(any_directory());
  }

  void destroy() override {
    const bool first_is_gone = cgroup_files::remove_if_empty(any_directory());
    if (!first_is_gone) {
      if (is_frozen()) thaw();
      cgroup_files::kill_each(any_directory());
    }
    std::string failures;
    for (const auto& directory : directories_) {
      if (first_is_gone && directory == any_directory()) continue;
      try {
        cgroup_files::remove_tree(directory);
      } catch (const std::exception& error) {
        failures += (failures.empty() ? "" : "; ") + std::string(error.what());
      }
    }
    if (!failures.empty()) throw std::runtime_error(failures);
  }

 private:
  void require_unused() const {
    const auto pids = processes();
    if (!pids.empty()) {
      throw std::runtime_error("container's cgroup is not empty: " + std::to_string(pids.size()) +
                               " process(es) found");
    }
    if (is_frozen()) throw std::runtime_error("container's cgroup unexpectedly frozen");
  }

  /// Processes are in all hierarchies; the devices one is least likely to be shared.
  const std::string& any_directory() const {
    const auto devices = paths_.find("devices");
    return devices == paths_.end() ? *directories_.begin() : devices->second;
  }

  const std::string& freezer() const {
    const auto path = paths_.find("freezer");
    if (path == paths_.end()) throw std::runtime_error("the freezer cgroup controller is not available");
    return path->second;
  }
  void set_freezer(const char* state) { base::write_existing(freezer() + "/freezer.state", state); }
  std::string freezer_state() const { return trimmed(base::read_file(freezer() + "/freezer.state")); }

  std::map<std::string, std::string> paths_;
  std::set<std::string> directories_;
};

}  // namespace

bool make_v1_directories(const std::map<std::string, std::string>& paths, base::Rollback& rollback) {
  std::set<std::string> made;
  bool all_are_new = true;
  for (const auto& [controller, path] : paths) {
    const bool is_cpuset = controller == "cpuset";
    const bool is_new = make_directory(path, is_cpuset ? make_parent_cpuset : make_parent);
    if (is_new) {
      rollback.add("remove the cgroup", [directory = path] { ::rmdir(directory.c_str()); });
      made.insert(path);
    } else if (!made.contains(path)) {
      all_are_new = false;
    }
    if (is_cpuset) fill_cpuset(path, is_new);
  }
  return all_are_new;
}

std::unique_ptr<Cgroup> make_v1_cgroup(std::map<std::string, std::string> paths) {
  return std::make_unique<V1Cgroup>(std::move(paths));
}

}  // namespace berth::runtime
