#pragma once

namespace berth::base {
class JsonObject;
}

/// What the specification allows and this runtime does not do yet. It is refused by name, so that nothing a
/// configuration asks for is silently left out. Empty values (null, "", [], {}, 0, false) ask for nothing.
namespace berth::oci {

/// Throws base::JsonError "linux.seccomp is not supported yet" for the first such property of a whole config.json.
void reject_unsupported(const base::JsonObject& config);

}  // namespace berth::oci
