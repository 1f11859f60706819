#include "attach.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <stdexcept>

#include "base/json.h"
#include "cni/client/network_lock.h"
#include "cni/client/survivor.h"
#include "cni/error.h"

namespace berth::cni_hook {
namespace {

/// One attachment by name.
struct Name {
  std::string network, ifname;

  bool operator==(const Name&) const = default;
};

std::string one_line(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\n' || c == '\r' || c == '\t'; }, ' ');
  return text;
}

std::string describe(const std::string& network, const std::exception& failure) {
  const std::string start = "network \"" + network + "\": ";
  if (const auto* error = dynamic_cast<const cni::Error*>(&failure))
    return one_line(start + error->msg() + " (CNI error " + std::to_string(static_cast<unsigned>(error->code())) + ")" +
                    (error->details().empty() ? "" : "; " + error->details()));
  return one_line(start + failure.what());
}

/// The list a cached attachment was made with; the present one of that name if that cannot be understood any more.
cni::NetworkList list_of(const cni::Client::Cached& cached, const Settings& settings) {
  try {
    return cni::parse_list(cached.config, settings.net_dir + "/" + cached.network + ".conflist");
  } catch (const std::exception&) {
    return find_network(settings, cached.network);
  }
}

void remove_cached(const cni::Client::Cached& cached, const Settings& settings, const Deadline& deadline) {
  auto attachment = cached.attachment;
  attachment.netns = cni::surviving_netns(cached);
  client_for(settings, deadline.left_to_detach()).del(list_of(cached, settings), attachment);
}

/// The cache entry of exactly this attachment: the name of its file may be read in more than one way.
std::optional<cni::Client::Cached> cached_entry(const cni::Client& client, const Name& name,
                                                const std::string& container_id) {
  auto cached = client.cached(name.network, container_id, name.ifname);
  const bool is_meant = cached && cached->network == name.network && cached->attachment.ifname == name.ifname &&
                        cached->attachment.container_id == container_id;
  return is_meant ? std::move(cached) : std::nullopt;
}

void attach_one(const Planned& planned, const Settings& settings, const Deadline& deadline) {
  const cni::NetworkLock lock(planned.list.name, deadline.left_to_attach());
  const auto& attachment = planned.attachment;
  auto client = client_for(settings, deadline.left_to_attach());
  if (const auto leftover = cached_entry(client, {planned.list.name, attachment.ifname}, attachment.container_id))
    remove_cached(*leftover, settings, deadline);
  client.add(planned.list, attachment);
}

bool is_marked(const cni::Client::Cached& cached) {
  const auto& args = cached.attachment.args;
  return std::any_of(args.begin(), args.end(), [](const auto& arg) { return arg.first == kMark; });
}

/// The attachments of this container in the cache that this hook made. Their files are called
/// NETWORK-CONTAINER-INTERFACE, so that only those that may be the container's are opened.
std::vector<Name> marked_attachments(const cni::Client& client, const std::string& directory,
                                     const std::string& container_id) {
  std::vector<Name> names;
  const auto infix = "-" + container_id + "-";
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory + "/results", error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string file = entry->path().filename();
    for (auto at = file.find(infix); at != std::string::npos; at = file.find(infix, at + 1)) {
      Name name{file.substr(0, at), file.substr(at + infix.size())};
      const auto cached = cached_entry(client, name, container_id);
      if (cached && is_marked(*cached)) names.push_back(std::move(name));
    }
  }
  if (error && error != std::errc::no_such_file_or_directory)
    throw std::runtime_error("read directory " + directory + "/results: " + error.message());
  return names;
}

/// What is not in the cache was never made, or its ADD was killed: what that left behind goes, too. That it cannot be
/// removed is no failure of a DEL that nobody needs.
void remove_uncached(const Name& name, const std::string& container_id, const Settings& settings,
                     const Deadline& deadline) {
  try {
    cni::AttachmentConfig attachment;
    attachment.container_id = container_id;
    attachment.ifname = name.ifname;
    attachment.args = {{"IgnoreUnknown", "1"}};
    client_for(settings, deadline.left_to_detach()).del(find_network(settings, name.network), attachment);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "cni-hook: nothing is recorded for container %s; %s\n", container_id.c_str(),
                 describe(name.network, error).c_str());
  }
}

void detach_one(const Name& name, const std::string& container_id, const Settings& settings, const Deadline& deadline) {
  const cni::NetworkLock lock(name.network, deadline.left_to_detach());
  const auto client = client_for(settings, deadline.left_to_detach());
  if (const auto cached = cached_entry(client, name, container_id))
    remove_cached(*cached, settings, deadline);
  else
    remove_uncached(name, container_id, settings, deadline);
}

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const auto& part : parts) text += (text.empty() ? "" : "; ") + part;
  return text;
}

}  // namespace

void attach(const std::vector<Planned>& attachments, const Settings& settings, const Deadline& deadline) {
  for (size_t i = 0; i < attachments.size(); ++i) {
    try {
      attach_one(attachments[i], settings, deadline);
    } catch (const std::exception& failure) {
      std::vector<std::string> messages{describe(attachments[i].list.name, failure)};
      for (size_t j = i + 1; j-- > 0;) {
        try {
          const auto& [list, attachment] = attachments[j];
          const cni::NetworkLock lock(list.name, deadline.left_to_detach());
          client_for(settings, deadline.left_to_detach()).del(list, attachment);
        } catch (const std::exception& error) {
          messages.push_back("undoing failed: " + describe(attachments[j].list.name, error));
        }
      }
      throw std::runtime_error(joined(messages));
    }
  }
}

void detach(const std::string& container_id, const oci::NetworkSetup& setup, const Settings& settings,
            const Deadline& deadline) {
  std::vector<std::string> failures;
  std::vector<Name> names;
  for (auto request = setup.networks.rbegin(); request != setup.networks.rend(); ++request)
    names.push_back({request->name, request->ifname});
  try {
    const auto client = client_for(settings, deadline.left_to_detach());
    for (auto& name : marked_attachments(client, settings.cache_directory, container_id))
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(std::move(name));
  } catch (const std::exception& error) {
    failures.push_back(error.what());
  }
  for (const auto& name : names) {
    try {
      detach_one(name, container_id, settings, deadline);
    } catch (const std::exception& error) {
      failures.push_back(describe(name.network, error));
    }
  }
  if (!failures.empty()) throw std::runtime_error(joined(failures));
}

}  // namespace berth::cni_hook
