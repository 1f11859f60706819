#pragma once

#include <string>
#include <vector>

#include "base/json.h"

namespace berth::test {

/// What in a printed result is not as its version of the CNI specification has it ("SPEC.md", the chapter on results of
/// each version): keys that the version does not know or that are missing, values of a wrong type, addresses that are
/// none, indexes that point nowhere. Empty: all is well. `of_ipam`: the result is an IPAM plugin's, which names no
/// interfaces. Attributes of routes that came with 1.1.0 are accepted from 0.3.0 on, as consumers must.
std::vector<std::string> shape_errors(const base::Json& result, const std::string& version, bool of_ipam = false);

}  // namespace berth::test
