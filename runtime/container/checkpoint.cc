#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <stdexcept>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "container/criu_session.h"
#include "container/lifecycle.h"
#include "criu/external.h"
#include "criu/worker.h"
#include "log.h"
#include "process/notify_socket.h"
#include "rootfs/mount_options.h"

namespace berth::runtime {

namespace {

using oci::NamespaceType;

void require_processes(const std::string& status) {
  if (status == "running" || status == "paused") return;
  throw std::runtime_error("Container cannot be checkpointed in " + status + " state");
}

/// CRIU 3 knows nothing of id-mapped mounts: it would restore them with other owners.
void refuse_mapped_mounts(const oci::Config& config) {
  for (const auto& mount : config.mounts) {
    const auto options = MountOptions::parse(mount.options, mount.destination, mount.type);
    if (!options.map_ids && mount.uid_mappings.empty()) continue;
    throw std::runtime_error("cannot checkpoint: the id-mapped mount at \"" + mount.destination +
                             "\" could not be restored");
  }
}

/// The images of an earlier pre-dump, which those to come only add to.
void require_parent(const CheckpointOptions& options) {
  if (options.parent_path.empty()) return;
  const auto path = (std::filesystem::path(options.image_path) / options.parent_path).lexically_normal().string();
  struct stat info {};
  const int error = ::stat(path.c_str(), &info) != 0 ? errno : S_ISDIR(info.st_mode) ? 0 : ENOTDIR;
  if (error != 0) throw std::runtime_error("invalid --parent-path: stat " + path + ": " + base::errno_text(error));
}

/// Where CRIU's word that lazy pages can be fetched is passed on to; used up once it was said.
class StatusPipe {
 public:
  explicit StatusPipe(int fd) {
    if (fd < 0) return;
    const std::string name = "invalid --status-fd argument " + std::to_string(fd) + ": ";
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0) throw std::runtime_error(name + base::errno_text(errno));
    if ((flags & O_ACCMODE) == O_RDONLY) throw std::runtime_error(name + "not writable");
    fd_.reset(fd);
  }

  void say_ready() {
    if (!fd_) return;
    if (::write(fd_.get(), "", 1) != 1) log_warning("write to --status-fd: " + base::errno_text(errno));
    fd_.reset();
  }

 private:
  base::Fd fd_;
};

/// Namespaces that are joined are not dumped: they have to be there when the container is restored.
void add_external_namespaces(const oci::Config& config, criu::Options& options) {
  for (const auto& ns : config.linux_.namespaces) {
    const auto name = criu::external_namespace(ns.type);
    if (ns.path.empty() || name.empty()) continue;
    struct stat info {};
    base::check(::stat(ns.path.c_str(), &info), "stat namespace", ns.path);
    options.external.push_back(std::string(oci::proc_name(ns.type)) + "[" + std::to_string(info.st_ino) + "]:" + name);
  }
}

void add_external_mounts(const oci::Config& config, const Record& record, criu::Options& options) {
  const base::Fd root = base::open_file("/proc/" + std::to_string(record.pid) + "/root", O_PATH | O_DIRECTORY);
  for (const auto& mount : criu::external_mounts(config, record.cgroups, root, "")) {
    options.external.push_back(criu::external_mount(mount.place, mount.place));
  }
  for (const auto& file : criu::masked_files(config, root)) {
    options.external.push_back(criu::external_mount(file, "/dev/null"));
  }
}

std::string freezer_of(const Record& record) {
  for (const char* controller : {"", "freezer"}) {
    const auto found = record.cgroups.find(controller);
    if (found != record.cgroups.end()) return found->second;
  }
  return "";
}

criu::Options dump_options(const CheckpointOptions& options, const oci::Config& config, const Record& record) {
  criu::Options dump = common_options(options, config);
  dump.pid = record.pid;
  dump.root = record.rootfs;
  dump.leave_running = options.leave_running;
  dump.tcp_skip_in_flight = options.tcp_skip_in_flight;
  dump.link_remap = options.link_remap;
  dump.freeze_cgroup = freezer_of(record);
  dump.page_server_address = options.page_server_address;
  dump.page_server_port = options.page_server_port;
  dump.parent_images = options.parent_path;
  dump.track_memory = !options.parent_path.empty();
  add_external_namespaces(config, dump);
  if (!options.pre_dump) add_external_mounts(config, record, dump);
  return dump;
}

void write_descriptors(const std::string& directory, const Record& record) {
  const auto text = base::Json(record.descriptors).dump(-1, ' ', false, base::Json::error_handler_t::replace);
  base::write_file_atomic(directory + "/" + kDescriptorsFile, text, 0600);
}

/// With what was added to it when the container was created.
oci::Config present_config(const Store& store, const Record& record) {
  oci::Config config = store.load_config(record);
  const auto directory = store.directory(record.id);
  if (NotifySocket::is_wanted(directory)) NotifySocket::add_to(config, directory);
  return config;
}

}  // namespace

void checkpoint_container(Store& store, const std::string& id, const CheckpointOptions& options) {
  const Record record = store.load(id);
  std::optional<base::FileLock> lock(store.hold(id));
  require_processes(status_of(store, record));
  const oci::Config config = present_config(store, record);
  refuse_mapped_mounts(config);
  require_parent(options);
  StatusPipe status_pipe(options.lazy_pages ? options.status_fd : -1);
  criu::Options dump = dump_options(options, config, record);

  criu::Worker::Start start;
  start.own_streams = false;
  criu::Worker worker(start);
  worker.require_version();
  worker.require_features(options.pre_dump, options.lazy_pages);
  const CriuDirectories directories(options, config, "dump.log", worker.pid());
  directories.apply_to(dump);
  if (!options.pre_dump) write_descriptors(options.image_path, record);
  worker.run(options.pre_dump ? criu::Task::kPreDump : criu::Task::kDump, dump, directories.log(),
             [&](criu::Notification& notification) {
               if (notification.name == "status-ready") status_pipe.say_ready();
             });
  if (options.leave_running || options.pre_dump) return;
  lock.reset();
  for (const auto& warning : delete_container(store, id, true)) log_warning(warning);
}

}  // namespace berth::runtime
