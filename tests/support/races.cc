#include "support/races.h"

#include <fcntl.h>
#include <stdio.h>

#include <chrono>

namespace berth::test {

Swapper::Swapper(std::string one, std::string other) : one_(std::move(one)), other_(std::move(other)) {
  thread_ = std::thread([this] {
    bool swapped = false;
    while (!stop_) swapped = swapped != swap();
    if (swapped) swap();
  });
}

Swapper::~Swapper() {
  stop_ = true;
  thread_.join();
}

bool Swapper::swap() const {
  return ::renameat2(AT_FDCWD, one_.c_str(), AT_FDCWD, other_.c_str(), RENAME_EXCHANGE) == 0;
}

int race(const std::function<void()>& attempt) {
  constexpr int kLeast = 30;
  constexpr int kMost = 400;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(3);
  int attempts = 0;
  while (attempts < kLeast || (attempts < kMost && std::chrono::steady_clock::now() < end)) {
    attempt();
    ++attempts;
  }
  return attempts;
}

}  // namespace berth::test
