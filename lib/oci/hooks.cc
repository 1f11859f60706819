#include "base/json.h"
#include "oci/parse.h"

namespace berth::oci {

namespace {

std::vector<Hook> read_stage(const base::JsonObject& hooks, const char* stage) {
  std::vector<Hook> entries;
  for (const auto& object : hooks.objects(stage)) {
    Hook hook;
    hook.path = object.required_string("path");
    if (!hook.path.starts_with('/')) {
      reject(object.path_of("path"), "must be an absolute path, got \"" + hook.path + "\"");
    }
    hook.args = object.strings("args");
    if (object.has("env")) hook.env = object.strings("env");
    hook.timeout = object.integer("timeout", 1);
    entries.push_back(std::move(hook));
  }
  return entries;
}

}  // namespace

Hooks read_hooks(const base::JsonObject& object) {
  Hooks hooks;
  hooks.prestart = read_stage(object, "prestart");
  hooks.create_runtime = read_stage(object, "createRuntime");
  hooks.create_container = read_stage(object, "createContainer");
  hooks.start_container = read_stage(object, "startContainer");
  hooks.poststart = read_stage(object, "poststart");
  hooks.poststop = read_stage(object, "poststop");
  return hooks;
}

}  // namespace berth::oci
