#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json_fwd.h"
#include "cni/result.h"

namespace berth::cni {

/// One attachment in GC's cni.dev/valid-attachments.
struct Attachment {
  std::string container_id;
  std::string ifname;

  auto operator<=>(const Attachment&) const = default;
};

/// What a plugin was asked to do: the environment and the configuration on stdin, validated (CNI spec 1.1.0, section
/// 2).
class Request {
 public:
  /// Reads CNI_* from the environment and the configuration from `input`, and validates them in the reference's order:
  /// environment, JSON, network name, version. Throws cni::Error.
  static Request parse(const std::string& input, const std::vector<std::string>& supported_versions);

  const std::string& command() const { return command_; }
  const std::string& container_id() const { return container_id_; }
  const std::string& netns() const { return netns_; }  ///< Path, may be empty on DEL.
  const std::string& ifname() const { return ifname_; }
  const std::string& network() const { return network_; }         ///< The configuration's `name`.
  const std::string& type() const { return type_; }               ///< The configuration's `type`.
  const std::string& version() const { return version_; }         ///< The configuration's cniVersion; absent: 0.1.0.
  const std::vector<std::string>& path() const { return path_; }  ///< The directories of CNI_PATH.
  const std::string& input() const { return input_; }             ///< stdin, byte for byte.
  const base::Json& config() const { return *config_; }

  /// CNI_ARGS as pairs. `known` are the keys the calling plugin understands: another key is Error
  /// `ARGS: unknown args ["K=V"]` unless IgnoreUnknown is true. Returns only known ones, last one wins.
  std::vector<std::pair<std::string, std::string>> args(const std::vector<std::string>& known) const;

  /// prevResult, converted; nullopt if absent.
  const std::optional<Result>& previous() const { return previous_; }

  /// The valid attachments of a GC; nullopt if the caller named none at all.
  std::optional<std::vector<Attachment>> valid_attachments() const;

 private:
  std::string command_, container_id_, netns_, ifname_, network_, type_, version_, input_, raw_args_;
  std::vector<std::string> path_;
  std::shared_ptr<const base::Json> config_;
  std::optional<Result> previous_;
};

/// The spec's rules for names: ^[A-Za-z0-9][A-Za-z0-9_.-]*$ for container ids and network names; interface names of
/// 1 to 15 bytes, not . or .., without '/', ':' or white space. Each throws cni::Error (kInvalidEnvironment or
/// kInvalidNetworkConfig).
void validate_container_id(const std::string& id);
void validate_network_name(const std::string& name);
void validate_ifname(const std::string& name);

}  // namespace berth::cni
