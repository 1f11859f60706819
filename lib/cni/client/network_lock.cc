#include "cni/client/network_lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <thread>

#include "base/error.h"
#include "base/file.h"

namespace berth::cni {
namespace {

constexpr const char* kDirectory = "/run/lock/berth";
constexpr std::chrono::milliseconds kPause{5};

}  // namespace

NetworkLock::NetworkLock(const std::string& network, std::chrono::milliseconds timeout, Mode mode) {
  base::make_directories(kDirectory, 0700);
  const auto path = std::string(kDirectory) + "/" + network + ".lock";
  fd_ = base::open_file(path, O_RDWR | O_CREAT, 0600);
  const int operation = (mode == Mode::kExclusive ? LOCK_EX : LOCK_SH) | LOCK_NB;
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (::flock(fd_.get(), operation) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) base::throw_errno("lock " + path);
    if (std::chrono::steady_clock::now() >= deadline) throw base::SystemError("lock " + path, ETIMEDOUT);
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace berth::cni
