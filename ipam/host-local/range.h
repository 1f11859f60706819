#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "net/ip.h"

/// host-local: hands out addresses from ranges of this host and keeps them in a directory (cni.md 3.6).
namespace berth::host_local {

/// A run of addresses within one subnet.
struct Range {
  net::IpNet subnet;
  net::IpAddress start;  ///< First address that may be given out.
  net::IpAddress end;    ///< Last one, inclusive.
  net::IpAddress gateway;

  /// Fills in what is not given: gateway and start are the subnet's first host address, end its last one (the last but
  /// one for IPv4, which has a broadcast address). Throws std::invalid_argument with the reference plugin's text for a
  /// subnet that is too small or has host bits set, and for a start or end outside it.
  static Range make(const net::IpNet& subnet, const std::optional<net::IpAddress>& start,
                    const std::optional<net::IpAddress>& end, const std::optional<net::IpAddress>& gateway);

  bool contains(const net::IpAddress& address) const { return start <= address && address <= end; }
  bool overlaps(const Range& other) const { return contains(other.start) || other.contains(start); }
  /// "10.1.0.1-10.1.0.254"
  std::string to_string() const { return start.to_string() + "-" + end.to_string(); }
};

/// An address that may be given out, and the range it is from.
struct Candidate {
  net::IpAddress address;
  const Range* range;
};

/// Ranges of one family; a container gets one address of each set.
class RangeSet {
 public:
  /// Throws std::invalid_argument for an empty set, ranges of both families, and ranges that overlap.
  explicit RangeSet(std::vector<Range> ranges);

  bool is_v4() const { return ranges_.front().start.is_v4(); }
  /// The range that has this address, or nullptr.
  const Range* find(const net::IpAddress& address) const;
  bool overlaps(const RangeSet& other) const;
  /// "10.1.0.1-10.1.0.254,10.2.0.5-10.2.0.9"
  std::string to_string() const;

  /// Round robin: walks through all addresses once, range after range, from the one behind `last` (from the beginning
  /// if `last` is in no range), passing over each range's gateway, and returns the first that `is_free`.
  std::optional<Candidate> first_free(const std::optional<net::IpAddress>& last,
                                      const std::function<bool(const net::IpAddress&)>& is_free) const;

 private:
  std::vector<Range> ranges_;
};

}  // namespace berth::host_local
