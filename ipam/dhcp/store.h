#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "cni/request.h"
#include "record.h"

namespace berth::dhcp {

/// The leases on disk, in a directory that belongs to one daemon:
///
///   <directory>/<key's file name>.json     a Record
///   <directory>/release/<key's file name>  a plugin asks for its release, because no daemon answered
///   <directory>/lock                       held by the daemon for as long as it lives
///
/// Files are replaced as a whole; one that cannot be read counts as absent.
class Store {
 public:
  /// The directory of the daemon that listens at `socket_path` (as the plugins name it) on the host whose root is
  /// `host_prefix`: /var/lib/cni/dhcp/ and the socket's path in one word.
  static std::string directory_for(const std::string& host_prefix, const std::string& socket_path);

  explicit Store(std::string directory) : directory_(std::move(directory)) {}

  // --- the daemon's side -----------------------------------------------------------------------------------------

  /// Makes the directory. Throws base::SystemError; with ETIMEDOUT if another daemon has it.
  base::FileLock lock() const;
  std::vector<Record> load() const;
  void save(const Record& record) const;
  /// Forgets the lease, and the wish for its release.
  void remove(const Key& key) const;
  /// File names of the keys whose release is asked for.
  std::vector<std::string> marked() const;
  /// Forgets the wish for the release of `file_name`.
  void unmark(const std::string& file_name) const;

  // --- the plugin's side -----------------------------------------------------------------------------------------

  /// Asks for the release of this lease, if there is a record of it.
  void mark(const Key& key) const;
  /// Asks for the release of every lease of a network but those of `valid`.
  void mark_all_but(const std::string& network, const std::vector<cni::Attachment>& valid) const;
  bool empty() const;

 private:
  std::vector<std::string> record_names() const;
  std::string record_of(const std::string& file_name) const;
  std::string marks() const;

  std::string directory_;
};

}  // namespace berth::dhcp
