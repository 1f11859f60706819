#pragma once

#include <functional>
#include <string>
#include <vector>

namespace berth::base {

/// Undo steps of an all-or-nothing operation. Unless dismissed, the destructor runs them in reverse order; a step that
/// throws does not stop the others, and its message is written to stderr.
class Rollback {
 public:
  Rollback() = default;
  Rollback(const Rollback&) = delete;
  Rollback& operator=(const Rollback&) = delete;
  ~Rollback();

  /// Registers an undo; `name` says what it does ("delete link veth1a2b3c4d"), for the message if it fails.
  void add(std::string name, std::function<void()> undo);

  /// The operation succeeded: forget all steps.
  void dismiss() noexcept { steps_.clear(); }

  /// Runs all steps now, in reverse order, and returns the messages of those that failed.
  std::vector<std::string> run();

 private:
  struct Step {
    std::string name;
    std::function<void()> undo;
  };
  std::vector<Step> steps_;
};

/// Runs clean-up steps that must all be tried: failures are collected, and `finish` throws them as one error.
class BestEffort {
 public:
  /// Runs `step`; an exception becomes a collected message "NAME: what()".
  void attempt(const std::string& name, const std::function<void()>& step);

  /// Begins a step that takes its time, runs another one meanwhile, and ends the first: `begin` returns how.
  void attempt_both(const std::string& name, const std::function<std::function<void()>()>& begin,
                    const std::string& name_beside, const std::function<void()>& beside);

  const std::vector<std::string>& failures() const { return failures_; }

  /// Throws std::runtime_error with all messages joined by "; " if there are any.
  void finish() const;

 private:
  std::vector<std::string> failures_;
};

}  // namespace berth::base
