// Loading network configuration lists as libcni does (cni.md of the specification's section 1; libcni's search order).

#include <strings.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "cni/client/client.h"
#include "cni/error.h"

namespace berth::cni {

namespace fs = std::filesystem;
using base::Json;
using base::JsonError;
using base::JsonObject;

namespace {

Error invalid(const std::string& path, const std::string& why) {
  return {Code::kInvalidNetworkConfig, "error parsing configuration list " + path + ": " + why};
}

/// A boolean, or "true"/"false" in any case.
bool flag(const JsonObject& list, const char* key) {
  const Json* value = list.find(key);
  if (value == nullptr) return false;
  if (value->is_string()) {
    const auto text = value->get<std::string>();
    if (::strcasecmp(text.c_str(), "true") == 0) return true;
    if (::strcasecmp(text.c_str(), "false") == 0) return false;
  }
  return list.boolean(key).value_or(false);
}

/// The newest version that both the list and we speak; without cniVersions the list's only one.
std::string negotiated_version(const JsonObject& list) {
  std::string best = list.string("cniVersion").value_or("");
  const std::string& newest = all_versions().back();
  for (const auto& candidate : list.strings("cniVersions")) {
    try {
      if (compare_versions(candidate, newest) > 0) continue;
      if (best.empty() || compare_versions(best, newest) > 0 || compare_versions(candidate, best) > 0) best = candidate;
    } catch (const std::invalid_argument& error) {
      throw JsonError("cniVersions: " + std::string(error.what()));
    }
  }
  return best.empty() ? "0.1.0" : best;
}

std::shared_ptr<const Json> plugin_of(const JsonObject& object) {
  if (object.required_string("type").empty()) throw JsonError(object.path_of("type") + ": is empty");
  return std::make_shared<const Json>(object.raw());
}

std::vector<std::string> files_with(const std::string& directory, const std::vector<std::string>& extensions) {
  std::vector<std::string> paths;
  std::error_code error;
  for (auto it = fs::directory_iterator(directory, error); !error && it != fs::directory_iterator();
       it.increment(error)) {
    std::error_code ignored;
    const std::string extension = it->path().extension();
    if (it->is_regular_file(ignored) &&
        std::find(extensions.begin(), extensions.end(), extension) != extensions.end()) {
      paths.push_back(it->path());
    }
  }
  if (error && error.value() != ENOENT) throw base::SystemError("read directory " + directory, error.value());
  std::sort(paths.begin(), paths.end());
  return paths;
}

/// Every *.conf of the directory named after the network, unless the list says that it is complete.
void append_plugins_of_directory(NetworkList& list) {
  const auto slash = list.path.rfind('/');
  const std::string directory = (slash == std::string::npos ? "." : list.path.substr(0, slash)) + "/" + list.name;
  for (const auto& path : files_with(directory, {".conf"})) {
    try {
      const Json value = base::parse_json(base::read_file(path));
      list.plugins.push_back(plugin_of(JsonObject(value)));
    } catch (const std::exception& error) {
      throw invalid(path, error.what());
    }
  }
}

NetworkList single_plugin_list(const JsonObject& object, const std::string& path) {
  NetworkList list;
  list.name = object.required_string("name");
  validate_network_name(list.name);
  list.version = object.string("cniVersion").value_or("");
  if (list.version.empty()) list.version = "0.1.0";
  list.plugins.push_back(plugin_of(object));
  list.path = path;
  // The cache keeps the list that was run, so that any runtime can DEL with it.
  list.bytes = Json{{"name", list.name}, {"cniVersion", list.version}, {"plugins", Json::array({object.raw()})}}.dump();

  return list;
}

NetworkList plugin_list(const JsonObject& object, const std::string& text, const std::string& path) {
  NetworkList list;
  list.name = object.required_string("name");
  validate_network_name(list.name);
  list.version = negotiated_version(object);
  list.disable_check = flag(object, "disableCheck");
  list.disable_gc = flag(object, "disableGC");
  list.bytes = text;
  list.path = path;
  const bool only_inlined = flag(object, "loadOnlyInlinedPlugins");
  const auto plugins = object.objects("plugins");
  if (object.has("plugins") && plugins.empty()) throw JsonError("plugins: no plugins in list");
  if (!object.has("plugins") && only_inlined)
    throw JsonError("loadOnlyInlinedPlugins is true, but there is no key plugins");
  for (const auto& plugin : plugins) list.plugins.push_back(plugin_of(plugin));
  if (!only_inlined && !path.empty()) append_plugins_of_directory(list);
  if (list.plugins.empty()) throw JsonError("no plugin configs found");
  return list;
}

NetworkList load_file(const std::string& path) {
  std::string text;
  try {
    text = base::read_file(path);
  } catch (const std::exception& error) {
    throw invalid(path, error.what());
  }
  return parse_list(text, path);
}

const std::vector<std::string> kListFiles{".conflist"};
const std::vector<std::string> kPluginFiles{".conf", ".json"};

}  // namespace

NetworkList parse_list(const std::string& text, const std::string& path) {
  try {
    const Json value = base::parse_json(text);
    const JsonObject object(value);
    const bool is_single = object.has("type") && !object.has("plugins");
    return is_single ? single_plugin_list(object, path) : plugin_list(object, text, path);
  } catch (const std::exception& error) {
    throw invalid(path, error.what());
  }
}

NetworkList load_network(const std::string& directory, const std::string& name) {
  const auto lists = files_with(directory, kListFiles);
  for (const auto& path : lists) {
    auto list = load_file(path);
    if (list.name == name) return list;
  }
  const auto plugins = files_with(directory, kPluginFiles);
  for (const auto& path : plugins) {
    auto list = load_file(path);
    if (list.name == name) return list;
  }
  if (lists.empty() && plugins.empty())
    throw Error(Code::kInvalidNetworkConfig, "no net configurations found in " + directory);
  throw Error(Code::kInvalidNetworkConfig, "no net configuration with name \"" + name + "\" in " + directory);
}

std::vector<NetworkList> load_networks(const std::string& directory,
                                       const std::function<void(const std::string&, const std::string&)>& on_error) {
  std::vector<NetworkList> networks;
  for (const auto& extensions : {kListFiles, kPluginFiles}) {
    for (const auto& path : files_with(directory, extensions)) {
      try {
        networks.push_back(load_file(path));
      } catch (const std::exception& error) {
        on_error(path, error.what());
      }
    }
  }
  return networks;
}

}  // namespace berth::cni
