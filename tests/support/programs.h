#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/process.h"

namespace berth::test {

/// The built executable of this name ("bridge", "cnitool", "berth", …).
std::string built(const std::string& name);
/// The directory of all built executables, usable as CNI_PATH.
std::string built_directory();
/// Makes a CNI_PATH of copies of these executables: what is found there is started, not called in its caller's process.
std::string copies_of(const std::vector<std::string>& names, const std::string& directory);
/// A helper program of the tests (tests/support/programs/NAME.cc).
std::string test_program(const std::string& name);
/// Where Debian's containernetworking-plugins are, or "" if the package is missing.
std::string reference_plugins();
/// The absolute path of a program in /usr/sbin, /usr/bin, /sbin or /bin, or "" if it is not installed.
std::string system_program(const std::string& name);

/// Whether this is the virtual machine of tests/vm. To be asked before /run is hidden.
bool is_in_virtual_machine();

struct RunOptions {
  std::map<std::string, std::string> env;  ///< Added to PATH and HOME; nothing else is inherited.
  std::string input;
  std::string working_directory;
  std::chrono::milliseconds timeout{30'000};
};

/// Runs a program (argv[0]: absolute, or looked up by system_program) in this process' namespaces and waits for it.
base::CommandResult run(const std::vector<std::string>& argv, const RunOptions& options = {});

/// As run, but a failure ends the test (as an exception that quotes the command and its stderr); returns stdout.
std::string must_run(const std::vector<std::string>& argv, const RunOptions& options = {});

/// Calls `condition` until it is true (true) or `seconds` are over (false).
bool eventually(const std::function<bool()>& condition, double seconds = 10);

/// Runs a CNI plugin as a runtime would. `env` holds the CNI_* variables; CNI_PATH defaults to the built plugins.
base::CommandResult run_plugin(const std::string& path, const std::map<std::string, std::string>& env,
                               const std::string& config);

/// Puts the legacy tables of this network namespace in use, so that plugins choose them by themselves.
void use_legacy_iptables();
/// Makes the tables of iptables-nft in this network namespace, so that the iptables backend chooses that flavour.
void use_iptables_nft();

/// An environment in which the reference plugins find the legacy iptables: the value for PATH. Puts the legacy tables
/// in use. Makes a directory of symlinks below `directory`.
std::string path_with_legacy_iptables(const std::string& directory);

}  // namespace berth::test
