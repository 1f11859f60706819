#include "process/user_namespace.h"

#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>
#include <stdexcept>
#include <vector>

#include "base/file.h"
#include "process/sync.h"

namespace berth::runtime {

namespace {

/// A process in a user namespace, which only waits: the kernel shows the mappings of a namespace at its processes
/// alone.
class Witness {
 public:
  explicit Witness(const NamespacePlan::Joined& target) {
    auto [ours, theirs] = SyncChannel::make_pair();
    base::Fd pidfd;
    pid_ = clone_process(0, -1, pidfd);
    if (pid_ == 0) wait_inside(target, std::move(ours), theirs);
    channel_ = std::move(ours);
    theirs.close();
    try {
      channel_.expect(Step::kJoined);
    } catch (const SyncChannel::PeerGone&) {
      ::waitpid(pid_, nullptr, 0);
      throw std::runtime_error("join namespace " + target.path + " to see its mappings: permission denied");
    }
  }
  ~Witness() {
    channel_.close();
    ::waitpid(pid_, nullptr, 0);
  }
  Witness(const Witness&) = delete;
  Witness& operator=(const Witness&) = delete;

  std::vector<oci::IdMapping> mappings(const std::string& file) const {
    std::istringstream text(base::read_file("/proc/" + std::to_string(pid_) + "/" + file));
    std::vector<oci::IdMapping> found;
    for (oci::IdMapping map; text >> map.container_id >> map.host_id >> map.size;) found.push_back(map);
    return found;
  }

 private:
  [[noreturn]] static void wait_inside(const NamespacePlan::Joined& target, SyncChannel ours,
                                       const SyncChannel& theirs) {
    ours.close();
    // The namespace's own processes must not trace us.
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    try {
      if (::setns(target.fd.get(), CLONE_NEWUSER) == 0) {
        theirs.send(Step::kJoined);
        theirs.expect(Step::kGo);
      }
    } catch (const SyncChannel::PeerGone&) {
      ::_exit(0);
    } catch (const std::exception&) {
      ::_exit(1);
    }
    ::_exit(1);
  }

  pid_t pid_ = -1;
  SyncChannel channel_{base::Fd()};
};

bool same(std::vector<oci::IdMapping> one, std::vector<oci::IdMapping> other) {
  const auto sort = [](auto& mappings) {
    std::sort(mappings.begin(), mappings.end(),
              [](const auto& a, const auto& b) { return a.container_id < b.container_id; });
  };
  sort(one);
  sort(other);
  return std::equal(one.begin(), one.end(), other.begin(), other.end(), [](const auto& a, const auto& b) {
    return a.container_id == b.container_id && a.host_id == b.host_id && a.size == b.size;
  });
}

}  // namespace

void require_same_mappings(const NamespacePlan& plan, const oci::Linux& config) {
  if (config.uid_mappings.empty() && config.gid_mappings.empty()) return;
  const auto target = std::find_if(plan.joined.begin(), plan.joined.end(),
                                   [](const auto& entry) { return entry.type == oci::NamespaceType::kUser; });
  if (target == plan.joined.end()) return;
  const Witness witness(*target);
  const auto compare = [&](const char* key, const char* file, const std::vector<oci::IdMapping>& wanted) {
    if (same(witness.mappings(file), wanted)) return;
    throw std::runtime_error(std::string(key) + ": user namespace " + target->path + " has other mappings");
  };
  compare("linux.uidMappings", "uid_map", config.uid_mappings);
  compare("linux.gidMappings", "gid_map", config.gid_mappings);
}

}  // namespace berth::runtime
