#pragma once

#include <string>

#include "base/fd.h"
#include "container/lifecycle.h"
#include "process/terminal.h"

namespace berth::runtime {

/// The process of a new container: parked, or restored.
struct CreatedContainer {
  Record record;
  base::Fd pidfd;
};

/// create_container for callers that go on with the process and its terminal.
CreatedContainer create_with_terminal(Store& store, const CreateOptions& options, const oci::Config& config,
                                      const std::string& config_json, Terminal& terminal);

/// start_container for callers that have just created it.
void start_created(Store& store, const Record& record, const std::string& notify_socket);

}  // namespace berth::runtime
