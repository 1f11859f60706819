#pragma once

#include <memory>
#include <string>
#include <vector>

#include "support/own_cgroup.h"

namespace berth::test {

/// Takes this thread to a new network namespace with lo up and without forwarding (the kernel copies the machine's IPv4
/// settings).
void enter_own_network();

/// Gives this process a "host" of its own: new network and mount namespaces, lo up, empty /run, /var/lib/cni and
/// /etc/cni.
void enter_own_host();

/// A "host" of this process' own (enter_own_host) with a scratch directory and a cgroup, whose processes are ended and
/// whose files are removed at destruction. Nothing done in it reaches the machine.
class OwnHost {
 public:
  /// `emptied`: further directories to have empty ones in the place of.
  explicit OwnHost(const std::vector<std::string>& emptied = {});
  ~OwnHost();
  OwnHost(const OwnHost&) = delete;
  OwnHost& operator=(const OwnHost&) = delete;

  /// A fresh directory (on a file system that can hold a root file system).
  const std::string& scratch() const { return scratch_; }
  /// Writes a file below scratch() and returns its path. Parent directories are made.
  std::string write(const std::string& relative_path, const std::string& content) const;
  /// See OwnCgroup::parent.
  const std::string& cgroup_parent() const { return cgroup_->parent(); }

 private:
  std::string scratch_;
  std::unique_ptr<OwnCgroup> cgroup_;
};

}  // namespace berth::test
