#include "commands/criu_flags.h"

#include <unistd.h>

#include <stdexcept>

#include "commands/command.h"
#include "log.h"

namespace berth::runtime {

void CriuFlags::define(CommandLine& line) {
  line.value("image-path", image_path_, "directory of the images (default: ./checkpoint)");
  line.value("work-path", work_path_, "directory of logs and work files (default: that of the images)");
  line.flag("tcp-established", options_.tcp_established, "allow open TCP connections");
  line.flag("ext-unix-sk", options_.external_unix_sockets, "allow unix sockets to the outside");
  line.flag("shell-job", options_.shell_job, "allow a terminal and a session of the outside");
  line.flag("file-locks", options_.file_locks, "allow file locks");
  line.value("manage-cgroups-mode", cgroups_mode_, "ignore, none, props, soft (default), full or strict");
  line.values("empty-ns", empty_namespaces_, "make a namespace, but do not restore its content: network");
  line.flag("auto-dedup", options_.auto_dedup, "drop pages of older images that newer ones have");
  line.flag("lazy-pages", options_.lazy_pages, "load pages when they are touched (userfaultfd)");
}

CriuOptions CriuFlags::options() const {
  // The network namespace is always restored without content: devices are the business of hooks.
  for (const auto& name : empty_namespaces_) {
    if (name != "network") throw std::runtime_error("namespace \"" + name + "\" is not supported");
  }
  CriuOptions options = options_;
  options.image_path = absolute_path(image_path_.empty() ? "checkpoint" : image_path_);
  options.work_path = absolute_path(work_path_);
  if (!cgroups_mode_.empty()) options.cgroups_mode = criu::cgroups_mode(cgroups_mode_);
  return options;
}

void warn_without_root() {
  if (::geteuid() != 0) log_warning("checkpoint and restore without root's rights are not tested");
}

}  // namespace berth::runtime
