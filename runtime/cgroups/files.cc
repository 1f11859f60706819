#include "cgroups/files.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <sstream>
#include <stdexcept>

#include "base/error.h"
#include "base/file.h"

namespace berth::runtime::cgroup_files {

namespace fs = std::filesystem;

namespace {

constexpr int kRounds = 11;

void pause_for(long milliseconds) {
  const timespec span{milliseconds / 1000, milliseconds % 1000 * 1'000'000};
  ::nanosleep(&span, nullptr);
}

std::vector<std::string> directories_deepest_first(const std::string& directory) {
  std::vector<std::string> found;
  std::error_code ignored;
  for (auto it = fs::directory_iterator(directory, ignored); it != fs::directory_iterator(); it.increment(ignored)) {
    if (!it->is_directory(ignored)) continue;
    const auto below = directories_deepest_first(it->path());
    found.insert(found.end(), below.begin(), below.end());
  }
  found.push_back(directory);
  return found;
}

void remove_one(const std::string& directory) {
  long pause = 1;
  for (int round = 0; ::rmdir(directory.c_str()) != 0; ++round) {
    if (errno == ENOENT) return;
    if (errno != EBUSY || round == kRounds) base::throw_errno("remove cgroup " + directory);
    pause_for(pause);
    pause *= 2;
  }
}

}  // namespace

void require_above_usage(int64_t limit, std::optional<int64_t> used) {
  if (limit <= 0 || !used || *used < limit) return;
  throw std::runtime_error("linux.resources.memory.limit: " + std::to_string(limit) + " is not above the usage " +
                           std::to_string(*used));
}

std::string text_if_there(const std::string& path) {
  try {
    return base::read_if_present(path).value_or("");
  } catch (const base::SystemError&) {
    return "";
  }
}

std::vector<pid_t> processes_below(const std::string& directory) {
  std::vector<pid_t> pids;
  for (const auto& each : directories_deepest_first(directory)) {
    std::optional<std::string> text;
    try {
      text = base::read_if_present(each + "/cgroup.procs");
    } catch (const base::SystemError& error) {
      if (error.code() != ENODEV && error.code() != EOPNOTSUPP) throw;
    }
    if (!text) continue;
    std::istringstream stream(*text);
    for (pid_t pid = 0; stream >> pid;) pids.push_back(pid);
  }
  return pids;
}

void kill_each(const std::string& directory) {
  long pause = 1;
  for (int round = 0; round < kRounds; ++round) {
    const auto pids = processes_below(directory);
    if (pids.empty()) return;
    for (const pid_t pid : pids) ::kill(pid, SIGKILL);
    pause_for(pause);
    pause *= 2;
  }
}

bool remove_if_empty(const std::string& directory) {
  return ::rmdir(directory.c_str()) == 0 || errno == ENOENT;
}

void remove_tree(const std::string& directory) {
  if (remove_if_empty(directory)) return;
  for (const auto& each : directories_deepest_first(directory)) remove_one(each);
}

uint64_t keyed_value(const std::string& path, const std::string& key) {
  try {
    std::istringstream stream(base::read_file(path));
    std::string name;
    uint64_t value = 0;
    while (stream >> name >> value) {
      if (name == key) return value;
    }
  } catch (const base::SystemError&) {
    return 0;
  }
  return 0;
}

std::string clean(const std::string& path) {
  return fs::path("/" + path).lexically_normal().string();
}

}  // namespace berth::runtime::cgroup_files
