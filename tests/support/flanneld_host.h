#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/process.h"
#include "support/killed.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::test {

/// The flannel plugin on a host whose flanneld has written /run/flannel/subnet.env, for the container "box".
class FlanneldHost : public Sandbox {
 protected:
  /// Where the plugin keeps its records.
  static constexpr const char* kDataDir = "/var/lib/cni/flannel";

  void SetUp() override;

  static void write_subnet_file(const std::string& content);

  /// One command with config_ on stdin.
  base::CommandResult call(const std::string& command, const std::string& ifname = "eth0",
                           const std::string& plugins = built_directory(), const std::string& id = "box") const;
  /// The same, to be run otherwise.
  Program program(const std::string& command, const std::string& ifname = "eth0",
                  const std::string& plugins = built_directory(), const std::string& id = "box") const;
  /// The result of an ADD that must succeed.
  base::Json add(const std::string& ifname = "eth0") const;
  /// A command that must succeed, silently.
  void expect_ok(const std::string& command, const std::string& ifname = "eth0") const;

  /// The host's state and the container's addresses.
  std::string everything() const;
  /// The names of the records, sorted.
  static std::vector<std::string> kept();

  std::unique_ptr<NamedNetNs> box_;
  base::Json config_;
};

}  // namespace berth::test
