#include "container/criu_session.h"

#include <fcntl.h>
#include <sched.h>

#include <filesystem>
#include <stdexcept>

#include "base/error.h"
#include "base/file.h"

namespace berth::runtime {

namespace {

/// CRIU's settings for containers; a file that is not there does not matter.
constexpr const char* kConfigFile = "/etc/criu/runc.conf";
constexpr const char* kConfigDirectory = "/etc/criu/";
constexpr const char* kConfigAnnotation = "org.criu.config";

base::Fd open_directory(const std::string& path, mode_t mode, pid_t seen_by) {
  base::make_directories(path, mode);
  return base::open_file("/proc/" + std::to_string(seen_by) + "/root" + path, O_RDONLY | O_DIRECTORY);
}

/// Such a file can name programs that CRIU runs as the host's root. Annotations come from images and pods, too: they
/// may choose among the administrator's files, and nothing else.
std::string config_file(const oci::Annotations& annotations) {
  const auto found = annotations.find(kConfigAnnotation);
  if (found == annotations.end()) return kConfigFile;
  if (found->second.empty()) return "";
  std::error_code error;
  const auto path = std::filesystem::canonical(found->second, error).string();
  if (!error && path.starts_with(kConfigDirectory)) return path;
  throw std::runtime_error(
      std::string("annotations: ") + kConfigAnnotation + ": \"" + found->second +
      (error ? "\": " + base::errno_text(error.value()) : std::string("\" is not in ") + kConfigDirectory));
}

}  // namespace

CriuDirectories::CriuDirectories(const CriuOptions& options, const oci::Config& config, const char* log_file,
                                 pid_t seen_by)
    : images_(open_directory(options.image_path, config.linux_.has(oci::NamespaceType::kUser) ? 0711 : 0700, seen_by)),
      log_directory_(options.work_path.empty() ? options.image_path : options.work_path),
      log_file_(log_file) {
  if (!options.work_path.empty()) work_ = open_directory(options.work_path, 0700, seen_by);
}

void CriuDirectories::apply_to(criu::Options& options) const {
  options.images_fd = images_.get();
  options.work_fd = work_.get();
  options.log_file = log_file_;
}

criu::Options common_options(const CriuOptions& options, const oci::Config& config) {
  criu::Options common;
  common.config_file = config_file(config.annotations);
  // Devices and addresses are the business of hooks, which run again.
  common.empty_namespaces = CLONE_NEWNET;
  common.cgroups_mode = options.cgroups_mode;
  common.tcp_established = options.tcp_established;
  common.external_unix_sockets = options.external_unix_sockets;
  common.shell_job = options.shell_job;
  common.file_locks = options.file_locks;
  common.auto_dedup = options.auto_dedup;
  common.lazy_pages = options.lazy_pages;
  return common;
}

}  // namespace berth::runtime
