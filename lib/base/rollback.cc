#include "base/rollback.h"

#include <cstdio>
#include <exception>
#include <stdexcept>
#include <utility>

namespace berth::base {

Rollback::~Rollback() {
  for (const auto& failure : run()) std::fprintf(stderr, "undo failed: %s\n", failure.c_str());
}

void Rollback::add(std::string name, std::function<void()> undo) {
  steps_.push_back({std::move(name), std::move(undo)});
}

std::vector<std::string> Rollback::run() {
  std::vector<std::string> failures;
  while (!steps_.empty()) {
    const Step step = std::move(steps_.back());
    steps_.pop_back();
    try {
      step.undo();
    } catch (const std::exception& error) {
      failures.push_back(step.name + ": " + error.what());
    }
  }
  return failures;
}

void BestEffort::attempt(const std::string& name, const std::function<void()>& step) {
  try {
    step();
  } catch (const std::exception& error) {
    failures_.push_back(name + ": " + error.what());
  }
}

void BestEffort::attempt_both(const std::string& name, const std::function<std::function<void()>()>& begin,
                              const std::string& name_beside, const std::function<void()>& beside) {
  std::function<void()> end;
  attempt(name, [&] { end = begin(); });
  attempt(name_beside, beside);
  if (end) attempt(name, end);
}

void BestEffort::finish() const {
  if (failures_.empty()) return;
  std::string text;
  for (const auto& failure : failures_) {
    if (!text.empty()) text += "; ";
    text += failure;
  }
  throw std::runtime_error(text);
}

}  // namespace berth::base
