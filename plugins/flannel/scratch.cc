#include "flannel/scratch.h"

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "flannel/config.h"

namespace berth::flannel {

namespace {

using base::Json;
using base::JsonObject;

constexpr const char* kAttachment = "berth.attachment";

std::string shared_path(const cni::Request& request) {
  return data_dir_of(request) + "/" + request.container_id();
}

std::string own_path(const cni::Request& request) {
  return shared_path(request) + ":" + request.ifname();
}

Scratch parse(const std::string& path, const std::string& text) {
  Scratch scratch{path, base::parse_json(text), std::nullopt};
  if (const auto owner = JsonObject(scratch.config).object(kAttachment)) {
    scratch.attachment = {owner->required_string("containerID"), owner->required_string("ifname")};
  }
  return scratch;
}

std::optional<Scratch> read(const std::string& path) {
  const auto text = base::read_if_present(path);
  if (!text) return std::nullopt;
  try {
    return parse(path, *text);
  } catch (const base::JsonError& error) {
    std::fprintf(stderr, "flannel: %s is removed, as it is unreadable: %s\n", path.c_str(), error.what());
    base::remove_if_present(path);
    return std::nullopt;
  }
}

/// Whoever writes a record holds this.
base::FileLock lock_for_writing(const std::string& data_dir) {
  return {data_dir + "/.lock", 0600};
}

bool is_of_network(const Scratch& scratch, const cni::Request& request) {
  return JsonObject(scratch.config).string("name") == request.network();
}

bool is_of(const Scratch& scratch, const cni::Request& request) {
  return is_of_network(scratch, request) && scratch.attachment &&
         *scratch.attachment == cni::Attachment{request.container_id(), request.ifname()};
}

}  // namespace

std::function<void()> save(const cni::Request& request, const Json& config) {
  const auto data_dir = data_dir_of(request);
  base::make_directories(data_dir, 0700);
  const auto lock = lock_for_writing(data_dir);
  const auto first = read(shared_path(request));
  const auto path = first && !is_of(*first, request) ? own_path(request) : shared_path(request);

  auto signed_config = config;
  signed_config[kAttachment] = {{"containerID", request.container_id()}, {"ifname", request.ifname()}};
  const auto before = base::read_if_present(path);
  base::write_file_atomic(path, signed_config.dump(), 0600, true);
  return [path, before, data_dir] {
    if (!before) return base::remove_if_present(path);
    const auto relock = lock_for_writing(data_dir);
    base::write_file_atomic(path, *before, 0600);
  };
}

std::optional<Scratch> find(const cni::Request& request) {
  if (auto own = read(own_path(request)); own && is_of(*own, request)) return own;
  auto first = read(shared_path(request));
  if (first && (is_of(*first, request) || (!first->attachment && is_of_network(*first, request)))) return first;
  return std::nullopt;
}

void remove_unfinished(const cni::Request& request) {
  const auto data_dir = data_dir_of(request);
  if (base::unfinished_files(data_dir).empty()) return;
  const auto lock = lock_for_writing(data_dir);
  for (const auto& path : base::unfinished_files(data_dir)) base::remove_if_present(path);
}

void for_each(const cni::Request& request, const std::function<void(const Scratch&)>& visit) {
  const auto data_dir = data_dir_of(request);
  if (!std::filesystem::is_directory(data_dir)) return;
  for (const auto& entry : std::filesystem::directory_iterator(data_dir)) {
    if (entry.path().filename().string().starts_with('.') || !entry.is_regular_file()) continue;
    const auto scratch = read(entry.path());
    if (scratch && is_of_network(*scratch, request)) visit(*scratch);
  }
}

}  // namespace berth::flannel
