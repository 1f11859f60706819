#include "support/programs.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>
#include <thread>

#include "base/error.h"
#include "base/file.h"

namespace berth::test {

std::string built_directory() {
  return BERTH_TEST_BIN;
}
std::string built(const std::string& name) {
  return built_directory() + "/" + name;
}
std::string copies_of(const std::vector<std::string>& names, const std::string& directory) {
  std::filesystem::create_directory(directory);
  for (const auto& name : names) std::filesystem::copy_file(built(name), directory + "/" + name);
  return directory;
}
std::string test_program(const std::string& name) {
  return std::string(BERTH_TEST_BIN) + "/../tests/bin/" + name;
}

std::string reference_plugins() {
  return ::access("/usr/lib/cni/bridge", X_OK) == 0 ? "/usr/lib/cni" : "";
}

bool is_in_virtual_machine() {
  static const bool kIs = ::access("/run/vm-run", F_OK) == 0;
  return kIs;
}

std::string system_program(const std::string& name) {
  for (const char* directory : {"/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"}) {
    if (::access((directory + name).c_str(), X_OK) == 0) return directory + name;
  }
  return "";
}

base::CommandResult run(const std::vector<std::string>& argv, const RunOptions& options) {
  base::Command command;
  command.path = argv.at(0).find('/') == std::string::npos ? system_program(argv[0]) : argv[0];
  if (command.path.empty()) throw std::runtime_error("program not installed: " + argv[0]);
  command.argv = argv;
  std::map<std::string, std::string> env{{"PATH", "/usr/sbin:/usr/bin:/sbin:/bin"}, {"HOME", "/root"}};
  for (const auto& [key, value] : options.env) env[key] = value;
  for (const auto& [key, value] : env) command.env.push_back(key + "=" + value);
  command.input = options.input;
  command.working_directory = options.working_directory;
  command.timeout = options.timeout;
  return base::run_command(command);
}

std::string must_run(const std::vector<std::string>& argv, const RunOptions& options) {
  auto result = run(argv, options);
  if (!result.ok()) {
    std::string text;
    for (const auto& word : argv) text += word + " ";
    throw std::runtime_error(text + ": " + (result.timed_out ? "timed out" : result.status_text()) + "\n" +
                             result.error + result.output);
  }
  return std::move(result.output);
}

bool eventually(const std::function<bool()>& condition, double seconds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

base::CommandResult run_plugin(const std::string& path, const std::map<std::string, std::string>& env,
                               const std::string& config) {
  RunOptions options;
  options.env = env;
  options.env.try_emplace("CNI_PATH", built_directory());
  options.input = config;
  return run({path}, options);
}

std::string path_with_legacy_iptables(const std::string& directory) {
  const std::string multi = system_program("xtables-legacy-multi");
  if (multi.empty()) throw std::runtime_error("xtables-legacy-multi is not installed (package iptables)");
  base::make_directories(directory, 0755);
  for (const char* name :
       {"iptables", "ip6tables", "iptables-save", "ip6tables-save", "iptables-restore", "ip6tables-restore"}) {
    const std::string link = directory + "/" + name;
    if (::symlink(multi.c_str(), link.c_str()) != 0 && errno != EEXIST) base::throw_errno("symlink " + link);
  }
  use_legacy_iptables();
  return directory + ":/usr/sbin:/usr/bin:/sbin:/bin";
}

void use_legacy_iptables() {
  must_run({"iptables-legacy", "-t", "nat", "-S"});
}

void use_iptables_nft() {
  for (const char* program : {"iptables-nft", "ip6tables-nft"}) {
    for (const char* chain : {"PREROUTING", "OUTPUT", "POSTROUTING"}) {
      for (const char* action : {"-A", "-D"}) must_run({program, "-t", "nat", action, chain, "-j", "ACCEPT"});
    }
  }
}

}  // namespace berth::test
