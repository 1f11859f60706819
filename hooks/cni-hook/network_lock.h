#pragma once

#include <chrono>
#include <string>

#include "base/fd.h"

namespace berth::cni_hook {

/// A shared lock on /run/lock/berth/NAME.lock, held while an attachment is made or removed. Attachments do not wait
/// for each other, since plugins lock what they share; whoever runs GC takes the lock exclusively, so that no
/// attachment is half made meanwhile.
class NetworkLock {
 public:
  /// Throws base::SystemError; with ETIMEDOUT if somebody holds it exclusively for longer than `timeout`.
  NetworkLock(const std::string& network, std::chrono::milliseconds timeout);

 private:
  base::Fd fd_;
};

}  // namespace berth::cni_hook
