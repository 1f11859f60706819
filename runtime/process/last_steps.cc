#include "process/last_steps.h"

#include <signal.h>
#include <sys/prctl.h>

#include <stdexcept>

#include "process/identity.h"
#include "process/lookup.h"
#include "security/capabilities.h"
#include "security/seccomp/listener.h"

namespace berth::runtime {

namespace {

void load_filter(const SeccompFilter& filter, const SyncChannel& sync) {
  auto listener = filter.load();
  if (listener) offer_listener(sync, std::move(listener));
}

}  // namespace

std::string take_last_steps(const oci::Process& process, const std::vector<std::string>& env,
                            const SeccompFilter* filter, const SyncChannel& sync) {
  const bool entered = enter_directory(process.cwd, false);
  // A filter that setuid programs will run under, too, is the administrator's to load.
  const bool needs_right = filter != nullptr && !process.no_new_privileges;
  become(process, needs_right);
  if (!entered && !enter_directory(process.cwd, false)) {
    throw std::runtime_error("chdir to cwd (\"" + process.cwd + "\") set in config.json failed: permission denied");
  }
  auto program = find_program(process.args.front(), env);
  ::prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
  if (filter == nullptr) return program;
  if (!needs_right) {
    load_filter(*filter, sync);
    return program;
  }
  const SpareAdministration right(process.capabilities);
  load_filter(*filter, sync);
  right.give_up();
  return program;
}

}  // namespace berth::runtime
