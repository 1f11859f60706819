#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cni/error.h"
#include "cni/request.h"
#include "lease.h"
#include "record.h"

/// What plugin and daemon say to each other over the socket: one JSON object per line. The plugin asks once per
/// connection. The daemon answers once; before that, while it is at work, it says "pending" every few seconds.
///
///   {"version": 1, "method": "allocate", "network": …, "containerID": …, "ifname": …, "netns": …, "wishes": {…}}
///   {"version": 1, "pending": true}
///   {"version": 1, "lease": {…}}
///
/// A plugin that hangs up takes back its question: a lease that nobody else waits for is not kept.
namespace berth::dhcp {

constexpr size_t kLongestLine = 16 << 20;

struct Ask {
  enum class Method {
    kAllocate,  ///< Obtain a lease, or say which there is.
    kQuery,     ///< Say which lease there is.
    kRelease,   ///< Give it back, if there is one.
    kCollect,   ///< Give back all leases of a network but those of `valid`.
    kPing,
  };
  Method method = Method::kPing;
  Key key;
  std::string netns;
  Wishes wishes;
  std::vector<cni::Attachment> valid;

  /// One line, with its end.
  std::string encode() const;
  /// Throws cni::Error if the other side speaks another version; base::JsonError.
  static Ask decode(const std::string& line);
};

struct Answer {
  bool pending = false;
  std::optional<Lease> lease;
  std::optional<cni::Error> error;

  std::string encode() const;
  static Answer decode(const std::string& line);
};

}  // namespace berth::dhcp
