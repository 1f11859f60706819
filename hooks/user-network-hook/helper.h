#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "oci/network_annotations.h"

namespace berth::user_network_hook {

/// What one container's network is made of.
struct Order {
  std::string program;    ///< Of pasta or slirp4netns.
  std::string directory;  ///< The container's state directory, which goes with it.
  pid_t container = 0;    ///< A process in its namespaces.
  std::string interface;  ///< Its name in the container.
  std::vector<oci::PublishedPort> ports;

  /// The program's process id; part of its command line, too, by which it is known again.
  std::string pid_file() const { return directory + "/network.pid"; }
  std::string api_socket() const { return directory + "/network.sock"; }
};

/// Returns once the network works. Throws std::runtime_error with what the program said.
void start_pasta(const Order& order);
void start_slirp4netns(const Order& order);

/// Ends the program that was started for the container in this directory, if it runs, and removes its files. Throws
/// std::runtime_error if it does not end.
void stop(const Order& order);

/// "pasta: exit status 1: WHAT IT SAID", on one line.
std::string failure_text(const Order& order, const std::string& status, const std::string& said);

}  // namespace berth::user_network_hook
