#pragma once

#include <string>
#include <vector>

#include "container/store.h"

namespace berth::runtime {

/// What the flags before the command say.
struct Globals {
  std::string root;            ///< Absolute; empty: the default.
  std::string cgroup_manager;  ///< "", cgroupfs, systemd or disabled
  bool systemd_cgroup = false;
  bool rootless = false;  ///< Without root's rights on the host.

  /// Throws if ROOT is "/".
  Store store() const;
};

using Words = std::vector<std::string>;

/// One command of the command line. `words` is what follows its name; the return value is the exit status.
struct Command {
  const char* name;
  const char* summary;
  int (*run)(const Globals& globals, const Words& words);
};

int checkpoint_command(const Globals& globals, const Words& words);
int create_command(const Globals& globals, const Words& words);
int delete_command(const Globals& globals, const Words& words);
int events_command(const Globals& globals, const Words& words);
int exec_command(const Globals& globals, const Words& words);
int features_command(const Globals& globals, const Words& words);
int kill_command(const Globals& globals, const Words& words);
int list_command(const Globals& globals, const Words& words);
int network_command(const Globals& globals, const Words& words);
int pause_command(const Globals& globals, const Words& words);
int port_command(const Globals& globals, const Words& words);
int ps_command(const Globals& globals, const Words& words);
int restore_command(const Globals& globals, const Words& words);
int resume_command(const Globals& globals, const Words& words);
int run_command(const Globals& globals, const Words& words);
int spec_command(const Globals& globals, const Words& words);
int start_command(const Globals& globals, const Words& words);
int state_command(const Globals& globals, const Words& words);
int update_command(const Globals& globals, const Words& words);

/// Reads the whole command line, runs the command, writes the log, returns the exit status.
int run_command_line(int argc, char** argv);

/// Writes to stdout.
void print(const std::string& text);

/// A path as given on the command line, made absolute and clean. An empty one stays empty.
std::string absolute_path(const std::string& path);

/// The directory that a change of directory to `path` would lead to, without symbolic links, as runc has it; empty: the
/// current one. Where it leads nowhere, the path as it is: who opens a file there says what is wrong.
std::string bundle_directory(const std::string& path);

}  // namespace berth::runtime
