#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/file.h"
#include "firewall/firewall.h"

namespace berth::firewall::firewalld {

/// A source address that we have bound to a zone, and for whom: firewalld itself does not remember.
struct Source {
  net::IpAddress address;
  std::string zone;
  Owner owner;

  bool operator==(const Source&) const = default;
};

/// The record of all sources, /run/berth-firewall/firewalld.json, as temporary as firewalld's run-time configuration.
/// Locked while the object lives, so that what is recorded and what firewalld does go together.
class SourceRecord {
 public:
  /// Whether anything may be recorded; asking leaves no file.
  static bool exists();

  /// Throws Busy if the lock cannot be had in time.
  explicit SourceRecord(std::chrono::milliseconds lock_timeout);

  const std::vector<Source>& sources() const { return sources_; }
  bool has(const Source& source) const;
  /// Each replaces the file at once.
  void add(const Source& source);
  void remove(const Source& source);

 private:
  void save() const;

  base::FileLock lock_;
  std::vector<Source> sources_;
};

}  // namespace berth::firewall::firewalld
