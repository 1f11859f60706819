#include <stdexcept>

#include "base/file.h"
#include "base/json.h"
#include "base/rollback.h"
#include "cgroups/cgroup.h"
#include "cgroups/limit_text.h"
#include "container/lifecycle.h"
#include "log.h"
#include "oci/resource_update.h"

namespace berth::runtime {

void update_container(Store& store, const std::string& id, const base::Json& resources) {
  Record record = store.load(id);
  const base::FileLock hold = store.hold(id);
  // Updates of one container take turns: each starts from what the one before has left.
  const base::FileLock turn(store.directory(id) + "/update.lock", 0600);
  record = store.load(id);
  const std::string status = status_of(store, record);
  if (status == "stopped" || status == "creating") throw std::runtime_error("container not running");

  const std::string present = store.load_config_json(id);
  const auto update = oci::merge_resources(present, resources);
  if (update.changes.memory && update.changes.memory->has_kernel_limits) log_warning(kKernelMemoryWarning);
  store.save_config(id, update.config_json);
  base::Rollback rollback;
  rollback.add("restore the stored configuration", [&] { store.save_config(id, present); });
  Cgroup::open(record.cgroups, record.unit)->update(update.changes, update.before);
  rollback.dismiss();
}

}  // namespace berth::runtime
