#include "cgroups/cgroup.h"

#include <stdexcept>

#include "cgroups/files.h"
#include "cgroups/layout.h"
#include "cgroups/systemd/systemd.h"
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
    refuse_if(resources.pids_limit.value_or(0) > 0, "pids.limit", "pids");
    const auto memory = resources.memory.value_or(oci::MemoryResources{});
    refuse_if(memory.limit.value_or(0) > 0 || memory.swap.value_or(0) > 0 || memory.reservation.value_or(0) > 0,
              "memory", "memory");
    const auto cpu = resources.cpu.value_or(oci::CpuResources{});
    refuse_if(cpu.shares.value_or(0) != 0 || cpu.quota.value_or(0) > 0 || cpu.idle.value_or(0) != 0, "cpu", "cpu");
    refuse_if(!cpu.cpus.empty() || !cpu.mems.empty(), "cpu", "cpuset");
    refuse_if(resources.block_io.has_value(), "blockIO", "blkio");
    refuse_if(!resources.hugepage_limits.empty(), "hugepageLimits", "hugetlb");
    refuse_if(!resources.unified.empty(), "unified", "v2");
    refuse_if(!resources.rdma.empty(), "rdma", "rdma");
    const auto network = resources.network.value_or(oci::NetworkResources{});
    refuse_if(network.class_id.value_or(0) != 0, "network.classID", "net_cls");
    refuse_if(!network.priorities.empty(), "network.priorities", "net_prio");
  }
  void update(const oci::Resources& changes, const oci::Resources&) override { apply(changes); }
  std::vector<pid_t> processes() const override { return {}; }
  uint64_t oom_kills() const override { return 0; }
  CgroupStats stats() const override { return {}; }
  void freeze() override { throw std::runtime_error("cannot freeze a container without cgroups"); }
  void thaw() override {}
  bool is_frozen() const override { return false; }
  void kill_all() override {}
  void destroy() override {}

 private:
  static void refuse_if(bool asked, const std::string& key, const std::string& controller) {
    if (asked)
      throw std::runtime_error("linux.resources." + key + ": the cgroup controller " + controller +
                               " is not available");
  }
};

/// Below the runtime's own cgroup unless the configuration says where; an absolute path is taken from the hierarchy's
/// root.
std::string place(const std::string& cgroups_path, const std::string& own_path, const std::string& id) {
  const std::string wanted = cgroups_path.empty()          ? own_path + "/" + id
                             : cgroups_path.front() == '/' ? cgroups_path
                                                           : own_path + "/" + cgroups_path;
  std::string cleaned = cgroup_files::clean(wanted);
  while (cleaned.size() > 1 && cleaned.back() == '/') cleaned.pop_back();
  // Deleting a container kills what is in its cgroup: that must never be the whole machine.
  if (cleaned == "/")
    throw std::runtime_error("linux.cgroupsPath: \"" + cgroups_path + "\" is the root of the hierarchy");
  return cleaned;
}

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos || slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

std::unique_ptr<Cgroup> Cgroup::plan(const std::string& cgroups_path, const std::string& container_id) {
  const CgroupLayout& layout = CgroupLayout::of_host();
  if (layout.unified) {
    if (layout.unified_read_only) return std::make_unique<NoCgroup>();
    // A cgroup with processes cannot have children with controllers: the container goes beside us, not below us.
    return make_v2_cgroup(
        layout.unified_mount_point,
        layout.unified_mount_point + place(cgroups_path, parent_of(layout.unified_own_path), container_id));
  }
  std::map<std::string, std::string> paths;
  for (const auto& hierarchy : layout.hierarchies) {
    if (hierarchy.read_only) continue;
    const std::string directory = hierarchy.mount_point + place(cgroups_path, hierarchy.own_path, container_id);
    for (const auto& controller : hierarchy.controllers) paths[controller] = directory;
  }
  return open(paths);
}

std::unique_ptr<Cgroup> Cgroup::open(const std::map<std::string, std::string>& paths, const SystemdUnit& unit) {
  if (!unit.empty()) return open_systemd_cgroup(unit, open(paths));
  if (paths.empty()) return std::make_unique<NoCgroup>();
  if (paths.size() == 1 && paths.begin()->first.empty()) {
    return make_v2_cgroup(CgroupLayout::of_host().unified_mount_point, paths.begin()->second);
  }
  return make_v1_cgroup(paths);
}

}  // namespace berth::runtime
