#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/file.h"
#include "lease_index.h"
#include "net/ip.h"
#include "owner.h"

namespace berth::host_local {

/// The addresses of one network that are in use: the directory the reference plugin keeps, file for file. One file per
/// address, named by it, holds `<container id>\r\n<ifname>`; `last_reserved_ip.<n>` the address range set n gave out
/// last. All that is done with a Store is done under the directory's `lock`. However many leases there are, only the
/// files of the addresses in question are opened: a LeaseIndex knows the rest.
class Store {
 public:
  /// Makes the directory if it is missing, and waits for the lock. `index_folder` is where its index is kept. Throws
  /// base::SystemError.
  static Store create(const std::string& directory, const std::string& index_folder = LeaseIndex::kFolder);
  /// As create, but nullopt if there is no such directory.
  static std::optional<Store> find(const std::string& directory, const std::string& index_folder = LeaseIndex::kFolder);

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
  Store(const std::string& path, base::Fd directory, const std::string& index_folder);

  std::string path_of(const std::string& name) const { return path_ + "/" + name; }
  base::Fd new_file(const std::string& content, bool& has_name) const;
  bool link_into_place(const base::Fd& file, bool has_name, const std::string& name) const;
  void remove_file(const std::string& name) const;
  void for_each_file(const std::function<bool(const net::IpAddress&, const char*)>& visit) const;
  std::optional<Owner> holder_of(const net::IpAddress& address) const;
  std::vector<net::IpAddress> indexed_addresses_of(const Owner& owner, bool& is_wrong) const;

  void rebuild_index() const;
  /// Does `work(index)`; with a new index once more, if the one that was kept turns out to be damaged.
  template <class Work>
  auto with_index(Work&& work) const;

  std::string path_;
  base::Fd directory_;
  base::FileLock lock_;
  std::string index_folder_;
  mutable std::unique_ptr<LeaseIndex> index_;  ///< Made when it is needed; sealed before the lock is given back.
};

}  // namespace berth::host_local
