#include "store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "base/error.h"

namespace berth::host_local {
namespace {

constexpr mode_t kDirectoryMode = 0755;
constexpr mode_t kLockMode = 0750;
constexpr mode_t kFileMode = 0600;

/// Where an address file is written before it gets its name, on file systems without O_TMPFILE. One name is enough (the
/// lock is held) and harmless: the reference plugin knows it for no address and removes it with its owner's files.
constexpr const char* kUnfinished = ".unfinished";

std::string last_reserved_name(size_t range_set) {
  return "last_reserved_ip." + std::to_string(range_set);
}

std::optional<base::Fd> open_directory(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0) return base::Fd(fd);
  if (errno == ENOENT) return std::nullopt;
  base::throw_errno("open " + path);
}

/// The content of a file in `directory`, nullopt if it is gone or cannot be read: one bad file must not stop the rest.
std::optional<std::string> content_of(const base::Fd& directory, const char* name) {
  const base::Fd file(::openat(directory.get(), name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
  if (!file) return std::nullopt;
  try {
    return base::read_all(file.get(), name);
  } catch (const base::SystemError&) {
    return std::nullopt;
  }
}

/// What there is under the name of an address.
enum class Slot { kMissing, kEmpty, kTaken };

Slot look_at(const base::Fd& directory, const std::string& name) {
  struct stat info {};
  if (::fstatat(directory.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return Slot::kMissing;
    base::throw_errno("look for address file " + name);
  }
  return S_ISREG(info.st_mode) && info.st_size == 0 ? Slot::kEmpty : Slot::kTaken;
}

}  // namespace

Store::Store(const std::string& path, base::Fd directory, const std::string& index_folder)
    : path_(path), directory_(std::move(directory)), lock_(path + "/lock", kLockMode), index_folder_(index_folder) {}

Store Store::create(const std::string& directory, const std::string& index_folder) {
  if (auto store = find(directory, index_folder)) return std::move(*store);
  base::make_directories(directory, kDirectoryMode);
  return {directory, base::open_file(directory, O_RDONLY | O_DIRECTORY), index_folder};
}

std::optional<Store> Store::find(const std::string& directory, const std::string& index_folder) {
  auto fd = open_directory(directory);
  if (!fd) return std::nullopt;
  return Store(directory, std::move(*fd), index_folder);
}

/// Reads all leases. Only files under the name that we would give them are leases of their address.
void Store::rebuild_index() const {
  if (index_ != nullptr) index_->distrust();
  index_.reset();
  std::vector<Lease> leases;
  for_each_file([&](const net::IpAddress& address, const char* name) {
    if (address.to_string() != name) return true;
    const auto content = content_of(directory_, name);
    const bool is_taken = content ? !content->empty() : look_at(directory_, name) == Slot::kTaken;
    if (is_taken) leases.push_back({address, content ? parse_owner(*content) : std::nullopt});
    return true;
  });
  index_ = LeaseIndex::build(directory_, path_, index_folder_, leases);
}

template <class Work>
auto Store::with_index(Work&& work) const {
  if (index_ == nullptr) index_ = LeaseIndex::load(directory_, path_, index_folder_);
  if (index_ == nullptr) rebuild_index();
  try {
    return work(*index_);
  } catch (const LeaseTable::Damaged&) {
    rebuild_index();
    return work(*index_);
  }
}

bool Store::is_reserved(const net::IpAddress& address) const {
  return with_index([&](LeaseIndex& index) {
    if (index.is_taken(address)) return true;
    // A lease that was written into an empty file by hand shows here.
    if (look_at(directory_, address.to_string()) != Slot::kTaken) return false;
    index.enter(address, nullptr);
    return true;
  });
}

base::Fd Store::new_file(const std::string& content, bool& has_name) const {
  base::Fd file(::openat(directory_.get(), ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, kFileMode));
  has_name = !file;
  if (has_name) file = base::open_at(directory_, kUnfinished, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, kFileMode);
  base::write_all(file.get(), content, path_of(kUnfinished));
  return file;
}

bool Store::link_into_place(const base::Fd& file, bool has_name, const std::string& name) const {
  const int result =
      has_name ? ::linkat(directory_.get(), kUnfinished, directory_.get(), name.c_str(), 0)
               : ::linkat(AT_FDCWD, file.proc_path().c_str(), directory_.get(), name.c_str(), AT_SYMLINK_FOLLOW);
  if (result == 0) return true;
  if (errno == EEXIST) return false;
  base::throw_errno("create " + path_of(name));
}

bool Store::reserve(const net::IpAddress& address, const Owner& owner) {
  const auto name = address.to_string();
  bool has_name = false;
  with_index([](LeaseIndex& index) { index.begin_change(); });
  const auto file = new_file(format_owner(owner), has_name);
  bool created = link_into_place(file, has_name, name);
  if (!created && look_at(directory_, name) == Slot::kEmpty) {
    remove_file(name);
    created = link_into_place(file, has_name, name);
  }
  if (has_name) ::unlinkat(directory_.get(), kUnfinished, 0);
  with_index([&](LeaseIndex& index) { index.enter(address, created ? &owner : nullptr); });
  return created;
}

void Store::release(const net::IpAddress& address) {
  const auto owner = holder_of(address);
  with_index([](LeaseIndex& index) { index.begin_change(); });
  remove_file(address.to_string());
  with_index([&](LeaseIndex& index) { index.remove(address, owner ? &*owner : nullptr); });
}

void Store::remove_file(const std::string& name) const {
  if (::unlinkat(directory_.get(), name.c_str(), 0) != 0 && errno != ENOENT)
    base::throw_errno("remove " + path_of(name));
}

std::optional<Owner> Store::holder_of(const net::IpAddress& address) const {
  const auto content = content_of(directory_, address.to_string().c_str());
  return content ? parse_owner(*content) : std::nullopt;
}

std::optional<net::IpAddress> Store::last_reserved(size_t range_set) const {
  const auto content = content_of(directory_, last_reserved_name(range_set).c_str());
  return content ? net::IpAddress::try_parse(trimmed(*content)) : std::nullopt;
}

void Store::remember_last_reserved(size_t range_set, const net::IpAddress& address) {
  // Written in place: it is only a hint where to go on, and a torn one just means starting from the beginning.
  const auto name = last_reserved_name(range_set);
  const auto file = base::open_at(directory_, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, kFileMode);
  base::write_all(file.get(), address.to_string(), path_of(name));
}

void Store::for_each_file(const std::function<bool(const net::IpAddress&, const char*)>& visit) const {
  // A descriptor of its own: reading moves the position, and the duplicate would share it.
  base::Fd fd = base::open_at(directory_, ".", O_RDONLY | O_DIRECTORY);
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(fd.get()), ::closedir);
  if (!listing) base::throw_errno("read directory " + path_);
  fd.release();
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(listing.get());
    if (entry == nullptr) break;
    const auto address = net::IpAddress::try_parse(entry->d_name);
    if (address && !visit(*address, entry->d_name)) return;
  }
  if (errno != 0) base::throw_errno("read directory " + path_);
}

void Store::for_each(const std::function<bool(const net::IpAddress&, const std::optional<Owner>&)>& visit) const {
  for_each_file([&](const net::IpAddress& address, const char* name) {
    const auto content = content_of(directory_, name);
    return !content || visit(address, parse_owner(*content));
  });
}

/// The addresses that are the owner's by the index and by their files. `is_wrong` is set if these differ.
std::vector<net::IpAddress> Store::indexed_addresses_of(const Owner& owner, bool& is_wrong) const {
  auto addresses = with_index([&](const LeaseIndex& index) { return index.addresses_of(owner); });
  const auto others = std::erase_if(addresses, [&](const auto& address) { return holder_of(address) != owner; });
  is_wrong = others != 0;
  std::sort(addresses.begin(), addresses.end());
  return addresses;
}

std::vector<net::IpAddress> Store::addresses_of(const Owner& owner) const {
  for (const auto& holder : {owner, Owner{owner.container_id, ""}}) {
    bool is_wrong = false;
    auto addresses = indexed_addresses_of(holder, is_wrong);
    if (is_wrong) {
      rebuild_index();
      addresses = indexed_addresses_of(holder, is_wrong);
    }
    if (!addresses.empty()) return addresses;
  }
  return {};
}

}  // namespace berth::host_local
