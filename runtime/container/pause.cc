#include <stdexcept>

#include "cgroups/cgroup.h"
#include "container/lifecycle.h"

namespace berth::runtime {

void pause_container(const Store& store, const std::string& id) {
  const Record record = store.load(id);
  const std::string status = status_of(store, record);
  if (status != "running" && status != "created") throw std::runtime_error("container not running");
  if (record.cgroups.empty()) throw std::runtime_error("cannot pause a container that has no cgroup");
  Cgroup::open(record.cgroups)->freeze();
}

void resume_container(const Store& store, const std::string& id) {
  const Record record = store.load(id);
  if (status_of(store, record) != "paused") throw std::runtime_error("container not paused");
  Cgroup::open(record.cgroups)->thaw();
}

}  // namespace berth::runtime
