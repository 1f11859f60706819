#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "net/ip.h"
#include "net/netns.h"
#include "support/own_host.h"

namespace berth::test {

/// A network namespace with a name: bound at /run/netns/NAME (visible to `ip netns`), lo up, removed at destruction.
class NamedNetNs {
 public:
  explicit NamedNetNs(const std::string& name);
  ~NamedNetNs();
  NamedNetNs(const NamedNetNs&) = delete;
  NamedNetNs& operator=(const NamedNetNs&) = delete;

  const std::string& name() const { return name_; }
  const std::string& path() const { return path_; }
  net::NetNs open() const { return net::NetNs::open(path_); }
  /// Unbinds it now; the namespace ends when its last process does.
  void remove();

 private:
  std::string name_;
  std::string path_;
};

/// A test with a "host" of its own: new network and mount namespaces, lo up, empty /run, /tmp, /var/lib/cni and
/// /etc/cni, and a scratch directory. Nothing it does reaches the machine. Needs root: skipped, visibly, without.
class Sandbox : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  /// A fresh directory of this test (on a file system that can hold a root file system).
  const std::string& scratch() const { return host().scratch(); }
  /// Writes a file below scratch() and returns its path. Parent directories are made.
  std::string write(const std::string& relative_path, const std::string& content) const {
    return host().write(relative_path, content);
  }

  /// Everything a container or an attachment could leave behind in this sandbox, as text, one thing per line: links,
  /// addresses, routes, neighbours excepted; legacy iptables rules of both families; files below /var/lib/cni, /run
  /// (without locks) and the state directories; mounts. Compare before and after. (Cgroups are the machine's: see
  /// cgroups_of.)
  std::string host_state() const;

 private:
  const OwnHost& host() const;

  std::unique_ptr<OwnHost> host_;
};

/// What `ip` printed, without what comes by itself a moment after a link is up: that is no trace of anything.
std::string without_carrier(const std::string& text);

/// Cgroup directories, in any hierarchy, whose name contains this container id. Those of tests that run at the same
/// time do not count.
std::vector<std::string> cgroups_of(const std::string& container_id);

/// A bundle directory with a busybox root file system and `config.json`. `config` is the text written (see
/// busybox_spec).
std::string make_bundle(const std::string& directory, const std::string& config);
/// Just the root file system: busybox with all applets, /etc/passwd, /etc/group, /tmp, /proc, /sys, /dev.
void make_busybox_rootfs(const std::string& directory);
/// The default spec of runc (1.0.2, understood by every runtime), with these args and without a terminal; more by
/// editing the JSON.
std::string busybox_spec(const std::vector<std::string>& args);

/// A GET over TCP from this thread's namespace: the body. Throws with the reason on failure. Tries for `seconds` at
/// most.
std::string http_get(const net::IpAddress& address, uint16_t port, const std::string& path = "/", double seconds = 5);
/// As above, once, short wait: true if something answers.
bool answers(const net::IpAddress& address, uint16_t port, double seconds = 0.5);

/// A process of this test that is ended by pid at destruction.
class Background {
 public:
  /// Runs `argv` in this thread's namespaces, with `env` beside PATH; reads from the file `input`, appends to the file
  /// `output`.
  explicit Background(const std::vector<std::string>& argv, const std::string& output = "/dev/null",
                      const std::vector<std::string>& env = {}, const std::string& input = "/dev/null");
  ~Background();
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;
  pid_t pid() const { return pid_; }
  void end();
  /// Sends SIGTERM and waits for the end: the exit status, or -1 if a signal ended it.
  int terminate();

 private:
  pid_t pid_ = -1;
};

}  // namespace berth::test
