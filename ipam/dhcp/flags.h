#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace berth::dhcp {

/// The command line of `dhcp daemon`.
struct Flags {
  std::string pidfile;      ///< Empty: none.
  std::string host_prefix;  ///< Where the host's root is seen, if not at /.
  std::string socket_path = "/run/cni/dhcp.sock";
  bool broadcast = false;
  std::chrono::seconds timeout{10};
  std::chrono::seconds resend_max{62};
  std::chrono::seconds resend_timeout{208};
  bool help = false;

  /// Flags as Go programs take them: -name value, -name=value, --name; the value of a switch only after '='. Durations
  /// like "10s", "1m30s", "500ms". Throws std::invalid_argument naming the flag.
  static Flags parse(const std::vector<std::string>& arguments);
  static const char* usage();
};

/// A duration as Go's time.ParseDuration takes it. Throws std::invalid_argument.
std::chrono::nanoseconds parse_duration(const std::string& text);

}  // namespace berth::dhcp
