#include "support/own_cgroup.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "base/file.h"

namespace berth::test {

namespace fs = std::filesystem;

namespace {

/// Mount points of the hierarchies of this type ("cgroup", "cgroup2").
std::vector<std::string> hierarchies(const std::string& wanted_type) {
  std::vector<std::string> found;
  std::ifstream mounts("/proc/self/mounts");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream fields(line);
    std::string source;
    std::string target;
    std::string type;
    fields >> source >> target >> type;
    if (type == wanted_type) found.push_back(target);
  }
  return found;
}

/// This process' cgroup in the hierarchy mounted at `mount_point`: the directory whose cgroup.procs lists it.
std::string present_directory(const std::string& mount_point) {
  std::ifstream cgroups("/proc/self/cgroup");
  const std::string name = fs::path(mount_point).filename();
  for (std::string line; std::getline(cgroups, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    std::string controllers = line.substr(first + 1, second - first - 1);
    if (controllers.rfind("name=", 0) == 0) controllers = controllers.substr(5);
    if (controllers == name) return mount_point + (line.substr(second + 1) == "/" ? "" : line.substr(second + 1));
  }
  return mount_point;
}

/// The same in the v2 hierarchy.
std::string present_unified_directory(const std::string& mount_point) {
  std::ifstream cgroups("/proc/self/cgroup");
  for (std::string line; std::getline(cgroups, line);) {
    if (line.rfind("0::/", 0) == 0) return mount_point + (line == "0::/" ? "" : line.substr(3));
  }
  return mount_point;
}

/// Lets the cgroups below `directory` have the controllers that it has itself, as far as the kernel allows.
void pass_on_controllers(const std::string& directory) {
  std::istringstream controllers(base::read_file(directory + "/cgroup.controllers"));
  for (std::string controller; controllers >> controller;) {
    std::ofstream(directory + "/cgroup.subtree_control") << "+" << controller << std::flush;
  }
}

void join(const std::string& directory) {
  base::write_existing(directory + "/cgroup.procs", std::to_string(::getpid()));
}

std::vector<fs::path> directories_below(const std::string& directory) {
  std::vector<fs::path> found{directory};
  std::error_code ignored;
  for (auto it = fs::recursive_directory_iterator(directory, ignored); it != fs::recursive_directory_iterator();
       it.increment(ignored)) {
    if (it->is_directory(ignored)) found.push_back(it->path());
  }
  return found;
}

/// Ends everything in the cgroup but ourselves.
void end_processes(const std::string& directory) {
  for (int round = 0; round < 200; ++round) {
    bool any = false;
    for (const auto& each : directories_below(directory)) {
      std::ifstream procs(each / "cgroup.procs");
      for (pid_t pid = 0; procs >> pid;) {
        if (pid == ::getpid()) continue;
        ::kill(pid, SIGKILL);
        any = true;
      }
    }
    if (!any) return;
    ::usleep(5000);
  }
}

void remove(const std::string& directory) {
  auto directories = directories_below(directory);
  std::sort(directories.rbegin(), directories.rend());
  for (const auto& each : directories) ::rmdir(each.c_str());
}

}  // namespace

namespace {
std::string own_name;  // One test runs in a process at a time.
}

bool OwnCgroup::is_of_another_test(const std::string& name) {
  return name.starts_with(kNames) && name != own_name;
}

OwnCgroup::OwnCgroup(const std::string& name) : parent_("/" + name) {
  own_name = name;
  const auto v1 = hierarchies("cgroup");
  for (const auto& mount_point : v1) {
    const std::string before = present_directory(mount_point);
    const std::string own = before + "/" + name;
    std::error_code error;
    if (!fs::create_directory(own, error) || error) continue;
    for (const char* file : {"/cpuset.cpus", "/cpuset.mems"}) {
      if (fs::exists(own + file, error)) base::write_existing(own + file, base::read_file(before + file));
    }
    join(own);
    before_[own] = before;
  }
  if (!v1.empty()) return;
  for (const auto& mount_point : hierarchies("cgroup2")) {
    const std::string before = present_unified_directory(mount_point);
    const std::string own = before + "/" + name;
    std::error_code error;
    if (!fs::create_directory(own, error) || error) continue;
    before_[own] = before;
    // A runtime puts containers beside its own cgroup: one with processes cannot have cgroups with controllers below.
    fs::create_directory(own + "/tests");
    join(own + "/tests");
    pass_on_controllers(before);
    pass_on_controllers(own);
  }
}

OwnCgroup::~OwnCgroup() {
  for (const auto& [own, before] : before_) {
    try {
      join(before);
      end_processes(own);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
    }
    remove(own);
  }
  for (const char* type : {"cgroup", "cgroup2"}) {
    for (const auto& mount_point : hierarchies(type)) {
      end_processes(mount_point + parent_);
      remove(mount_point + parent_);
    }
  }
}

}  // namespace berth::test
