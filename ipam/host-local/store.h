#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/file.h"
#include "net/ip.h"

namespace berth::host_local {

/// Who holds an address.
struct Owner {
  std::string container_id;
  std::string ifname;  ///< Empty in old files, which name the container alone.

  bool operator==(const Owner&) const = default;
};

/// The addresses of one network that are in use: the directory the reference plugin keeps, file for file. One file per
/// address, named by it, holds `<container id>\r\n<ifname>`; `last_reserved_ip.<n>` the address range set n gave out
/// last. All that is done with a Store is done under the directory's `lock`.
class Store {
 public:
  /// Makes the directory if it is missing, and waits for the lock. Throws base::SystemError.
  static Store create(const std::string& directory);
  /// As create, but nullopt if there is no such directory.
  static std::optional<Store> find(const std::string& directory);

  /// True if somebody holds the address. An empty file is what a crash of the reference plugin leaves: nobody does.
  bool is_reserved(const net::IpAddress& address) const;

  /// Gives the address to `owner`; false if it is taken. The file appears with its content or not at all.
  bool reserve(const net::IpAddress& address, const Owner& owner);
  void release(const net::IpAddress& address);

  /// nullopt if there is none, or it cannot be understood.
  std::optional<net::IpAddress> last_reserved(size_t range_set) const;
  void remember_last_reserved(size_t range_set, const net::IpAddress& address);

  /// Calls `visit` for each address file, in no particular order, until it returns false; the owner is nullopt for an
  /// empty file. `visit` may release the address.
  void for_each(const std::function<bool(const net::IpAddress&, const std::optional<Owner>&)>& visit) const;

  /// The addresses `owner` holds: those of this interface, or else those old files give to the whole container.
  std::vector<net::IpAddress> addresses_of(const Owner& owner) const;

 private:
  Store(const std::string& path, base::Fd directory);

  std::string path_of(const std::string& name) const { return path_ + "/" + name; }
  base::Fd new_file(const std::string& content, bool& has_name) const;
  bool link_into_place(const base::Fd& file, bool has_name, const std::string& name) const;

  std::string path_;
  base::Fd directory_;
  base::FileLock lock_;
};

/// The content of an address file, and back (surrounding white space does not count; empty: nullopt).
std::string format_owner(const Owner& owner);
std::optional<Owner> parse_owner(std::string_view content);

}  // namespace berth::host_local
