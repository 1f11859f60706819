#pragma once

#include <string>

#include "base/fd.h"
#include "container/lifecycle.h"
#include "process/terminal.h"

namespace berth::runtime {

/// The process of a new container: parked, or restored.
struct CreatedContainer {
  pid_t pid = -1;
  base::Fd pidfd;
};

/// create_container for callers that go on with the process and its terminal.
CreatedContainer create_with_terminal(Store& store, const CreateOptions& options, const oci::Config& config,
                                      const std::string& config_json, Terminal& terminal);

}  // namespace berth::runtime
