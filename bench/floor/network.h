#pragma once

#include <string>

/// What an attachment needs of the kernel, and nothing else: no protocol, no files, no locks, no undo.
namespace berth::bench {

/// A bridge with an address, and a table with a map of published ports and a set of masqueraded addresses.
void prepare_network();
/// A veth pair between the bridge and a namespace, an address, a route, two elements.
void attach(const std::string& netns_path);
/// Takes it all back.
void detach();

}  // namespace berth::bench
