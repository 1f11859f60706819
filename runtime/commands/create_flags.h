#pragma once

#include <string>

#include "commands/command.h"
#include "commands/command_line.h"
#include "container/lifecycle.h"
#include "container/pod.h"
#include "network/network_flags.h"

namespace berth::runtime {

/// What `create`, `run` and `restore` have in common: their flags, and the way from those to a complete configuration.
class CreateFlags {
 public:
  /// Of `create` and `run`.
  void define(CommandLine& line);
  /// Of `restore`: without what only a new process can be given.
  void define_for_restore(CommandLine& line);

  /// Everything that lifecycle.h needs.
  struct Prepared {
    oci::Config config;
    std::string config_json;
  };

  /// Fills in `options`, then loads, completes and checks the bundle's configuration. `detached`: nobody will be there
  /// to relay a terminal.
  Prepared prepare(const Globals& globals, const std::string& id, bool detached, CreateOptions& options) const;

 private:
  std::string bundle_;
  std::string console_socket_;
  std::string pidfd_socket_;
  std::string pid_file_;
  bool no_pivot_ = false;
  bool no_new_keyring_ = false;
  int preserve_fds_ = 0;
  NetworkFlags network_;
  std::string pod_;
  std::vector<std::string> share_;
};

/// Throws runc's text if a terminal and --console-socket do not fit together.
void check_console(bool terminal, bool detached, const std::string& console_socket);

/// The specification asks for a warning of capabilities that a process is not given, although it should have them.
void warn_of_unavailable_capabilities(const oci::Process& process, const oci::Config& config);

}  // namespace berth::runtime
