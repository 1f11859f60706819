#pragma once

#include <string>

#include "oci/config.h"

namespace berth::runtime {

/// The ports that a container's annotations publish: "80/tcp -> 0.0.0.0:8080", one a line.
std::string port_table(const oci::Annotations& annotations);

/// The same as a JSON array on one line, in the form of CNI's portMappings: hostIP, hostPort, containerPort, protocol.
std::string port_json(const oci::Annotations& annotations);

}  // namespace berth::runtime
