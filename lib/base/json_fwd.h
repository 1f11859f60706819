#pragma once

// Headers include this; only .cc files that look into JSON include base/json.h (it costs seconds of build time).
#include <nlohmann/json_fwd.hpp>

namespace berth::base {
// Insertion-ordered, so that "the last occurrence wins" holds whatever the case of a repeated key.
using Json = nlohmann::ordered_json;
}  // namespace berth::base
