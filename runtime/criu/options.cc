#include "criu/options.h"

#include <stdexcept>

namespace berth::runtime::criu {

namespace {

/// Everything that its log can tell.
constexpr int kLogLevel = 4;

/// Numbers of the fields of criu_opts.
enum Field : unsigned {
  kImagesDirFd = 1,
  kPid = 2,
  kLeaveRunning = 3,
  kExtUnixSk = 4,
  kTcpEstablished = 5,
  kEvasiveDevices = 6,
  kShellJob = 7,
  kFileLocks = 8,
  kLogLevelField = 9,
  kLogFile = 10,
  kPageServer = 11,
  kNotifyScripts = 12,
  kRoot = 13,
  kParentImg = 14,
  kTrackMem = 15,
  kAutoDedup = 16,
  kWorkDirFd = 17,
  kLinkRemap = 18,
  kManageCgroups = 24,
  kCgRoot = 25,
  kRstSibling = 26,
  kInheritFd = 27,
  kManageCgroupsMode = 34,
  kExternal = 37,
  kEmptyNs = 38,
  kJoinNs = 39,
  kFreezeCgroup = 44,
  kTcpSkipInFlight = 46,
  kLazyPages = 48,
  kOrphanPtsMaster = 50,
  kConfigFile = 51,
  kLsmProfile = 53,
  kLsmMountContext = 63,
};

void add_flag(Message& message, Field field, bool value) {
  if (value) message.flag(field, true);
}

void add_text(Message& message, Field field, const std::string& value) {
  if (!value.empty()) message.text(field, value);
}

void add_pairs(Message& message, Field field, const std::vector<std::pair<std::string, std::string>>& pairs) {
  for (const auto& [first, second] : pairs) message.message(field, Message().text(1, first).text(2, second));
}

void add_flags(Message& message, const Options& options) {
  add_flag(message, kLeaveRunning, options.leave_running);
  add_flag(message, kTrackMem, options.track_memory);
  add_flag(message, kRstSibling, options.restore_sibling);
  add_flag(message, kEvasiveDevices, options.evasive_devices);
  add_flag(message, kTcpEstablished, options.tcp_established);
  add_flag(message, kTcpSkipInFlight, options.tcp_skip_in_flight);
  add_flag(message, kExtUnixSk, options.external_unix_sockets);
  add_flag(message, kShellJob, options.shell_job);
  add_flag(message, kFileLocks, options.file_locks);
  add_flag(message, kLinkRemap, options.link_remap);
  add_flag(message, kAutoDedup, options.auto_dedup);
  add_flag(message, kLazyPages, options.lazy_pages);
}

}  // namespace

CgroupsMode cgroups_mode(const std::string& name) {
  constexpr std::pair<const char*, CgroupsMode> kModes[] = {
      {"ignore", CgroupsMode::kIgnore}, {"none", CgroupsMode::kNone}, {"props", CgroupsMode::kProperties},
      {"soft", CgroupsMode::kSoft},     {"full", CgroupsMode::kFull}, {"strict", CgroupsMode::kStrict}};
  for (const auto& [known, mode] : kModes) {
    if (name == known) return mode;
  }
  throw std::runtime_error("Invalid manage-cgroups-mode: \"" + name +
                           "\", expected ignore, none, props, soft, full or strict");
}

Message Options::encode() const {
  Message message;
  message.number(kImagesDirFd, images_fd);
  if (work_fd >= 0) message.number(kWorkDirFd, work_fd);
  message.number(kLogLevelField, kLogLevel);
  add_text(message, kLogFile, log_file);
  add_text(message, kRoot, root);
  add_text(message, kParentImg, parent_images);
  add_text(message, kConfigFile, config_file);
  if (pid > 0) message.number(kPid, pid);
  add_flags(message, *this);
  add_text(message, kFreezeCgroup, freeze_cgroup);
  if (!page_server_address.empty()) {
    message.message(kPageServer, Message().text(1, page_server_address).number(2, page_server_port));
  }
  message.flag(kNotifyScripts, true).flag(kManageCgroups, true).flag(kOrphanPtsMaster, true);
  if (cgroups_mode) message.number(kManageCgroupsMode, static_cast<int>(*cgroups_mode));
  add_pairs(message, kCgRoot, cgroup_roots);
  add_pairs(message, kJoinNs, join_namespaces);
  for (const auto& [name, fd] : inherited) message.message(kInheritFd, Message().text(1, name).number(2, fd));
  for (const auto& entry : external) message.text(kExternal, entry);
  if (empty_namespaces != 0) message.number(kEmptyNs, empty_namespaces);
  add_text(message, kLsmProfile, lsm_profile);
  add_text(message, kLsmMountContext, lsm_mount_context);
  return message;
}

}  // namespace berth::runtime::criu
