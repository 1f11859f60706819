// The floor: what the kernel itself costs, for berth to be compared with.
//
//   floor prepare NETNS | add NETNS | del NETNS      an attachment with a published port
//   floor run ROOTFS PROGRAM [ARG…]                  a container, with a network namespace
//   floor run-host-network ROOTFS PROGRAM [ARG…]     a container without
//
// And, since it is small itself:
//
//   floor peak PROGRAM [ARG…]                        runs it; prints the peak memory of its largest process in KiB

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <exception>

#include "bench/floor/container.h"
#include "bench/floor/network.h"

namespace {

/// What a program inherits of its parent's memory between fork and exec counts as its own.
int print_peak(char** argv) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    const int nowhere = ::open("/dev/null", O_WRONLY);
    ::dup2(nowhere, STDOUT_FILENO);
    ::execv(argv[0], argv);
    ::_exit(127);
  }
  int status = 0;
  rusage usage{};
  ::wait4(pid, &status, 0, &usage);
  std::printf("%ld\n", usage.ru_maxrss);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace berth::bench;
  if (argc < 3) {
    std::fprintf(stderr, "usage: floor prepare|add|del NETNS, floor run|run-host-network ROOTFS PROGRAM [ARG…]\n");
    return 2;
  }
  const char* command = argv[1];
  if (std::strcmp(command, "peak") == 0) return print_peak(argv + 2);
  try {
    if (std::strncmp(command, "run", 3) == 0 && argc > 3) {
      return run_contained(argv[2], {argv + 3, argv + argc}, std::strcmp(command, "run") == 0);
    }
    if (std::strcmp(command, "prepare") == 0) return prepare_network(), 0;
    if (std::strcmp(command, "add") == 0) return attach(argv[2]), 0;
    if (std::strcmp(command, "del") == 0) return detach(), 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "floor: %s\n", error.what());
    return 1;
  }
  std::fprintf(stderr, "floor: unknown command %s\n", command);
  return 2;
}
