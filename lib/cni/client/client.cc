#include "cni/client/client.h"

#include <unistd.h>

#include <algorithm>

#include "base/json.h"
#include "base/rollback.h"
#include "base/text.h"
#include "cni/client/cache.h"
#include "cni/error.h"
#include "cni/invoke.h"

namespace berth::cni {

using base::Json;
using base::JsonObject;
using Clock = std::chrono::steady_clock;

namespace {

const AttachmentConfig kNoAttachment;

std::string type_of(const Json& plugin) {
  return JsonObject(plugin).required_string("type");
}

void validate(const NetworkList& list, const AttachmentConfig& attachment) {
  validate_container_id(attachment.container_id);
  validate_network_name(list.name);
  validate_ifname(attachment.ifname);
  if (attachment.capability_args && !attachment.capability_args->is_object()) {
    throw Error(Code::kInvalidNetworkConfig,
                "capability arguments: expected an object, got " + base::describe(*attachment.capability_args));
  }
}

/// Sets a key and removes its spellings in other cases, which would compete with it.
void replace_key(Json& object, const std::string& key, Json value) {
  for (auto it = object.begin(); it != object.end();) {
    const bool same =
        it.key().size() == key.size() && std::equal(key.begin(), key.end(), it.key().begin(), [](char a, char b) {
          return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
        });
    it = same ? object.erase(it) : std::next(it);
  }
  object[key] = std::move(value);
}

/// The capability arguments that this plugin declares it takes.
Json runtime_config_of(const Json& plugin, const AttachmentConfig& attachment) {
  Json injected = Json::object();
  const auto declared = JsonObject(plugin).object("capabilities");
  if (!declared || !attachment.capability_args) return injected;
  for (auto it = attachment.capability_args->begin(); it != attachment.capability_args->end(); ++it) {
    if (declared->boolean(it.key()).value_or(false)) injected[it.key()] = *it;
  }
  return injected;
}

/// One run over a list: what every plugin gets, and how much time is left.
class Operation {
 public:
  Operation(const ClientOptions& options, const NetworkList& list, const AttachmentConfig& attachment,
            std::string command)
      : options_(options), list_(list), attachment_(attachment), command_(std::move(command)), start_(Clock::now()) {}

  Json request_for(const Json& plugin, const Json* previous) const {
    Json request = plugin;
    replace_key(request, "name", list_.name);
    replace_key(request, "cniVersion", list_.version);
    const Json runtime_config = runtime_config_of(plugin, attachment_);
    if (!runtime_config.empty()) replace_key(request, "runtimeConfig", runtime_config);
    if (previous != nullptr) replace_key(request, "prevResult", *previous);
    return request;
  }

  /// Runs one plugin; its error says which plugin and which command it was.
  std::string run(const Json& plugin, const Json& request) const {
    const std::string type = type_of(plugin);
    try {
      const std::string program = find_plugin(type, options_.plugin_directories);
      auto invocation = invoke(program, environment(), request.dump(), time_left());
      if (options_.on_timing) options_.on_timing({type, command_, invocation.duration});
      return std::move(invocation.output);
    } catch (const Error& error) {
      throw Error(error.code(), "plugin type=\"" + type + "\" failed (" + lower(command_) + "): " + error.msg(),
                  error.details());
    } catch (const std::exception& error) {
      throw Error(Code::kInternal, "plugin type=\"" + type + "\" failed (" + lower(command_) + "): " + error.what());
    }
  }

 private:
  static std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
  }

  std::optional<std::chrono::milliseconds> time_left() const {
    if (!options_.timeout) return std::nullopt;
    const auto used = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start_);
    return std::max(*options_.timeout - used, std::chrono::milliseconds(1));
  }

