#pragma once

#include "bench/suite.h"

namespace berth::bench {

/// Makes a suite's host as full as attachments number `from` to `to - 1` of other containers would: veth pairs (the far
/// ends all in `elsewhere`), published ports, masquerading. Rules have the shape that the suite gives them. Ports are
/// counted from 20 000.
void fill(const Suite& suite, const net::NetNs& elsewhere, unsigned from, unsigned to);

/// As many leases of host-local in a network's directory, the last ones given out last. `prefix` is the first half of
/// their addresses ("10.1.").
void fill_leases(const std::string& directory, const std::string& prefix, unsigned count);

}  // namespace berth::bench
