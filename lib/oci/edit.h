#pragma once

#include <string>

#include "base/json_fwd.h"

/// Changing a config.json before it is used, for flags that say the same as entries of it would.
namespace berth::oci {

/// A whole config.json. Throws std::runtime_error naming the file unless it is a JSON object.
base::Json parse_editable(const std::string& config_json);

/// The value of `key` as base::JsonObject finds it (any case, the last one), made an empty `kind` if it is not there.
/// Throws std::runtime_error naming the key if it is of another type than `kind`.
base::Json& member(base::Json& object, const char* key, const base::Json& kind);

/// Takes away every member that `key` finds.
void remove_member(base::Json& object, const char* key);

std::string to_text(const base::Json& config);

}  // namespace berth::oci
