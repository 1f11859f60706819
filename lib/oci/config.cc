#include "oci/config.h"

#include <cerrno>
#include <climits>
#include <filesystem>
#include <stdexcept>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "oci/parse.h"

namespace berth::oci {

namespace {

/// "1.0.2-dev" and any other 1.x: newer minor versions only add properties, and unknown properties are ignored.
void check_version(const std::string& version) {
  const auto dot = version.find('.');
  const bool numeric = !version.empty() && version.find_first_not_of("0123456789") == dot;
  if (!numeric || dot == std::string::npos || dot + 1 >= version.size() || version[dot + 1] < '0' ||
      version[dot + 1] > '9') {
    reject("ociVersion", "\"" + version + "\" is not a version");
  }
  if (version.substr(0, dot) != "1") reject("ociVersion", "version " + version + " is not supported (only 1.x)");
}

std::string below(const std::string& directory, const std::string& path) {
  return clean_path(path.starts_with('/') ? path : directory + "/" + path);
}

Root read_root(const base::JsonObject& object, const std::string& bundle) {
  Root root;
  root.path = object.required_string("path");
  if (root.path.empty()) reject(object.path_of("path"), "must not be empty");
  root.path = below(bundle, root.path);
  root.readonly = object.boolean("readonly").value_or(false);
  return root;
}

Mount read_mount(const base::JsonObject& object, const std::string& bundle) {
  Mount mount;
  const auto destination = object.required_string("destination");
  mount.destination = below("", destination);
  if (destination.empty() || mount.destination == "/") {
    reject(object.path_of("destination"), "\"" + destination + "\" cannot be mounted on");
  }
  if (mount.destination.size() >= PATH_MAX) reject(object.path_of("destination"), "the path is too long");
  mount.type = object.string("type").value_or("");
  mount.source = object.string("source").value_or("");
  mount.options = object.strings("options");
  mount.uid_mappings = read_mappings(object, "uidMappings");
  mount.gid_mappings = read_mappings(object, "gidMappings");
  if (is_bind(mount)) {
    if (mount.source.empty()) throw base::JsonError("missing " + object.path_of("source"));
    mount.source = below(bundle, mount.source);
  }
  return mount;
}

Annotations read_annotations(const base::JsonObject& object) {
  Annotations annotations;
  for (auto& [key, value] : object.string_map("annotations")) {
    if (key.empty()) reject("annotations", "a key is empty");
    annotations[key] = std::move(value);
  }
  return annotations;
}

Config read_config(const base::JsonObject& object, const std::string& bundle) {
  Config config;
  config.oci_version = object.required_string("ociVersion");
  check_version(config.oci_version);
  const auto root = object.object("root");
  if (!root) throw base::JsonError("missing root");
  config.root = read_root(*root, bundle);
  if (const auto process = object.object("process")) config.process = read_process(*process);
  config.hostname = object.string("hostname").value_or("");
  config.domainname = object.string("domainname").value_or("");
  for (const auto& mount : object.objects("mounts")) config.mounts.push_back(read_mount(mount, bundle));
  if (const auto hooks = object.object("hooks")) config.hooks = read_hooks(*hooks);
  config.annotations = read_annotations(object);
  if (const auto linux_object = object.object("linux")) config.linux_ = read_linux(*linux_object);
  return config;
}

}  // namespace

void reject(const std::string& path, const std::string& why) {
  throw base::JsonError(path + ": " + why);
}

std::string clean_path(const std::string& path) {
  auto clean = std::filesystem::path(path).lexically_normal().string();
  while (clean.size() > 1 && clean.ends_with('/')) clean.pop_back();
  return clean;
}

Config Config::parse(const std::string& text, const std::string& bundle, const std::string& file) {
  try {
    const auto json = base::parse_json(text);
    const base::JsonObject object(json);
    auto config = read_config(object, bundle);
    validate(config);
    return config;
  } catch (const base::JsonError& error) {
    throw std::runtime_error(file + ": " + error.what());
  }
}

std::string read_config_text(const std::string& bundle) {
  try {
    return base::read_file(bundle + "/config.json");
  } catch (const base::SystemError& error) {
    if (error.code() != ENOENT && error.code() != ENOTDIR) throw;
    throw std::runtime_error("JSON specification file config.json not found in " + bundle + ": " +
                             base::errno_text(error.code()));
  }
}

Config Config::load(const std::string& bundle) {
  return parse(read_config_text(bundle), bundle, "config.json");
}

}  // namespace berth::oci
