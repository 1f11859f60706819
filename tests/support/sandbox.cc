#include "support/sandbox.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "base/error.h"
#include "base/file.h"
#include "support/programs.h"

namespace berth::test {

namespace fs = std::filesystem;
using base::check;

namespace {

std::string sorted_lines(const std::string& text, const std::string& prefix) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    // Counters and comments change by themselves.
    if (line.empty() || line[0] == '#') continue;
    // That a table exists is the kernel's memory of having been asked; its built-in chains are no leak.
    static const std::regex built_in(
        "\\*(nat|filter|mangle|raw)|COMMIT|:(PREROUTING|INPUT|FORWARD|OUTPUT|POSTROUTING) ACCEPT.*");
    if (std::regex_match(line, built_in)) continue;
    if (line[0] == ':') line = line.substr(0, line.find(" ["));
    // Columns are as wide as the longest name there has been.
    line.erase(std::unique(line.begin(), line.end(), [](char a, char b) { return a == ' ' && b == ' '; }), line.end());
    lines.push_back(prefix + line + "\n");
  }
  std::sort(lines.begin(), lines.end());
  std::string joined;
  for (const auto& line : lines) joined += line;
  return joined;
}

std::string files_below(const std::string& directory) {
  std::string text;
  std::error_code ignored;
  for (auto it = fs::recursive_directory_iterator(directory, fs::directory_options::skip_permission_denied, ignored);
       it != fs::recursive_directory_iterator(); it.increment(ignored)) {
    const std::string name = it->path().filename();
    // Locks and round-robin memory stay by design; an empty directory is no leak.
    if (it->is_directory(ignored) || name == "lock" || name.ends_with(".lock") || name.starts_with("last_reserved_ip"))
      continue;
    text += it->path().string() + "\n";
  }
  return sorted_lines(text, "file ");
}

std::string output_of(const std::vector<std::string>& argv) {
  const auto result = run(argv);
  return result.ok() ? result.output : "";
}

}  // namespace

std::string without_carrier(const std::string& text) {
  return std::regex_replace(
      text, std::regex("NO-CARRIER,|,LOWER_UP| linkdown| tentative| (UP|DOWN|UNKNOWN|LOWERLAYERDOWN)(?= ) *"), "");
}

NamedNetNs::NamedNetNs(const std::string& name) : name_(name), path_("/run/netns/" + name) {
  base::make_directories("/run/netns", 0755);
  base::open_file(path_, O_RDONLY | O_CREAT | O_EXCL, 0444);
  // A thread of its own makes the namespace, so that this one never leaves its own.
  std::string failure;
  std::thread([&] {
    try {
      enter_own_network();
      check(::mount("/proc/thread-self/ns/net", path_.c_str(), nullptr, MS_BIND, nullptr), "bind the namespace at",
            path_);
    } catch (const std::exception& error) {
      failure = error.what();
    }
  }).join();
  if (!failure.empty()) throw std::runtime_error(failure);
}

NamedNetNs::~NamedNetNs() {
  remove();
}

void NamedNetNs::remove() {
  ::umount2(path_.c_str(), MNT_DETACH);
  ::unlink(path_.c_str());
}

void Sandbox::SetUp() {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  host_ = std::make_unique<OwnHost>();
}

void Sandbox::TearDown() {
  host_.reset();
}

const OwnHost& Sandbox::host() const {
  if (!host_) throw std::logic_error("this test has no host: it is skipped");
  return *host_;
}

std::string Sandbox::host_state() const {
  std::string text;
  text += sorted_lines(without_carrier(output_of({"ip", "-o", "-br", "link"})), "link ");
  text += sorted_lines(without_carrier(output_of({"ip", "-o", "-br", "address"})), "address ");
  text += sorted_lines(without_carrier(output_of({"ip", "-4", "route", "show", "table", "all"})), "route4 ");
  text += sorted_lines(without_carrier(output_of({"ip", "-6", "route", "show", "table", "main"})), "route6 ");
  text += sorted_lines(output_of({"iptables-legacy-save"}), "iptables ");
  text += sorted_lines(output_of({"ip6tables-legacy-save"}), "ip6tables ");
  if (!system_program("nft").empty()) text += sorted_lines(output_of({"nft", "-n", "list", "ruleset"}), "nft ");
  for (const char* directory : {"/var/lib/cni", "/run", "/var/lib/berth"}) text += files_below(directory);
  std::string mounts;
  std::ifstream mountinfo("/proc/self/mounts");
  for (std::string line; std::getline(mountinfo, line);) {
    // The options of the one v2 hierarchy are the machine's.
    const auto cgroup2 = line.find(" cgroup2 ");
    mounts += line.substr(0, cgroup2) + (cgroup2 == std::string::npos ? "\n" : " cgroup2\n");
  }
  text += sorted_lines(mounts, "mount ");
  return text;
}

std::vector<std::string> cgroups_of(const std::string& container_id) {
  std::vector<std::string> found;
  std::error_code ignored;
  for (auto it = fs::recursive_directory_iterator("/sys/fs/cgroup", ignored); it != fs::recursive_directory_iterator();
       it.increment(ignored)) {
    if (!it->is_directory(ignored)) continue;
    const std::string name = it->path().filename();
    // Tests that run at the same time have containers of the same ids.
    if (OwnCgroup::is_of_another_test(name)) {
      it.disable_recursion_pending();
      continue;
    }
    if (name.find(container_id) != std::string::npos) found.push_back(it->path());
  }
  return found;
}

Background::Background(const std::vector<std::string>& argv, const std::string& output,
                       const std::vector<std::string>& env, const std::string& input) {
  std::vector<char*> words;
  for (const auto& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  const std::string path = argv.at(0).find('/') == std::string::npos ? system_program(argv[0]) : argv[0];
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, input.c_str(), O_RDONLY, 0);
  for (const int fd : {1, 2}) {
    ::posix_spawn_file_actions_addopen(&actions, fd, output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  }
  ::posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  char path_entry[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
  std::vector<char*> environment{path_entry};
  for (const auto& entry : env) environment.push_back(const_cast<char*>(entry.c_str()));
  environment.push_back(nullptr);
  const int failure = ::posix_spawn(&pid_, path.c_str(), &actions, nullptr, words.data(), environment.data());
  ::posix_spawn_file_actions_destroy(&actions);
  if (failure != 0) throw base::SystemError("run " + path, failure);
}

Background::~Background() {
  end();
}

void Background::end() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

int Background::terminate() {
  if (pid_ <= 0) return -1;
  int status = 0;
  ::kill(pid_, SIGTERM);
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace berth::test
