#pragma once

#include <string>

#include "cni/request.h"
#include "firewall/admission.h"

namespace berth::firewall_plugin {

/// The firewall plugin's keys, checked.
struct Config {
  std::string backend;  ///< Empty: automatic.
  firewall::AdmissionOptions options;
  firewall::IngressPolicy ingress = firewall::IngressPolicy::kOpen;

  /// Throws cni::Error or base::JsonError naming key and value.
  static Config parse(const cni::Request& request);
  /// For DEL and GC, which do not judge: the defaults if anything is wrong.
  static Config parse_leniently(const cni::Request& request);
};

}  // namespace berth::firewall_plugin
