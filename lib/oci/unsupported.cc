#include "oci/unsupported.h"

#include <string_view>

#include "base/json.h"

namespace berth::oci {

namespace {

// Support for a feature begins with deleting its line here.
constexpr const char* kProperties[] = {
    "linux.seccomp",
};

/// True for a value that asks for nothing. -1 is "unlimited" wherever a number is in the tables above.
bool is_empty(const base::Json& value) {
  if (value.is_object() || value.is_array()) {
    for (const auto& element : value) {
      if (!is_empty(element)) return false;
    }
    return true;
  }
  if (value.is_string()) return value.get_ref<const std::string&>().empty();
  if (value.is_boolean()) return !value.get<bool>();
  if (value.is_number_integer()) return value == 0 || value == -1;
  return value.is_null();
}

void reject_at(const base::JsonObject& object, std::string_view path) {
  const auto dot = path.find('.');
  if (dot != std::string_view::npos) {
    if (const auto inner = object.object(path.substr(0, dot))) reject_at(*inner, path.substr(dot + 1));
    return;
  }
  const base::Json* value = object.find(path);
  if (value != nullptr && !is_empty(*value)) {
    throw base::JsonError(object.path_of(path) + " is not supported yet");
  }
}

}  // namespace

void reject_unsupported(const base::JsonObject& config) {
  for (const char* property : kProperties) reject_at(config, property);
}

}  // namespace berth::oci
