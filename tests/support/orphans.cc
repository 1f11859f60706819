#include "support/orphans.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

#include "base/error.h"
#include "base/file.h"

namespace berth::test {

std::vector<pid_t> children() {
  const std::string self = std::to_string(::getpid());
  std::istringstream list(base::read_file("/proc/" + self + "/task/" + self + "/children"));
  std::vector<pid_t> pids;
  for (pid_t pid = 0; list >> pid;) pids.push_back(pid);
  return pids;
}

namespace {

void reap_the_dead() {
  while (::waitpid(-1, nullptr, WNOHANG) > 0) {
  }
}

std::string describe(pid_t pid) {
  std::string words;
  try {
    words = base::read_file("/proc/" + std::to_string(pid) + "/cmdline");
  } catch (const base::SystemError&) {
    words = "(gone)";
  }
  std::replace(words.begin(), words.end(), '\0', ' ');
  return std::to_string(pid) + " " + words;
}

}  // namespace

void adopt_orphans() {
  base::check(::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "become a subreaper");
}

void leave_orphans() {
  base::check(::prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0), "stop being a subreaper");
}

std::vector<std::string> living_orphans() {
  for (int round = 0; round < 2000; ++round) {
    reap_the_dead();
    if (children().empty()) return {};
    const timespec pause{0, 1'000'000};
    ::nanosleep(&pause, nullptr);
  }
  std::vector<std::string> found;
  for (const pid_t pid : children()) found.push_back(describe(pid));
  return found;
}

void end_orphans() {
  for (const pid_t pid : children()) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
  }
}

}  // namespace berth::test
