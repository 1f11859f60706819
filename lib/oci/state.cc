#include "oci/state.h"

#include "base/json.h"

namespace berth::oci {

std::string State::to_hook_json() const {
  base::Json json;
  json["ociVersion"] = kSpecVersion;
  json["id"] = id;
  json["status"] = status;
  if (pid != 0) json["pid"] = pid;
  json["bundle"] = bundle;
  if (!annotations.empty()) {
    auto& map = json["annotations"] = base::Json::object();
    for (const auto& [key, value] : annotations) map[key] = value;
  }
  return json.dump(-1, ' ', false, base::Json::error_handler_t::replace);
}

State State::from_json(const std::string& text) {
  const auto json = base::parse_json(text);
  const base::JsonObject object(json);
  State state;
  state.id = object.required_string("id");
  state.status = object.string("status").value_or("");
  state.pid = static_cast<int>(object.integer("pid", 0, std::numeric_limits<int>::max()).value_or(0));
  state.bundle = object.string("bundle").value_or("");
  for (auto& [key, value] : object.string_map("annotations")) state.annotations[key] = std::move(value);
  return state;
}

}  // namespace berth::oci
