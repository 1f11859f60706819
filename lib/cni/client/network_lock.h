#pragma once

#include <chrono>
#include <string>

#include "base/fd.h"

namespace berth::cni {

/// A lock on /run/lock/berth/NAME.lock, held shared while an attachment is made or removed: attachments do not wait for
/// each other, since plugins lock what they share. Whoever collects garbage takes the lock exclusively, so that no
/// attachment is half made meanwhile.
class NetworkLock {
 public:
  enum class Mode { kShared, kExclusive };

  /// Throws base::SystemError; with ETIMEDOUT if it is not to be had for `timeout`.
  NetworkLock(const std::string& network, std::chrono::milliseconds timeout, Mode mode = Mode::kShared);

 private:
  base::Fd fd_;
};

}  // namespace berth::cni
