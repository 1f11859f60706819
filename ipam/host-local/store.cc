#include "store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>

#include "base/error.h"

namespace berth::host_local {
namespace {

constexpr mode_t kDirectoryMode = 0755;
constexpr mode_t kLockMode = 0750;
constexpr mode_t kFileMode = 0600;
constexpr std::string_view kOwnerSeparator = "\r\n";

/// Where an address file is written before it gets its name, on file systems without O_TMPFILE. One name is enough (the
/// lock is held) and harmless: the reference plugin knows it for no address and removes it with its owner's files.
constexpr const char* kUnfinished = ".unfinished";

std::string_view trimmed(std::string_view text) {
  constexpr const char* kBlanks = " \t\r\n\v\f";
  const auto first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

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

std::string format_owner(const Owner& owner) {
  return owner.container_id + std::string(kOwnerSeparator) + owner.ifname;
}

std::optional<Owner> parse_owner(std::string_view content) {
  content = trimmed(content);
  if (content.empty()) return std::nullopt;
  const auto separator = content.find(kOwnerSeparator);
  if (separator == std::string_view::npos) return Owner{std::string(content), ""};
  return Owner{std::string(content.substr(0, separator)), std::string(content.substr(separator + 2))};
}

Store::Store(const std::string& path, base::Fd directory)
    : path_(path), directory_(std::move(directory)), lock_(path + "/lock", kLockMode) {}

Store Store::create(const std::string& directory) {
  if (auto store = find(directory)) return std::move(*store);
  base::make_directories(directory, kDirectoryMode);
  return {directory, base::open_file(directory, O_RDONLY | O_DIRECTORY)};
}

std::optional<Store> Store::find(const std::string& directory) {
  auto fd = open_directory(directory);
  if (!fd) return std::nullopt;
  return Store(directory, std::move(*fd));
}

bool Store::is_reserved(const net::IpAddress& address) const {
  return look_at(directory_, address.to_string()) == Slot::kTaken;
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
  const auto file = new_file(format_owner(owner), has_name);
  bool created = link_into_place(file, has_name, name);
  if (!created && look_at(directory_, name) == Slot::kEmpty) {
    release(address);
    created = link_into_place(file, has_name, name);
  }
  if (has_name) ::unlinkat(directory_.get(), kUnfinished, 0);
  return created;
}

void Store::release(const net::IpAddress& address) {
  const auto name = address.to_string();
  if (::unlinkat(directory_.get(), name.c_str(), 0) != 0 && errno != ENOENT)
    base::throw_errno("remove " + path_of(name));
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

void Store::for_each(const std::function<bool(const net::IpAddress&, const std::optional<Owner>&)>& visit) const {
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
    if (!address) continue;
    const auto content = content_of(directory_, entry->d_name);
    if (content && !visit(*address, parse_owner(*content))) return;
  }
  if (errno != 0) base::throw_errno("read directory " + path_);
}

std::vector<net::IpAddress> Store::addresses_of(const Owner& owner) const {
  std::vector<net::IpAddress> exact, of_container;
  for_each([&](const net::IpAddress& address, const std::optional<Owner>& holder) {
    if (holder == owner) exact.push_back(address);
    if (holder == Owner{owner.container_id, ""}) of_container.push_back(address);
    return true;
  });
  return exact.empty() ? of_container : exact;
}

}  // namespace berth::host_local
