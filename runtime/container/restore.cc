#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <stdexcept>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/unix_socket.h"
#include "cgroups/layout.h"
#include "container/creation.h"
#include "container/criu_session.h"
#include "container/delete_at_end.h"
#include "container/new_container.h"
#include "criu/external.h"
#include "criu/mount_points.h"
#include "criu/worker.h"
#include "process/console.h"
#include "process/foreground.h"
#include "process/namespaces.h"
#include "process/notify_socket.h"
#include "process/standard_streams.h"
#include "process/terminal.h"
#include "security/lsm.h"

namespace berth::runtime {

using oci::NamespaceType;

namespace {

/// The pipes that the container had as standard streams: ours take their place.
std::vector<std::pair<std::string, int>> stream_pipes(const std::string& image_path) {
  const std::string path = image_path + "/" + kDescriptorsFile;
  std::vector<std::pair<std::string, int>> pipes;
  try {
    const auto json = base::parse_json(base::read_file(path));
    if (!json.is_array()) throw base::JsonError("expected an array, got " + base::describe(json));
    for (size_t i = 0; i < json.size() && i < 3; ++i) {
      if (!json[i].is_string()) throw base::JsonError("expected a string, got " + base::describe(json[i]));
      const auto name = json[i].get<std::string>();
      if (name.find("pipe:") != std::string::npos) pipes.emplace_back(name, static_cast<int>(i));
    }
  } catch (const base::JsonError& error) {
    throw std::runtime_error(path + ": " + error.what());
  }
  return pipes;
}

/// One container on its way from images to running. A failure anywhere undoes all of it.
class Restoration : NewContainer {
 public:
  Restoration(Store& store, const RestoreOptions& options, const oci::Config& config, Terminal& terminal)
      : NewContainer(store, options, config), options_(options), console_(terminal.take_child_end()) {}

  CreatedContainer run(const std::string& config_json);

 private:
  void add_namespaces(criu::Options& restore, criu::Worker::Start& start);
  void add_mounts(criu::Options& restore, const criu::RootPlaces& places) const;
  void join_groups(pid_t criu, criu::Options& restore);
  void listen(criu::Notification& notification);
  void set_up_namespaces(pid_t pid);

  const RestoreOptions& options_;
  base::Fd console_;
  std::vector<base::Fd> namespaces_;
  base::Rollback rollback_;  ///< The last member: its steps use the others when a failure destroys this object.
};

void Restoration::add_namespaces(criu::Options& restore, criu::Worker::Start& start) {
  for (const auto& ns : config_.linux_.namespaces) {
    if (ns.path.empty()) continue;
    if (ns.type == NamespaceType::kCgroup) {
      throw std::runtime_error("linux.namespaces: " + ns.path + ": criu cannot restore into a cgroup namespace");
    }
    const auto name = criu::external_namespace(ns.type);
    if (name.empty()) {
      restore.join_namespaces.emplace_back(oci::proc_name(ns.type), ns.path);
      continue;
    }
    namespaces_.push_back(base::open_file(ns.path, O_RDONLY));
    restore.inherited.emplace_back(name, criu::Worker::kFirstDescriptor + static_cast<int>(start.descriptors.size()));
    start.descriptors.push_back(namespaces_.back().get());
  }
}

void Restoration::add_mounts(criu::Options& restore, const criu::RootPlaces& places) const {
  // The images may be those of a container that could report its readiness.
  oci::Config config = config_;
  NotifySocket::add_to(config, store_.directory(record_.id));
  const base::Fd root = base::open_file(config_.root->path, O_PATH | O_DIRECTORY);
  for (const auto& mount : criu::external_mounts(config, record_.cgroups, root, places.sources())) {
    if (mount.place != "/dev/null") restore.external.push_back(criu::external_mount(mount.place, mount.source));
  }
  // What covers masked files. In a user namespace it is the container's null device, too, and cannot be a read-only
  // mount; but there nobody can change the host's inode.
  const bool mapped = config_.linux_.has(NamespaceType::kUser);
  restore.external.push_back(criu::external_mount("/dev/null", mapped ? "/dev/null" : places.null_device()));
}

/// What CRIU makes is where CRIU is: in the container's groups, not in those that the images name.
void Restoration::join_groups(pid_t criu, criu::Options& restore) {
  cgroup_->join(criu);
  if (resctrl_) join_resctrl(record_.resctrl, criu);
  const auto paths = parse_process_cgroups(base::read_file("/proc/" + std::to_string(criu) + "/cgroup"));
  for (const auto& [controller, directory] : record_.cgroups) {
    const auto found = paths.find(controller);
    if (found != paths.end()) restore.cgroup_roots.emplace_back(controller, found->second);
  }
}

void Restoration::set_up_namespaces(pid_t pid) {
  rollback_.add("kill the init process", [this] { kill_init(); });
  take_over(pid, base::Fd(base::check(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)), "open the init process")));
  if (config_.linux_.makes(NamespaceType::kNetwork)) {
    // CRIU has made it, and leaves it as empty as the kernel does.
    net::NetNs::open("/proc/" + std::to_string(pid) + "/ns/net").within([] { bring_loopback_up(); });
    move_net_devices(rollback_);
  }
  run_host_hooks();
}

