#pragma once

#include <string>

#include "cni/client/client.h"

namespace berth::cni {

/// The namespace that a cached attachment was made in, if it is still what is at that path: paths below /proc come to
/// belong to other processes, so that the interface there must have the hardware address that ADD reported. Empty if it
/// is not.
std::string surviving_netns(const Client::Cached& attachment);

}  // namespace berth::cni
