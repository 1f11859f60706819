#include "container/new_container.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <stdexcept>

#include "base/error.h"
#include "base/file.h"
#include "cgroups/systemd/systemd.h"
#include "container/hooks.h"
#include "oci/parse.h"
#include "process/notify_socket.h"

namespace berth::runtime {

namespace {

/// Not by gmtime_r, which reads the host's time zone first.
std::string now_rfc3339() {
  using namespace std::chrono;
  const auto now = time_point_cast<nanoseconds>(system_clock::now());
  const auto today = floor<days>(now);
  const year_month_day date(today);
  const hh_mm_ss time(now - today);
  char text[64];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT%02ld:%02ld:%02ld.%09ldZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), time.hours().count(),
                time.minutes().count(), time.seconds().count(), time.subseconds().count());
  return text;
}

/// The host's user who is user `id` in the container; nullopt if only the kernel knows.
std::optional<uid_t> host_user(const oci::Linux& config, uint32_t id) {
  if (!config.has(oci::NamespaceType::kUser)) return id;
  for (const auto& map : config.uid_mappings) {
    if (id >= map.container_id && id - map.container_id < map.size) return map.host_id + (id - map.container_id);
  }
  return std::nullopt;
}

/// The specification's conditions for giving the cgroup away: the container sees it alone, and may write.
bool wants_its_cgroup(const oci::Config& config) {
  if (!config.process || !config.linux_.makes(oci::NamespaceType::kCgroup)) return false;
  return std::any_of(config.mounts.begin(), config.mounts.end(), [](const oci::Mount& mount) {
    return mount.source == "cgroup" && mount.destination == "/sys/fs/cgroup" &&
           std::find(mount.options.begin(), mount.options.end(), "ro") == mount.options.end();
  });
}

}  // namespace

std::string describe_memory_limit(const oci::Config& config) {
  const auto& memory = config.linux_.resources.memory;
  if (!memory || memory->limit.value_or(-1) <= 0) return "";
  return ": linux.resources.memory.limit is " + std::to_string(*memory->limit) + " bytes";
}

void require_root_directory(const oci::Config& config, const std::string& bundle) {
  if (!config.root) throw std::runtime_error("config.json: missing root");
  const std::string& path = config.root->path;
  struct stat status {};
  base::check(::stat(path.c_str(), &status), "invalid rootfs: stat", path);
  if (!S_ISDIR(status.st_mode)) throw std::runtime_error("invalid rootfs: " + path + ": not a directory");
  const auto clean_bundle = oci::clean_path(bundle);
  const bool is_below = path.starts_with(clean_bundle + "/");
  const auto real_bundle = std::filesystem::canonical(clean_bundle).string();
  if (std::filesystem::canonical(path) != (is_below ? real_bundle + path.substr(clean_bundle.size()) : path))
    throw std::runtime_error("invalid rootfs: " + path + ": not an absolute path, or a symlink");
}

oci::State NewContainer::state(const char* status, pid_t pid) const {
  oci::State state;
  state.id = record_.id;
  state.status = status;
  state.pid = pid;
  state.bundle = record_.bundle;
  state.annotations = record_.annotations;
  return state;
}

void NewContainer::run_poststop_hooks() {
  std::string text;
  const auto& hooks = config_.hooks.poststop;
  for (const auto& failure :
       run_all_hooks("poststop", hooks, state("stopped", 0), record_.bundle, note_hooks_of(store_, record_.id))) {
    text += (text.empty() ? "" : "; ") + failure;
  }
  if (!text.empty()) throw std::runtime_error(text);
}

void NewContainer::reserve(const std::string& config_json, base::Rollback& rollback) {
  lock_ = store_.reserve(options_.id);
  rollback.add("remove the state directory", [this] { store_.remove(options_.id); });
  if (!options_.notify_socket.empty()) NotifySocket::make_directory(store_.directory(options_.id));
  record_.id = options_.id;
  record_.bundle = options_.bundle;
  record_.rootfs = config_.root->path;
  record_.created = now_rfc3339();
  record_.owner = ::geteuid();
  record_.annotations = config_.annotations;
  record_.no_new_keyring = options_.no_new_keyring;
  record_.is_plain = config_.process && config_.hooks.poststart.empty() && config_.hooks.poststop.empty();
  store_.save_config(record_.id, config_json);
  cgroup_ = plan_cgroup();
  record_.cgroups = cgroup_->paths();
  record_.unit = cgroup_->unit();
  if (config_.linux_.intel_rdt) {
    resctrl_ = ResctrlGroup::plan(*config_.linux_.intel_rdt, record_.id, resctrl_root());
    record_.resctrl = resctrl_->directory();
    record_.resctrl_owned = resctrl_->owned();
  }
  store_.save(record_);
  // Whatever failed, and whether or not another hook has run: as `delete` does, when all else is gone.
  if (!config_.hooks.poststop.empty()) rollback.add("run poststop hooks", [this] { run_poststop_hooks(); });
}

