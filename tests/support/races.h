#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>

namespace berth::test {

/// A hostile neighbour: exchanges two names (renameat2 RENAME_EXCHANGE) as fast as it can, in a thread, while it lives.
/// At the end everything has its own name again.
class Swapper {
 public:
  Swapper(std::string one, std::string other);
  ~Swapper();
  Swapper(const Swapper&) = delete;
  Swapper& operator=(const Swapper&) = delete;

 private:
  bool swap() const;

  std::string one_, other_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

/// Calls `attempt` again and again for some seconds, 30 times at least and 400 at most. Returns how often.
int race(const std::function<void()>& attempt);

}  // namespace berth::test
