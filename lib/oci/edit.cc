#include "oci/edit.h"

#include <strings.h>

#include <stdexcept>

#include "base/json.h"

namespace berth::oci {

using base::Json;

Json parse_editable(const std::string& config_json) {
  try {
    Json config = base::parse_json(config_json);
    base::JsonObject{config};
    return config;
  } catch (const base::JsonError& error) {
    throw std::runtime_error(std::string("config.json: ") + error.what());
  }
}

Json& member(Json& object, const char* key, const Json& kind) {
  Json* found = nullptr;
  for (auto it = object.begin(); it != object.end(); ++it) {
    if (::strcasecmp(it.key().c_str(), key) == 0) found = &*it;
  }
  if (found == nullptr) found = &object[key];
  if (found->is_null()) *found = kind;
  if (found->type() != kind.type()) {
    throw std::runtime_error(std::string("config.json: ") + key + ": expected " + kind.type_name() + ", got " +
                             base::describe(*found));
  }
  return *found;
}

void remove_member(Json& object, const char* key) {
  for (auto it = object.begin(); it != object.end();) {
    if (::strcasecmp(it.key().c_str(), key) == 0) {
      it = object.erase(it);
    } else {
      ++it;
    }
  }
}

std::string to_text(const Json& config) {
  return config.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace berth::oci
