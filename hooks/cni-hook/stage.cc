#include "stage.h"

#include <stdexcept>

namespace berth::cni_hook {
namespace {

Stage stage_named(const std::string& source, const std::string& name) {
  if (name == "createRuntime" || name == "prestart") return Stage::kAttach;
  if (name == "poststop") return Stage::kDetach;
  throw std::invalid_argument(source + " \"" + name + "\": want createRuntime, prestart or poststop");
}

}  // namespace

Stage stage_of(const std::string& environment, const std::string& argument, const std::string& status) {
  if (!environment.empty()) return stage_named("OCI_HOOK_STAGE", environment);
  if (!argument.empty()) return stage_named("hook stage", argument);
  if (status == "creating" || status == "created") return Stage::kAttach;
  if (status == "stopped") return Stage::kDetach;
  throw std::invalid_argument("container status \"" + status +
                              "\": networks are made while it is creating or created, removed when it is stopped");
}

}  // namespace berth::cni_hook
