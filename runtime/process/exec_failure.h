#pragma once

#include <string>

namespace berth::runtime {

/// Why execve of `program` failed with `error`, beyond errno: the interpreter or dynamic loader that is missing, the
/// machine it was built for. Looks at the file in the calling process' root. Empty if there is nothing to add.
std::string explain_exec_failure(const std::string& program, int error);

}  // namespace berth::runtime
