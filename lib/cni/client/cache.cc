#include "cni/client/cache.h"

#include <filesystem>
#include <stdexcept>

#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

namespace berth::cni::cache {

namespace fs = std::filesystem;
using base::Json;
using base::JsonObject;

namespace {

std::string directory_of(const std::string& cache_directory) {
  return cache_directory + "/results";
}

std::string path_of(const std::string& cache_directory, const std::string& network, const std::string& container_id,
                    const std::string& ifname) {
  return directory_of(cache_directory) + "/" + network + "-" + container_id + "-" + ifname;
}

/// Throws if the text is no cache entry.
Client::Cached parse(const std::string& text) {
  const Json value = base::parse_json(text);
  const JsonObject object(value);
  if (object.string("kind") != "cniCacheV1") throw std::runtime_error("not a cache entry");
  Client::Cached entry;
  entry.network = object.required_string("networkName");
  entry.attachment.container_id = object.required_string("containerId");
  entry.attachment.ifname = object.required_string("ifName");
  entry.attachment.netns = object.string("netns").value_or("");
  for (const Json* pair : object.array("cniArgs")) {
    entry.attachment.args.emplace_back(pair->at(0).get<std::string>(), pair->at(1).get<std::string>());
  }
  if (const Json* args = object.find("capabilityArgs"))
    entry.attachment.capability_args = std::make_shared<const Json>(*args);
  if (const Json* result = object.find("result")) entry.result = std::make_shared<const Json>(*result);
  entry.config = base::base64_decode(object.string("config").value_or(""));
  return entry;
}

std::optional<Client::Cached> try_parse(const std::string& text) {
  try {
    return parse(text);
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

/// Nothing, too, if it cannot be read.
std::optional<std::string> read_text(const std::string& path) {
  try {
    return base::read_if_present(path);
  } catch (const base::SystemError&) {
    return std::nullopt;
  }
}

/// Before 2019 the file was the bare result object.
std::optional<Client::Cached> try_parse_bare_result(const std::string& text) {
  try {
    const Json value = base::parse_json(text);
    const JsonObject object(value);
    if (object.has("kind") || !object.has("cniVersion")) return std::nullopt;
    Client::Cached entry;
    entry.result = std::make_shared<const Json>(value);
    return entry;
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

}  // namespace

void write(const std::string& cache_directory, const NetworkList& list, const AttachmentConfig& attachment,
           const Json& result) {
  Json entry;
  entry["kind"] = "cniCacheV1";
  entry["containerId"] = attachment.container_id;
  entry["config"] = base::base64_encode(list.bytes);
  entry["ifName"] = attachment.ifname;
  entry["networkName"] = list.name;
  if (!attachment.netns.empty()) entry["netns"] = attachment.netns;
  for (const auto& [key, value] : attachment.args) entry["cniArgs"].push_back({key, value});
  if (attachment.capability_args && !attachment.capability_args->empty())
    entry["capabilityArgs"] = *attachment.capability_args;
  entry["result"] = result;
  base::make_directories(directory_of(cache_directory), 0700);
  base::write_file_atomic(path_of(cache_directory, list.name, attachment.container_id, attachment.ifname), entry.dump(),
                          0600);
}

std::optional<Client::Cached> read(const std::string& cache_directory, const std::string& network,
                                   const std::string& container_id, const std::string& ifname) {
  const auto text = read_text(path_of(cache_directory, network, container_id, ifname));
  if (!text) return std::nullopt;
  auto entry = try_parse(*text);
  if (!entry && (entry = try_parse_bare_result(*text))) {
    entry->network = network;
    entry->attachment.container_id = container_id;
    entry->attachment.ifname = ifname;
  }
  return entry;
}

std::vector<Client::Cached> read_all(const std::string& cache_directory) {
  std::vector<Client::Cached> entries;
  std::error_code error;
  for (auto it = fs::directory_iterator(directory_of(cache_directory), error); !error && it != fs::directory_iterator();
       it.increment(error)) {
    if (it->path().filename().string()[0] == '.') continue;
    try {
      if (auto entry = try_parse(base::read_file(it->path()))) entries.push_back(*std::move(entry));
    } catch (const std::exception&) {
      continue;
    }
  }
  return entries;
}

void remove(const std::string& cache_directory, const std::string& network, const AttachmentConfig& attachment) {
  base::remove_if_present(path_of(cache_directory, network, attachment.container_id, attachment.ifname));
}

}  // namespace berth::cni::cache
