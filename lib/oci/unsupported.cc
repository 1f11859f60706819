#include "oci/unsupported.h"

#include <cstring>
#include <string_view>

#include "base/json.h"

namespace berth::oci {

namespace {

// Support for a feature begins with deleting its line here.
constexpr const char* kProperties[] = {
    "linux.seccomp",
    "linux.intelRdt",
};

constexpr const char* kMountProperties[] = {"uidMappings", "gidMappings"};

constexpr const char* kMountOptions[] = {
    "idmap",       "ridmap",   "tmpcopyup", "rro",          "rrw",          "rnosuid",    "rsuid",
    "rnodev",      "rdev",     "rnoexec",   "rexec",        "rnodiratime",  "rdiratime",  "rrelatime",
    "rnorelatime", "rnoatime", "ratime",    "rstrictatime", "rnosymfollow", "rsymfollow", "rnostrictatime",
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

void reject_in_mount(const base::JsonObject& mount) {
  for (const char* property : kMountProperties) reject_at(mount, property);
  for (const auto& option : mount.strings("options")) {
    if (is_unsupported_mount_option(option.c_str())) {
      throw base::JsonError(mount.path_of("options") + ": option \"" + option + "\" is not supported yet");
    }
  }
}

}  // namespace

bool is_unsupported_mount_option(const char* option) {
  for (const char* known : kMountOptions) {
    if (std::strcmp(known, option) == 0) return true;
  }
  return false;
}

void reject_unsupported(const base::JsonObject& config) {
  for (const char* property : kProperties) reject_at(config, property);
  for (const auto& mount : config.objects("mounts")) reject_in_mount(mount);
}

}  // namespace berth::oci
