#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json_fwd.h"
#include "cni/request.h"
#include "lease.h"
#include "net/mac.h"

namespace berth::dhcp {

/// Whose lease it is.
struct Key {
  std::string network;
  std::string container;
  std::string ifname;

  auto operator<=>(const Key&) const = default;
  /// "network/container/ifname", for people.
  std::string to_string() const { return network + "/" + container + "/" + ifname; }
  /// Names its files: 32 hexadecimal digits, whatever characters the three have.
  std::string file_name() const;
};

/// What the plugin's configuration says about a lease.
struct Wishes {
  Options provide;
  std::vector<uint8_t> request;
  unsigned priority = 0;  ///< Of the routes.

  base::Json to_json() const;
  static Wishes from_json(const base::Json& value, const std::string& path);
};

/// Which link a lease is for. Names and paths are given again to others; the rest tells whether it is still the same.
struct Place {
  std::string netns;  ///< A path, as the runtime sees it.
  dev_t device = 0;   ///< Of the namespace's file,
  ino_t inode = 0;    ///< and its number there.
  int index = 0;
  net::MacAddress mac;

  bool operator==(const Place&) const = default;
};

/// Everything there is to know about one attachment, to go on with it in another process.
struct Record {
  Key key;
  Place place;
  Wishes wishes;
  std::optional<Lease> lease;  ///< Unset: it was lost, and the client was looking for another.

  std::string encode() const;
  /// Throws base::JsonError or std::invalid_argument, also for a record of another version.
  static Record decode(const std::string& text);
};

/// Options as JSON: {"12": "base64", …}.
base::Json options_to_json(const Options& options);
Options options_from_json(const base::Json& value, const std::string& path);

}  // namespace berth::dhcp
