#pragma once

#include <string>
#include <vector>

namespace berth::dhcp {

/// `dhcp daemon`: runs until SIGINT or SIGTERM; returns the exit status. `arguments` are what follows the word
/// "daemon".
int daemon_main(const std::vector<std::string>& arguments);

}  // namespace berth::dhcp
