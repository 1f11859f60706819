#include "rootfs/devices.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

#include "base/error.h"
#include "rootfs/mount_api.h"
#include "rootfs/paths.h"

namespace berth::runtime {

namespace {

struct DefaultDevice {
  const char* path;
  int64_t major, minor;
};

constexpr DefaultDevice kDefaultDevices[] = {{"/dev/null", 1, 3},   {"/dev/zero", 1, 5},    {"/dev/full", 1, 7},
                                             {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0}};

struct Link {
  const char* target;
  const char* name;
};

constexpr Link kLinks[] = {{"/proc/self/fd", "fd"},
                           {"/proc/self/fd/0", "stdin"},
                           {"/proc/self/fd/1", "stdout"},
                           {"/proc/self/fd/2", "stderr"},
                           {"pts/ptmx", "ptmx"}};

mode_t type_bits(char type) {
  if (type == 'b') return S_IFBLK;
  return type == 'p' ? S_IFIFO : S_IFCHR;
}

enum class Existing { kDevice, kPlaceForBind };

/// What is at `name`, where something is. Throws if that is neither the device that is wanted nor an empty file, on
/// which a container in a user namespace has its devices bound.
Existing existing_node(const base::Fd& directory, const std::string& name, const oci::Device& device, dev_t numbers) {
  struct stat info {};
  base::check(::fstatat(directory.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW), "stat", device.path);
  if ((info.st_mode & S_IFMT) == type_bits(device.type) && (device.type == 'p' || info.st_rdev == numbers)) {
    return Existing::kDevice;
  }
  if (S_ISREG(info.st_mode) && info.st_size == 0 && device.type != 'p') return Existing::kPlaceForBind;
  throw std::runtime_error("device " + device.path + ": something else with that name exists in the root file system");
}

void bind_host_node(const base::Fd& directory, const std::string& name, const oci::Device& device, dev_t numbers) {
  const base::Fd tree = clone_mount(device.path, false);
  struct stat info {};
  base::check(::fstat(tree.get(), &info), "stat", device.path);
  if ((info.st_mode & S_IFMT) != type_bits(device.type) || info.st_rdev != numbers) {
    throw std::runtime_error("device " + device.path + ": the host's node is another device");
  }
  // Made, not opened: somebody may have put a fifo there meanwhile. One of an earlier container is as good.
  if (::mknodat(directory.get(), name.c_str(), S_IFREG | 0644, 0) != 0 && errno != EEXIST) {
    base::throw_errno("create " + device.path);
  }
  attach(tree, base::open_at(directory, name, O_PATH | O_NOFOLLOW));
}

void make_node(const base::Fd& directory, const std::string& name, const oci::Device& device) {
  const dev_t numbers = ::makedev(static_cast<unsigned>(device.major), static_cast<unsigned>(device.minor));
  // The umask is 0: the mode is exact, and nothing is looked up a second time to change it.
  const mode_t mode = type_bits(device.type) | (device.file_mode.value_or(0666) & 07777U);
  if (::mknodat(directory.get(), name.c_str(), mode, numbers) == 0) {
    if (!device.uid && !device.gid) return;
    base::check(
        ::fchownat(directory.get(), name.c_str(), device.uid.value_or(0), device.gid.value_or(0), AT_SYMLINK_NOFOLLOW),
        "change the owner of", device.path);
    return;
  }
  if (errno != EEXIST && errno != EPERM) base::throw_errno("make device " + device.path);
  if (errno == EEXIST && existing_node(directory, name, device, numbers) == Existing::kDevice) return;
  bind_host_node(directory, name, device, numbers);
}

void make_device(const base::Fd& root, const base::Fd& dev, const oci::Device& device) {
  const std::string path = clean_path(device.path);
  const auto slash = path.rfind('/');
  const std::string name = path.substr(slash + 1);
  if (path.substr(0, slash) == "/dev") return make_node(dev, name, device);
  make_node(make_directories_in_root(root, path.substr(0, slash), 0755), name, device);
}

void make_link(const base::Fd& dev, const Link& link) {
  for (int attempt = 0; ::symlinkat(link.target, dev.get(), link.name) != 0; ++attempt) {
    if (errno != EEXIST) base::throw_errno(std::string("symlink /dev/") + link.name);
    // The image's is replaced; a directory stays.
    if (attempt > 0 || ::unlinkat(dev.get(), link.name, 0) != 0) return;
  }
}

}  // namespace

void make_devices(const base::Fd& root, const oci::Config& config) {
  make_directories_in_root(root, "/dev", 0755);
  // A link for /dev would lead the nodes astray (CVE-2026-41579).
  const base::Fd dev = open_without_symlinks(root, "/dev", O_DIRECTORY);
  const mode_t mask = ::umask(0);
  for (const auto& entry : kDefaultDevices) {
    const bool listed = std::any_of(config.linux_.devices.begin(), config.linux_.devices.end(),
                                    [&](const oci::Device& device) { return clean_path(device.path) == entry.path; });
    if (!listed) make_device(root, dev, {'c', entry.path, entry.major, entry.minor, {}, {}, {}});
  }
  for (const auto& device : config.linux_.devices) make_device(root, dev, device);
  for (const auto& link : kLinks) make_link(dev, link);
  if (::access("/proc/kcore", F_OK) == 0) make_link(dev, {"/proc/kcore", "core"});
  ::umask(mask);
}

std::vector<std::string> device_paths(const oci::Config& config) {
  std::vector<std::string> paths;
  for (const auto& device : kDefaultDevices) paths.emplace_back(device.path);
  for (const auto& device : config.linux_.devices) {
    const auto path = clean_path(device.path);
    if (std::find(paths.begin(), paths.end(), path) == paths.end()) paths.push_back(path);
  }
  return paths;
}

}  // namespace berth::runtime