std::unique_ptr<Cgroup> NewContainer::plan_cgroup() const {
  const auto& path = config_.linux_.cgroups_path;
  switch (options_.cgroup_manager) {
    case CgroupManager::kNobody:
      return Cgroup::open({});
    case CgroupManager::kSystemd:
      return plan_systemd_cgroup(path, record_.id, config_.annotations);
    case CgroupManager::kFiles:
      break;
  }
  return Cgroup::plan(path, record_.id);
}

/// Users without rights may have no cgroup to make others in; limits that are asked for are refused then.
void NewContainer::make_cgroup() {
  try {
    cgroup_->create();
  } catch (const base::SystemError& error) {
    const bool denied = error.code() == EACCES || error.code() == EPERM || error.code() == EROFS;
    const bool asked_for = !config_.linux_.cgroups_path.empty() || !record_.unit.empty();
    if (!denied || !options_.rootless || asked_for) throw;
    cgroup_ = Cgroup::open({});
    record_.cgroups.clear();
  }
}

void NewContainer::make_groups(base::Rollback& rollback) {
  make_cgroup();
  rollback.add("remove the cgroup", [this] { cgroup_->destroy(); });
  if (!resctrl_) return;
  resctrl_->create();
  rollback.add("remove the resctrl group", [this] { resctrl_->remove(); });
}

void NewContainer::limit_resources() {
  try {
    cgroup_->apply(config_.linux_.resources);
  } catch (const base::SystemError& error) {
    const auto limit = describe_memory_limit(config_);
    // The kernel could not shrink what the init process already uses.
    if (error.code() != EBUSY || limit.empty()) throw;
    throw std::runtime_error(std::string(error.what()) + " (memory limit too low to start the container?)" + limit);
  }
  give_cgroup_away();
}

void NewContainer::give_cgroup_away() const {
  if (!wants_its_cgroup(config_)) return;
  const auto owner = host_user(config_.linux_, config_.process->user.uid);
  if (!owner || *owner == ::geteuid()) return;
  try {
    cgroup_->give_to(*owner);
  } catch (const base::SystemError& error) {
    // Whoever has no rights on the host can give nothing to another of his users.
    if (error.code() != EPERM || !options_.rootless) throw;
  }
}

void NewContainer::take_over(pid_t pid, base::Fd pidfd) {
  pidfd_ = std::move(pidfd);
  record_.pid = pid;
  record_.start_time = process_start_time(pid);
  store_.save(record_);
}

/// They are there before the hooks run and before sysctls of theirs are set.
void NewContainer::move_net_devices(base::Rollback& rollback) {
  if (config_.linux_.net_devices.empty()) return;
  auto netns = net::NetNs::open("/proc/" + std::to_string(record_.pid) + "/ns/net");
  rollback.add("give back network devices", [this] { net_devices_.give_back(); });
  net_devices_.move_to(std::move(netns));
}

void NewContainer::run_host_hooks() const {
  const auto& hooks = config_.hooks;
  const auto note = note_hooks_of(store_, record_.id);
  const auto creating = state("creating", record_.pid);
  run_hooks("prestart", hooks.prestart, creating, record_.bundle, std::nullopt, note);
  run_hooks("createRuntime", hooks.create_runtime, creating, record_.bundle, std::nullopt, note);
}

void NewContainer::kill_init() {
  if (!pidfd_) return;
  ::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
  siginfo_t info{};
  while (::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED) < 0 && errno == EINTR) {
  }
}

void NewContainer::write_pid_file() const {
  if (!options_.pid_file.empty()) base::write_file_atomic(options_.pid_file, std::to_string(record_.pid), 0644);
}

}  // namespace berth::runtime