  std::vector<std::string> environment() const {
    std::vector<std::string> env;
    if (options_.inherit_environment) {
      for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text(*entry);
        if (text.rfind("CNI_", 0) != 0 || text.rfind("CNI_NETNS_OVERRIDE=", 0) == 0) env.emplace_back(text);
      }
    } else {
      env.emplace_back("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    }
    std::vector<std::string> args;
    for (const auto& [key, value] : attachment_.args) args.push_back(key + "=" + value);
    env.push_back("CNI_COMMAND=" + command_);
    env.push_back("CNI_CONTAINERID=" + attachment_.container_id);
    env.push_back("CNI_NETNS=" + attachment_.netns);
    env.push_back("CNI_ARGS=" + base::join(args, ";"));
    env.push_back("CNI_IFNAME=" + attachment_.ifname);
    env.push_back("CNI_PATH=" + base::join(options_.plugin_directories, ":"));
    return env;
  }

  const ClientOptions& options_;
  const NetworkList& list_;
  const AttachmentConfig& attachment_;
  std::string command_;
  Clock::time_point start_;
};

/// A plugin's printed result in the list's version. Plugins may answer in another one.
Json result_in_version(const std::string& output, const NetworkList& list, const std::string& type) {
  try {
    const Json value = base::parse_json(output);
    if (value.is_object() && JsonObject(value).string("cniVersion") == list.version) return value;
    return Result::from_json(value, list.version).to_json(list.version);
  } catch (const base::JsonError& error) {
    throw Error(Code::kDecodingFailure, "plugin type=\"" + type + "\" printed no result: " + error.what());
  }
}

/// The cached result as prevResult in the list's version; nothing if the version has none or the cache is unreadable.
std::optional<Json> previous_result(const std::optional<Client::Cached>& cached, const NetworkList& list) {
  if (!cached || !cached->result || compare_versions(list.version, "0.4.0") < 0) return std::nullopt;
  try {
    return Result::from_json(*cached->result, list.version).to_json(list.version);
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

bool is_valid(const std::optional<std::vector<Attachment>>& valid, const AttachmentConfig& attachment) {
  return valid && std::find(valid->begin(), valid->end(), Attachment{attachment.container_id, attachment.ifname}) !=
                      valid->end();
}

Json attachment_objects(const std::vector<Attachment>& attachments) {
  Json list = Json::array();
  for (const auto& attachment : attachments) {
    list.push_back({{"containerID", attachment.container_id}, {"ifname", attachment.ifname}});
  }
  return list;
}

}  // namespace

void Client::require_runnable(const NetworkList& list, const AttachmentConfig& attachment) const {
  validate(list, attachment);
  for (const auto& plugin : list.plugins) {
    const std::string type = type_of(*plugin);
    try {
      find_plugin(type, options_.plugin_directories);
    } catch (const Error& error) {
      throw Error(error.code(), "plugin type=\"" + type + "\" failed (add): " + error.msg(), error.details());
    }
  }
}

Json Client::add(const NetworkList& list, const AttachmentConfig& attachment) {
  require_runnable(list, attachment);
  const Operation operation(options_, list, attachment, "ADD");
  Json result;
  for (const auto& plugin : list.plugins) {
    const Json request = operation.request_for(*plugin, result.is_null() ? nullptr : &result);
    result = result_in_version(operation.run(*plugin, request), list, type_of(*plugin));
  }
  cache::write(options_.cache_directory, list, attachment, result);
  return result;
}

void Client::check(const NetworkList& list, const AttachmentConfig& attachment) {
  validate(list, attachment);
  if (compare_versions(list.version, "0.4.0") < 0) {
    throw Error(Code::kIncompatibleVersion,
                "configuration version \"" + list.version + "\" does not support CHECK command");
  }
  if (list.disable_check) return;
  const auto previous = previous_result(cached(list.name, attachment.container_id, attachment.ifname), list);
  const Operation operation(options_, list, attachment, "CHECK");
  for (const auto& plugin : list.plugins)
    operation.run(*plugin, operation.request_for(*plugin, previous ? &*previous : nullptr));
}

void Client::del(const NetworkList& list, const AttachmentConfig& attachment) {
  validate(list, attachment);
  const auto previous = previous_result(cached(list.name, attachment.container_id, attachment.ifname), list);
  const Operation operation(options_, list, attachment, "DEL");
  std::vector<Error> failures;
  for (auto plugin = list.plugins.rbegin(); plugin != list.plugins.rend(); ++plugin) {
    try {
      operation.run(**plugin, operation.request_for(**plugin, previous ? &*previous : nullptr));
    } catch (const Error& error) {
      failures.push_back(error);
    }
  }
  if (failures.size() == 1) throw failures.front();
  if (!failures.empty()) {
    std::string text;
    for (const auto& failure : failures) text += (text.empty() ? "" : "; ") + std::string(failure.what());
    throw Error(failures.front().code(), text);
  }
  cache::remove(options_.cache_directory, list.name, attachment);
}

void Client::gc(const NetworkList& list, const std::optional<std::vector<Attachment>>& valid) {
  if (list.disable_gc) return;
  base::BestEffort collection;
  for (const auto& entry : cache::read_all(options_.cache_directory)) {
    if (entry.network != list.name || is_valid(valid, entry.attachment)) continue;
    collection.attempt("attachment " + entry.attachment.container_id + " " + entry.attachment.ifname,
                       [&] { del(list, entry.attachment); });
  }
  if (compare_versions(list.version, "1.1.0") >= 0) {
    const Operation operation(options_, list, kNoAttachment, "GC");
    for (const auto& plugin : list.plugins) {
      collection.attempt("network " + list.name, [&] {
        Json request = operation.request_for(*plugin, nullptr);
        if (valid) request["cni.dev/valid-attachments"] = request["cni.dev/attachments"] = attachment_objects(*valid);
        operation.run(*plugin, request);
      });
    }
  }
  collection.finish();
}

void Client::status(const NetworkList& list) {
  if (compare_versions(list.version, "1.1.0") < 0) return;
  const Operation operation(options_, list, kNoAttachment, "STATUS");
  for (const auto& plugin : list.plugins) operation.run(*plugin, operation.request_for(*plugin, nullptr));
}

std::optional<Client::Cached> Client::cached(const std::string& network, const std::string& container_id,
                                             const std::string& ifname) const {
  return cache::read(options_.cache_directory, network, container_id, ifname);
}

std::vector<Client::Cached> Client::cached_attachments() const {
  return cache::read_all(options_.cache_directory);
}

}  // namespace berth::cni
