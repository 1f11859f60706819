#pragma once

#include <functional>
#include <optional>

#include "cni/error.h"
#include "cni/request.h"
#include "firewall/firewall.h"

/// A plugin's request in the firewall's terms, and the firewall's troubles in the protocol's.
namespace berth::cni {

/// What a plugin answers to a port that another container has published.
inline constexpr Code kPortTaken = static_cast<Code>(100);

/// Whose rules a request is about.
firewall::Owner owner_of(const Request& request);

/// Whether an owner of this network's rules is among the valid attachments of a GC (cni.dev/valid-attachments); an
/// owner without an interface name is if any interface of its container is. Nothing is valid if the request names none.
std::function<bool(const firewall::Owner&)> is_valid_in(const Request& request);

/// Runs `work` on the firewall; firewall::Busy becomes Error(kTryAgainLater), PortTaken Error(kPortTaken),
/// std::invalid_argument Error(kInvalidNetworkConfig).
template <class Work>
auto translating_firewall_errors(Work&& work) {
  try {
    return work();
  } catch (const firewall::Busy& error) {
    throw Error(Code::kTryAgainLater, error.what());
  } catch (const firewall::PortTaken& error) {
    throw Error(kPortTaken, error.what());
  } catch (const std::invalid_argument& error) {
    throw Error(Code::kInvalidNetworkConfig, error.what());
  }
}

}  // namespace berth::cni
