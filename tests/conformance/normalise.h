#pragma once

#include "base/json.h"

namespace berth::test {

/// Replaces what chance decides by what it means, so that two runs of one case can be compared:
///
/// - a random veth name becomes "veth(box eth0)", after the interface at its other end,
/// - a hardware address that the case does not ask for becomes "mac(box eth0)", after the link that has it,
/// - kernel indexes, timers, carrier states, link-local addresses (the kernel makes them a moment later) and counters
/// go.
///
/// `picture` is what a suite's run of a case yielded: any JSON with snapshots (snapshot.h) under "after …" keys. Names
/// and addresses that `keep` (the case as text) mentions stay.
base::Json normalised(const base::Json& picture, const std::string& keep);

}  // namespace berth::test
