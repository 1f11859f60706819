#include "base/process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/sigpipe.h"

namespace berth::base {

namespace {

namespace asio = boost::asio;
using asio::posix::stream_descriptor;

struct Pipe {
  Fd read_end;
  Fd write_end;
};

Pipe make_pipe() {
  std::array<int, 2> ends;
  check(::pipe2(ends.data(), O_CLOEXEC), "create a pipe");
  return {Fd(ends[0]), Fd(ends[1])};
}

/// posix_spawn with clean signals, its own process group and no descriptors but the three given.
pid_t spawn(const Command& command, const Fd& in, const Fd& out, const Fd& err) {
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, in.get(), 0);
  ::posix_spawn_file_actions_adddup2(&actions, out.get(), 1);
  ::posix_spawn_file_actions_adddup2(&actions, err.get(), 2);
  ::posix_spawn_file_actions_addclosefrom_np(&actions, 3);
  if (!command.working_directory.empty()) {
    ::posix_spawn_file_actions_addchdir_np(&actions, command.working_directory.c_str());
  }

  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t all;
  sigset_t none;
  ::sigfillset(&all);
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);

  const auto argv = pointers(command.argv);
  const auto env = pointers(command.env);
  pid_t pid = -1;
  const int failure = ::posix_spawn(&pid, command.path.c_str(), &actions, &attributes, argv.data(), env.data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (failure != 0) throw SystemError("run " + command.path, failure);
  return pid;
}

/// What posix_spawn does for a program, for what it cannot start. Nothing is thrown past here: what lies above on the
/// stack is the parent's. Why the program cannot be executed is written to `failure`.
[[noreturn]] void become(const Command& command, const Fd& in, const Fd& out, const Fd& err, const Fd& failure,
                         pid_t caller) noexcept {
  constexpr int kNotStarted = 127;
  reset_signals();
  ::setpgid(0, 0);
  if (command.signal_when_caller_dies != 0) {
    ::prctl(PR_SET_PDEATHSIG, command.signal_when_caller_dies);
    if (::getppid() != caller) ::_exit(kNotStarted);
  }
  if (::dup2(in.get(), 0) < 0 || ::dup2(out.get(), 1) < 0 || ::dup2(err.get(), 2) < 0) ::_exit(kNotStarted);
  ::close_range(3, ~0U, command.main == nullptr ? CLOSE_RANGE_CLOEXEC : 0);
  if (!command.working_directory.empty() && ::chdir(command.working_directory.c_str()) != 0) ::_exit(kNotStarted);
  auto argv = pointers(command.argv);
  auto env = pointers(command.env);
  if (command.main == nullptr) {
    ::execve(command.path.c_str(), argv.data(), env.data());
    const int reason = errno;
    [[maybe_unused]] const auto written = ::write(failure.get(), &reason, sizeof reason);
    ::_exit(kNotStarted);
  }
  environ = env.data();
  ::prctl(PR_SET_NAME, command.path.c_str() + command.path.rfind('/') + 1);
  const int status = command.main(static_cast<int>(command.argv.size()), argv.data());
  std::fflush(nullptr);
  ::_exit(status);
}

pid_t start(const Command& command, const Fd& in, const Fd& out, const Fd& err) {
  if (command.main == nullptr && command.signal_when_caller_dies == 0) return spawn(command, in, out, err);
  Pipe failure;
  if (command.main == nullptr) failure = make_pipe();
  const pid_t caller = ::getpid();
  const pid_t pid = check(::fork(), "run", command.path);
  if (pid == 0) become(command, in, out, err, failure.write_end, caller);
  ::setpgid(pid, pid);  // whoever of the two comes first: its group can be signalled from now on
  if (command.main == nullptr) {
    failure.write_end.reset();
    const auto answer = read_all(failure.read_end.get(), "why " + command.path + " is not executed");
    if (int reason = 0; answer.size() == sizeof reason) {
      std::memcpy(&reason, answer.data(), sizeof reason);
      ::waitpid(pid, nullptr, 0);
      throw SystemError("run " + command.path, reason);
    }
  }
  return pid;
}

/// Collects one output stream until end of file or until the whole run is stopped.
class Capture {
 public:
  Capture(asio::io_context& loop, Fd pipe, std::string& into, size_t limit)
      : stream_(loop, pipe.release()), into_(into), limit_(limit) {
    stream_.non_blocking(true);
    next();
  }

  /// No more waiting. A read that is done already still delivers what it has read.
  void stop() {
    stopped_ = true;
    boost::system::error_code ignored;
    if (stream_.is_open()) stream_.cancel(ignored);
  }

