#include "criu/mount_points.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "rootfs/mount_api.h"
#include "rootfs/mount_options.h"
#include "rootfs/mount_target.h"
#include "rootfs/paths.h"
#include "rootfs/pivot.h"

namespace berth::runtime::criu {

namespace {

/// What lies in a file system that CRIU restores with its content, or that the kernel fills.
bool is_below(const std::string& path, const std::vector<std::string>& file_systems) {
  return std::any_of(file_systems.begin(), file_systems.end(),
                     [&](const std::string& above) { return path.starts_with(above + "/"); });
}

/// With the attributes that the container's mount has.
base::Fd clone_source(const oci::Config& config, const oci::Mount& mount, const MountOptions& options) {
  base::Fd source = clone_mount(mount.source, options.recursive_bind);
  if (options.attributes.any())
    replace_attributes(source, options.attributes, config.linux_.has(oci::NamespaceType::kUser));
  if (options.recursive.any()) set_attributes(source, options.recursive.set, options.recursive.clear, true);
  return source;
}

/// Attaches `mount` to a new directory or file.
void attach_at(const base::Fd& mount, const std::string& path) {
  if (is_directory(mount)) {
    base::make_directories(path, 0755);
  } else {
    base::open_file(path, O_RDONLY | O_CREAT, 0644);
  }
  attach(mount, base::open_file(path, O_PATH));
}

void mount_sources(const oci::Config& config, const std::string& directory) {
  for (size_t i = 0; i < config.mounts.size(); ++i) {
    const auto& mount = config.mounts[i];
    const auto options = MountOptions::parse(mount.options, mount.destination, mount.type);
    if (!options.bind || options.remount) continue;
    attach_at(clone_source(config, mount, options), directory + "/" + std::to_string(i));
  }
}

void make_places(const oci::Config& config, const base::Fd& root) {
  std::vector<std::string> file_systems;
  for (const auto& mount : config.mounts) {
    const auto options = MountOptions::parse(mount.options, mount.destination, mount.type);
    const std::string place = clean_path(mount.destination);
    if (options.remount || is_below(place, file_systems)) continue;
    const base::Fd source = options.bind ? clone_mount(mount.source, options.recursive_bind) : base::Fd();
    const base::Fd target = open_target(root, mount, source);
    // Places of later mounts may be in it.
    if (options.bind) {
      attach(source, target);
    } else {
      file_systems.push_back(place);
    }
  }
}

base::Fd mount_root(const std::string& path, const std::string& directory) {
  base::Fd root = clone_mount(path, true);
  attach(root, base::open_file(directory, O_PATH | O_DIRECTORY));
  return root;
}

}  // namespace

RootPlaces::RootPlaces(const std::string& state_directory)
    : all_states_(state_directory.substr(0, state_directory.rfind('/'))), directory_(state_directory + "/criu") {
  make();
}

void RootPlaces::make() const {
  for (const auto& path : {root(), sources()}) base::make_directories(path, 0755);
}

void RootPlaces::make_reachable() const {
  const auto cover = make_mount("tmpfs", "tmpfs", {}, {"mode=711"}, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
  attach(cover, base::open_file(all_states_, O_PATH | O_DIRECTORY));
  ::umask(022);
  make();
}

RootPlaces::~RootPlaces() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void prepare_root(const oci::Config& config, const RootPlaces& places) {
  base::check(::mount(nullptr, "/", nullptr, MS_SLAVE | MS_REC, nullptr), "set the propagation of /");
  if (config.linux_.has(oci::NamespaceType::kUser)) places.make_reachable();
  const std::string& path = config.root->path;
  make_places(config, mount_root(path, places.root()));
  base::check(::umount2(places.root().c_str(), MNT_DETACH), "unmount", places.root());
  mount_root(path, places.root());
  mount_sources(config, places.sources());
  attach_at(open_null_device(), places.null_device());
}

}  // namespace berth::runtime::criu
