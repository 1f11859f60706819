#pragma once

#include <chrono>
#include <string>

#include "net/link.h"

/// Waiting for the kernel by its own events, in the calling thread's network namespace.
namespace berth::net {

/// Waits until a link can carry packets (IF_OPER_UP). False if it does not within `timeout`.
/// Throws base::SystemError; ENODEV if the link goes away.
bool wait_until_operational(int index, std::chrono::milliseconds timeout);

/// Waits until duplicate address detection has finished for every IPv6 address of a link. False if it does not within
/// `timeout`. Throws std::runtime_error naming an address for which it failed.
bool wait_for_dad(int index, std::chrono::milliseconds timeout);

}  // namespace berth::net
