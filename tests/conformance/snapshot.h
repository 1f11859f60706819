#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "conformance/suite.h"

namespace berth::test {

/// What a case left in the kernel and on disk at one moment, as programs of other projects show it (ip, tc, bridge,
/// iptables-save, nft):
///
///   {"host": NAMESPACE, "<container>": NAMESPACE…, "files": {path: {"mode": "0600", "content": …}}}
///   (a file's JSON object is one here, too)
///   NAMESPACE: {"links": {name: …}, "addresses": {"eth0 10.1.0.2/24": …}, "routes": {…}, "rules": […],
///               "sysctls": {…}, "qdiscs": […], "filters": {device: […]}, "vlans": {port: […]},
///               "iptables": {family: {table: {chain: [rules]}}}, "nft": {chain: [lines]}}
///
/// Taken from the thread's namespace (the host) and the named ones; `sysctls` are read in the containers beside those
/// of each interface. Rules are those of the flavour; the nft listing is for the nf_tables flavour alone. A container
/// whose namespace is gone is null. Names, hardware addresses and the like are as they are: see normalise.h.
base::Json snapshot(const std::vector<std::string>& containers, const std::vector<std::string>& sysctls,
                    Flavour flavour);

}  // namespace berth::test
