#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json_fwd.h"
#include "cni/request.h"
#include "cni/result.h"

/// The runtime's side of CNI: lists, calling plugins, the result cache.
namespace berth::cni {

/// A network configuration list as loaded from a file (CNI spec 1.1.0, section 1).
struct NetworkList {
  std::string name;
  std::string version;  ///< The negotiated cniVersion.
  bool disable_check = false;
  bool disable_gc = false;
  std::vector<std::shared_ptr<const base::Json>> plugins;
  std::string bytes;  ///< The file as it is, for the cache.
  std::string path;   ///< Where it came from.
};

/// Finds network `name` in a configuration directory as libcni does (cni.md 1.9). Throws cni::Error naming file and
/// key.
NetworkList load_network(const std::string& directory, const std::string& name);
/// Every network of a directory that can be read, sorted by file name; unreadable files are reported through
/// `on_error`.
std::vector<NetworkList> load_networks(
    const std::string& directory, const std::function<void(const std::string& path, const std::string& why)>& on_error);
/// A list (or a single plugin's object, up-converted) from text.
NetworkList parse_list(const std::string& text, const std::string& path);

/// Where one attachment is to be made, and with what.
struct AttachmentConfig {
  std::string container_id;
  std::string netns;  ///< May be empty for DEL.
  std::string ifname;
  std::vector<std::pair<std::string, std::string>> args;  ///< CNI_ARGS
  std::shared_ptr<const base::Json> capability_args;      ///< An object by capability name; null: none.
};

/// How long one plugin took, for --timings.
struct Timing {
  std::string plugin;
  std::string command;
  std::chrono::microseconds duration;
};

struct ClientOptions {
  std::vector<std::string> plugin_directories{"/opt/cni/bin"};
  std::string cache_directory = "/var/lib/cni";
  std::optional<std::chrono::milliseconds> timeout;  ///< For each whole operation.
  bool inherit_environment = true;                   ///< Else plugins get PATH and CNI_* only.
  std::function<void(const Timing&)> on_timing;      ///< May be empty.
};

/// Runs the plugins of a list. Errors are cni::Error whose message is `plugin type="X" failed (add): …` with the
/// plugin's own code.
class Client {
 public:
  explicit Client(ClientOptions options) : options_(std::move(options)) {}

  /// Throws if the attachment's names are invalid or a plugin of the list cannot be found: what can be known before
  /// anything is done. `add` begins with it.
  void require_runnable(const NetworkList& list, const AttachmentConfig& attachment) const;

  /// ADD in order, each result feeding the next; caches the final one. A failure does not undo (callers run del).
  /// Returns the result object as the last plugin printed it, in the list's version.
  base::Json add(const NetworkList& list, const AttachmentConfig& attachment);
  void check(const NetworkList& list, const AttachmentConfig& attachment);
  /// DEL in reverse order with the cached result; unlike libcni goes on after a failure, reports all of them at the
  /// end, and keeps the cache entry then. A missing cache entry is fine.
  void del(const NetworkList& list, const AttachmentConfig& attachment);
  /// DELs cached attachments of this network that are not valid, then sends GC (1.1.0). nullopt: no attachment is
  /// valid.
  void gc(const NetworkList& list, const std::optional<std::vector<Attachment>>& valid);
  void status(const NetworkList& list);

  /// A cached attachment (cni.md 1.9, "Cache").
  struct Cached {
    std::string network;
    AttachmentConfig attachment;
    std::shared_ptr<const base::Json> result;
    std::string config;  ///< The list's bytes at ADD.
  };
  std::optional<Cached> cached(const std::string& network, const std::string& container_id,
                               const std::string& ifname) const;
  /// Every readable cache entry; unreadable files are passed over.
  std::vector<Cached> cached_attachments() const;

 private:
  ClientOptions options_;
};

}  // namespace berth::cni
