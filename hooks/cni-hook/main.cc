// cni-hook [createRuntime|prestart|poststop]: the OCI hook that gives a container its networks (docs/hooks.md).

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "attach.h"
#include "base/file.h"
#include "container_netns.h"
#include "oci/network_annotations.h"
#include "oci/state.h"
#include "plan.h"
#include "plugins/multicall/programs.h"
#include "settings.h"
#include "stage.h"

namespace berth::cni_hook {
namespace {

void attach_container(const oci::State& state) {
  const auto setup = oci::network_setup(state.annotations);
  if (setup.empty()) return;
  const auto settings = Settings::of(setup);
  const Deadline deadline(settings.timeout);
  attach(plan(setup, settings, oci::cni_container_id(state.id), container_netns(state)), settings, deadline);
}

/// What the annotations ask for. What is wrong with them was said when the container was created, and must not keep
/// its recorded attachments from being removed.
oci::NetworkSetup setup_to_remove(const oci::State& state) {
  try {
    return oci::network_setup(state.annotations);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "cni-hook: %s\n", error.what());
    return {};
  }
}

void detach_container(const oci::State& state) {
  const auto setup = setup_to_remove(state);
  const auto settings = Settings::of(setup);
  detach(oci::cni_container_id(state.id), setup, settings, Deadline(settings.timeout));
}

/// An interrupted terminal ends the container, not the hook half way: it has a deadline, and poststop follows.
void block_interruptions() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, signal);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
}

void run(const std::string& argument) {
  block_interruptions();
  ::umask(022);
  const auto state = oci::State::from_json(base::read_all(STDIN_FILENO, "the container's State from stdin"));
  const char* environment = std::getenv("OCI_HOOK_STAGE");
  const auto stage = stage_of(environment == nullptr ? "" : environment, argument, state.status);
  if (stage == Stage::kAttach)
    attach_container(state);
  else
    detach_container(state);
}

}  // namespace
}  // namespace berth::cni_hook

int berth::multicall::cni_hook_main(int argc, char** argv) {
  try {
    berth::cni_hook::run(argc > 1 ? argv[1] : "");
    return EXIT_SUCCESS;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "cni-hook: %s\n", error.what());
    return EXIT_FAILURE;
  }
}
