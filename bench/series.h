#pragma once

#include <algorithm>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/process.h"

namespace berth::test {

/// Durations of one operation.
struct Series {
  std::vector<double> milliseconds;

  double at(double quantile) const {
    auto sorted = milliseconds;
    std::sort(sorted.begin(), sorted.end());
    return sorted[static_cast<size_t>(quantile * static_cast<double>(sorted.size() - 1))];
  }
};

/// How long it took, in milliseconds. Throws if it failed.
inline double timed(const base::CommandResult& result, const std::string& what) {
  if (!result.ok()) throw std::runtime_error(what + ": " + result.status_text() + ": " + result.error + result.output);
  return static_cast<double>(result.duration.count()) / 1000;
}

inline void print_row(const char* what, const Series& ours, const Series& peer) {
  std::printf("| %-44s | %8.2f | %8.2f | %8.2f | %8.2f | %6.1f |\n", what, ours.at(0.5), ours.at(0.9), peer.at(0.5),
              peer.at(0.9), peer.at(0.5) / ours.at(0.5));
}

inline void print_header(const char* peer) {
  std::printf("\n| %-44s | ours p50 | ours p90 | peer p50 | peer p90 | ratio  |   (ms; peer: %s)\n", "operation", peer);
  std::printf(
      "|----------------------------------------------|----------|----------|----------|----------|--------|\n");
}

}  // namespace berth::test