void Restoration::listen(criu::Notification& notification) {
  if (notification.name == "setup-namespaces") {
    set_up_namespaces(notification.pid);
  } else if (notification.name == "orphan-pts-master" && notification.descriptor && console_) {
    base::send_descriptor(console_, notification.descriptor, slave_name(notification.descriptor),
                          "the terminal over the console socket");
  }
}

CreatedContainer Restoration::run(const std::string& config_json) {
  criu::Options restore = common_options(options_.criu, config_);
  restore.restore_sibling = true;
  restore.evasive_devices = true;
  restore.lsm_profile = options_.lsm_profile;
  restore.lsm_mount_context = options_.lsm_mount_context;
  restore.inherited = stream_pipes(options_.criu.image_path);
  criu::Worker::Start start;
  add_namespaces(restore, start);
  criu::find_criu();

  reserve(config_json, rollback_);
  NotifySocket::make_directory(store_.directory(record_.id));
  make_groups(rollback_);
  const criu::RootPlaces places(store_.directory(record_.id));
  restore.root = places.root();
  start.clone_flags = CLONE_NEWNS;
  start.preparing = [&] { criu::prepare_root(config_, places); };
  criu::Worker worker(start);
  worker.require_version();
  const CriuDirectories directories(options_.criu, config_, "restore.log", worker.pid());
  directories.apply_to(restore);
  join_groups(worker.pid(), restore);
  limit_resources();
  add_mounts(restore, places);
  worker.run(criu::Task::kRestore, restore, directories.log(),
             [this](criu::Notification& notification) { listen(notification); });
  console_.reset();
  record_.descriptors = standard_streams_of(::getpid());
  store_.save(record_);
  write_pid_file();
  rollback_.dismiss();
  return {record_, std::move(pidfd_)};
}

}  // namespace

int restore_container(Store& store, const RestoreOptions& options, const oci::Config& config,
                      const std::string& config_json) {
  require_root_directory(config, options.bundle);
  require_lsm(config.process.value_or(oci::Process{}), config.linux_.mount_label);
  Terminal terminal(config.process && config.process->terminal, options.console_socket, options.detach);
  Foreground foreground(!options.detach, !options.no_subreaper);
  CreatedContainer restored = Restoration(store, options, config, terminal).run(config_json);
  if (options.detach) return 0;
  const DeleteAtEnd deletion(store, options.id);
  return foreground.wait(restored.record.pid, std::move(restored.pidfd), terminal.master());
}

}  // namespace berth::runtime
