#pragma once

#include <string>
#include <vector>

#include "cni/client/client.h"
#include "oci/network_annotations.h"
#include "settings.h"

namespace berth::cni_hook {

/// One attachment to be made.
struct Planned {
  cni::NetworkList list;
  cni::AttachmentConfig attachment;
};

/// Loads what the setup asks for and checks it, changing nothing: every list, every plugin, and that the lists can do
/// what is asked of them. Published ports go to the first network that can publish. Throws cni::Error or
/// std::runtime_error naming the network.
std::vector<Planned> plan(const oci::NetworkSetup& setup, const Settings& settings, const std::string& container_id,
                          const std::string& netns);

/// A network of the configuration directory; the built-in default network if none has its name.
cni::NetworkList find_network(const Settings& settings, const std::string& name);

/// The key in CNI_ARGS that marks attachments of this hook; its value is the container id.
inline constexpr const char* kMark = "BERTH_CONTAINER_ID";

}  // namespace berth::cni_hook
