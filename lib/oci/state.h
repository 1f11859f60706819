#pragma once

#include <string>

#include "oci/config.h"

namespace berth::oci {

/// The newest specification version this runtime implements; also what the state reports.
inline constexpr const char* kSpecVersion = "1.3.0";

/// The State of a container as hooks read it on stdin and `state` prints it (runtime-spec, "State").
struct State {
  std::string id;
  std::string status;  ///< creating, created, running, paused or stopped
  int pid = 0;         ///< 0: absent for hooks, 0 in `state`.
  std::string bundle;
  Annotations annotations;

  /// One line for a hook's stdin: no \/ escapes, no line breaks.
  std::string to_hook_json() const;
  /// Reads what a hook gets. Throws base::JsonError.
  static State from_json(const std::string& text);
};

}  // namespace berth::oci
