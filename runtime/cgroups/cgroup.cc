#include "cgroups/cgroup.h"

#include <stdexcept>

#include "cgroups/files.h"
#include "cgroups/layout.h"
#include "cgroups/v1/v1.h"
#include "cgroups/v2/v2.h"

namespace berth::runtime {

namespace {

/// For containers without cgroups: nothing to do, nothing to find.
class NoCgroup : public Cgroup {
 public:
  std::map<std::string, std::string> paths() const override { return {}; }
  void create() override {}
  base::Fd directory() const override { return {}; }
  void join(pid_t) override {}
  void apply(const oci::Resources& resources) override {
    if (resources.memory || resources.cpu || resources.pids_limit.value_or(0) > 0 || resources.block_io ||
        !resources.unified.empty() || !resources.hugepage_limits.empty()) {
      throw std::runtime_error("linux.resources: limits were asked for, but cgroups are not available");
    }
  }
  std::vector<pid_t> processes() const override { return {}; }
  uint64_t oom_kills() const override { return 0; }
  void freeze() override { throw std::runtime_error("cannot freeze a container without cgroups"); }
  void thaw() override {}
  bool is_frozen() const override { return false; }
  void kill_all() override {}
  void destroy() override {}
};

/// Below the runtime's own cgroup unless the configuration says where; an absolute path is taken from the hierarchy's
/// root.
std::string place(const std::string& cgroups_path, const std::string& own_path, const std::string& id) {
  if (cgroups_path.empty()) return cgroup_files::clean(own_path + "/" + id);
  if (cgroups_path[0] == '/') return cgroup_files::clean(cgroups_path);
  return cgroup_files::clean(own_path + "/" + cgroups_path);
}

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos || slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

std::unique_ptr<Cgroup> Cgroup::plan(const std::string& cgroups_path, const std::string& container_id) {
  const CgroupLayout layout = CgroupLayout::detect();
  if (layout.unified) {
    // A cgroup with processes cannot have children with controllers: the container goes beside us, not below us.
    return make_v2_cgroup(
        layout.unified_mount_point,
        layout.unified_mount_point + place(cgroups_path, parent_of(layout.unified_own_path), container_id));
  }
  std::map<std::string, std::string> paths;
  for (const auto& hierarchy : layout.hierarchies) {
    const std::string directory = hierarchy.mount_point + place(cgroups_path, hierarchy.own_path, container_id);
    for (const auto& controller : hierarchy.controllers) paths[controller] = directory;
  }
  return open(paths);
}

std::unique_ptr<Cgroup> Cgroup::open(const std::map<std::string, std::string>& paths) {
  if (paths.empty()) return std::make_unique<NoCgroup>();
  if (paths.size() == 1 && paths.begin()->first.empty()) {
    return make_v2_cgroup(CgroupLayout::detect().unified_mount_point, paths.begin()->second);
  }
  return make_v1_cgroup(paths);
}

}  // namespace berth::runtime