  /// Takes what is in the pipe now, and nothing that other holders of its write end, if there are any, write meanwhile:
  /// they may never stop.
  void drain() {
    boost::system::error_code error;
    asio::posix::descriptor_base::bytes_readable left;
    if (stream_.is_open()) stream_.io_control(left, error);
    while (!error && left.get() > 0) {
      const size_t n = stream_.read_some(asio::buffer(chunk_, std::min(chunk_.size(), left.get())), error);
      keep(n);
      left = left.get() - n;
    }
    stream_.close(error);
  }

 private:
  void next() {
    stream_.async_read_some(asio::buffer(chunk_), [this](const boost::system::error_code& error, size_t n) {
      if (error) {
        boost::system::error_code ignored;
        if (error != asio::error::operation_aborted) stream_.close(ignored);
        return;
      }
      keep(n);
      if (!stopped_) next();
    });
  }

  void keep(size_t n) { into_.append(chunk_.data(), std::min(n, limit_ - std::min(limit_, into_.size()))); }

  stream_descriptor stream_;
  std::string& into_;
  size_t limit_;
  std::array<char, 4096> chunk_;  // left as it is: a page less to touch for each that is not needed
  bool stopped_ = false;
};

void record_status(int status, CommandResult& result) {
  if (WIFEXITED(status)) result.exit_status = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
}

}  // namespace

std::string CommandResult::status_text() const {
  if (exit_status) return "exit status " + std::to_string(*exit_status);
  if (!signal) return "not finished";
  const char* name = ::sigdescr_np(*signal);
  std::string text = name != nullptr ? name : std::to_string(*signal);
  text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return "signal: " + text;
}

std::vector<std::string> own_environment() {
  std::vector<std::string> env;
  for (char** entry = environ; *entry != nullptr; ++entry) env.emplace_back(*entry);
  return env;
}

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> result;
  result.reserve(words.size() + 1);
  for (const auto& word : words) result.push_back(const_cast<char*>(word.c_str()));
  result.push_back(nullptr);
  return result;
}

void reset_signals() {
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &action, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

RunningCommand::RunningCommand(Command command) : command_(std::move(command)) {
  if (command_.argv.empty()) command_.argv = {command_.path};
  Pipe in = make_pipe();
  Pipe out = make_pipe();
  Pipe err = make_pipe();
  pid_ = start(command_, in.read_end, out.write_end, err.write_end);
  in_ = std::move(in.write_end);
  out_ = std::move(out.read_end);
  err_ = std::move(err.read_end);
  try {
    if (command_.started) command_.started(pid_);
    write_what_fits();
  } catch (...) {
    abandon();
    throw;
  }
}

RunningCommand::~RunningCommand() {
  abandon();
}

void RunningCommand::abandon() {
  if (pid_ < 0) return;
  ::kill(-pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void RunningCommand::write_what_fits() {
  const BlockedSigpipe no_sigpipe;
  ::fcntl(in_.get(), F_SETFL, O_NONBLOCK);
  const ssize_t size = ::write(in_.get(), command_.input.data(), command_.input.size());
  if (size > 0) written_ = static_cast<size_t>(size);
  if (written_ == command_.input.size()) in_.reset();
}

CommandResult RunningCommand::finish() {
  CommandResult result;
  const BlockedSigpipe no_sigpipe;
  asio::io_context loop(1);
  Capture output(loop, std::move(out_), result.output, command_.output_limit);
  Capture error(loop, std::move(err_), result.error, command_.output_limit);

  stream_descriptor input(loop);
  if (in_) {
    input.assign(in_.release());
    const std::string_view rest = std::string_view(command_.input).substr(written_);
    asio::async_write(input, asio::buffer(rest), [&](const boost::system::error_code&, size_t) {
      boost::system::error_code ignored;
      input.close(ignored);
    });
  }

  stream_descriptor ended(loop,
                          check(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)), "open pidfd of", command_.path));
  asio::steady_timer timer(loop);
  ended.async_wait(stream_descriptor::wait_read, [&](const boost::system::error_code&) {
    // Not loop.stop(): that would drop what has been read and not yet been delivered.
    boost::system::error_code ignored;
    output.stop();
    error.stop();
    if (input.is_open()) input.cancel(ignored);
    timer.cancel(ignored);
  });
  if (command_.timeout) {
    timer.expires_at(start_ + *command_.timeout);
    timer.async_wait([&](const boost::system::error_code& cancelled) {
      if (cancelled) return;
      result.timed_out = true;
      ::kill(-pid_, SIGKILL);
    });
  }
  loop.run();
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  output.drain();
  error.drain();
  record_status(status, result);
  result.duration = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start_);
  return result;
}

CommandResult run_command(Command command) {
  return RunningCommand(std::move(command)).finish();
}

}  // namespace berth::base
