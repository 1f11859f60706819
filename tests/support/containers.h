#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "base/json_fwd.h"
#include "base/process.h"
#include "support/sandbox.h"

namespace berth::test {

/// A sandbox in which containers are run by the built `berth`, with a state directory of its own.
class ContainerSandbox : public Sandbox {
 protected:
  using Edit = std::function<void(base::Json&)>;

  /// `berth --root … WORDS`
  static base::CommandResult berth(const std::vector<std::string>& words, const std::string& input = {});
  static std::string must_berth(const std::vector<std::string>& words);
  /// The same words as argv, for programs that are started another way.
  static std::vector<std::string> berth_command(const std::vector<std::string>& words);

  /// A bundle directory with busybox_spec(args), edited. Directories of one name share their root file system.
  std::string bundle(const std::vector<std::string>& args, const Edit& edit = {},
                     const std::string& name = "bundle") const;
  /// args: sh -c SCRIPT
  std::string shell_bundle(const std::string& script, const Edit& edit = {}) const;
  /// A detached container that sleeps.
  void run_sleeper(const std::string& id, const Edit& edit = {}) const;

  /// What a script says in a container of `runtime` (a path): its output, after "status: …". The same script and edit
  /// must give the same with every runtime.
  std::string view(const std::string& runtime, const std::string& script, const Edit& edit = {}) const;
  /// view() by berth is that by Debian's runc, which must succeed. Skips if that is not installed.
  void expect_same(const std::string& script, const Edit& edit = {}) const;

  static std::string status_of(const std::string& id);
  static pid_t pid_of(const std::string& id);
  /// Waits for a condition for some seconds; false if it does not come true.
  static bool eventually(const std::function<bool()>& condition);
  static bool exists(const std::string& path);
};

/// A program that runs beside the test, with the streams it gets and an exit status to ask for; ended by pid at
/// destruction.
class Child {
 public:
  /// `input`, `output`: descriptors that become its stdin and its stdout and stderr; -1: /dev/null. With `terminal` the
  /// input becomes its controlling terminal.
  explicit Child(const std::vector<std::string>& argv, int input = -1, int output = -1, bool terminal = false);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  pid_t pid() const { return pid_; }
  void signal(int number) const;
  /// Waits for its end: the exit status, or 128 + n.
  int wait();

 private:
  pid_t pid_ = -1;
};

}  // namespace berth::test
