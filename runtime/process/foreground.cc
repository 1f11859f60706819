#include "process/foreground.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <functional>
#include <memory>

#include "base/error.h"
#include "log.h"
#include "process/notify_socket.h"

namespace berth::runtime {

namespace {

namespace asio = boost::asio;
using asio::posix::stream_descriptor;
using Failure = boost::system::error_code;

/// How long output may stay away after the process ended, if others still hold its terminal.
constexpr std::chrono::milliseconds kQuiet{100};

/// Our own terminal in raw mode, so that every key reaches the container's; put back at the end, with the blocking mode
/// of the streams, which our caller shares.
class RawTerminal {
 public:
  RawTerminal() : input_flags_(::fcntl(STDIN_FILENO, F_GETFL)), output_flags_(::fcntl(STDOUT_FILENO, F_GETFL)) {
    if (::tcgetattr(STDIN_FILENO, &before_) != 0) return;
    termios raw = before_;
    ::cfmakeraw(&raw);
    changed_ = ::tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
  }
  ~RawTerminal() {
    if (changed_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
    if (input_flags_ >= 0) ::fcntl(STDIN_FILENO, F_SETFL, input_flags_);
    if (output_flags_ >= 0) ::fcntl(STDOUT_FILENO, F_SETFL, output_flags_);
  }
  RawTerminal(const RawTerminal&) = delete;
  RawTerminal& operator=(const RawTerminal&) = delete;

 private:
  int input_flags_;
  int output_flags_;
  termios before_{};
  bool changed_ = false;
};

void copy_window_size(int master) {
  winsize size{};
  if (::ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0) ::ioctl(master, TIOCSWINSZ, &size);
}

/// Copies one way until the source ends; then calls `at_end`.
class Pump {
 public:
  Pump(asio::io_context& loop, int from, int to, std::function<void()> at_end)
      : from_(loop, from), to_(loop, to), at_end_(std::move(at_end)) {
    next();
  }

  /// Has moved something since the last call, or holds something that is not yet written.
  bool was_busy() { return writing_ || std::exchange(moved_, false); }

 private:
  void next() {
    from_.async_read_some(asio::buffer(chunk_), [this](const Failure& failure, size_t n) {
      if (failure) return at_end_();
      moved_ = writing_ = true;
      asio::async_write(to_, asio::buffer(chunk_.data(), n), [this](const Failure& failed, size_t) {
        writing_ = false;
        failed ? at_end_() : next();
      });
    });
  }

  stream_descriptor from_;
  stream_descriptor to_;
  std::function<void()> at_end_;
  std::array<char, 16384> chunk_{};
  bool writing_ = false;
  bool moved_ = false;
};

/// The events of one foreground process.
class Relay {
 public:
  Relay(pid_t pid, const base::Fd& pidfd, base::Fd master, const sigset_t& signals)
      : pid_(pid),
        pidfd_(pidfd),
        master_(std::move(master)),
        signals_(loop_, base::check(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK), "open a signalfd")),
        ended_(loop_, ::dup(pidfd.get())) {
    next_signal();
    ended_.async_wait(stream_descriptor::wait_read, [this](const Failure&) { finish(); });
    if (!master_) return;
    raw_ = std::make_unique<RawTerminal>();
    copy_window_size(master_.get());
    input_ = std::make_unique<Pump>(loop_, ::dup(STDIN_FILENO), ::dup(master_.get()), [] {});
    // The master reports EIO once the last slave is closed: then everything has been read.
    output_ = std::make_unique<Pump>(loop_, ::dup(master_.get()), ::dup(STDOUT_FILENO), [this] {
      drained_ = true;
      finish();
    });
  }

  /// Until the container is ready; what cannot be passed on is the manager's loss, not the container's.
  void pass_on(NotifySocket& notify) {
    if (!notifications_) notifications_ = std::make_unique<stream_descriptor>(loop_, ::dup(notify.fd().get()));
    notifications_->async_wait(stream_descriptor::wait_read, [this, &notify](const Failure& failure) {
      if (failure) return;
      try {
        if (!notify.forward(::getpid())) pass_on(notify);
      } catch (const std::exception& error) {
        log_warning(error.what());
      }
    });
  }

  int run() {
    loop_.run();
    return status_;
  }

 private:
  void next_signal() {
    signals_.async_wait(stream_descriptor::wait_read, [this](const Failure& failure) {
      if (failure) return;
      signalfd_siginfo info{};
      while (::read(signals_.native_handle(), &info, sizeof info) == sizeof info) handle(info);
      next_signal();
    });
  }

  void handle(const signalfd_siginfo& info) {
    const int signal = static_cast<int>(info.ssi_signo);
    // Our own output has no reader any more: not the container's matter.
    if (signal == SIGPIPE && info.ssi_pid == static_cast<uint32_t>(::getpid())) return;
    if (signal == SIGCHLD) return reap();
    if (signal == SIGWINCH && master_) return copy_window_size(master_.get());
    ::syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0);
  }

  /// Orphans that were given to us, and the process itself.
  void reap() {
    int status = 0;
    pid_t pid = 0;
    while ((pid = ::waitpid(-1, &status, WNOHANG)) > 0) {
      if (pid != pid_) continue;
      status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      reaped_ = true;
    }
  }

  void finish() {
    reap();
    if (!reaped_) return;
    if (!output_ || drained_) return loop_.stop();
    wait_for_quiet();
  }

  /// Others may hold the slave open, and the kernel passes output on in its own time: the end of the process is not the
  /// end of its output.
  void wait_for_quiet() {
    quiet_.expires_after(kQuiet);
    quiet_.async_wait([this](const Failure& failure) {
      if (failure) return;
      output_->was_busy() ? wait_for_quiet() : loop_.stop();
    });
  }

  asio::io_context loop_{1};
  asio::steady_timer quiet_{loop_};
  pid_t pid_;
  const base::Fd& pidfd_;
  base::Fd master_;
  stream_descriptor signals_;
  stream_descriptor ended_;
  std::unique_ptr<RawTerminal> raw_;
  std::unique_ptr<Pump> input_;
  std::unique_ptr<Pump> output_;
  std::unique_ptr<stream_descriptor> notifications_;
  bool reaped_ = false;
  bool drained_ = false;
  int status_ = 0;
};

sigset_t forwarded_signals() {
  sigset_t signals;
  ::sigfillset(&signals);
  // Faults of our own must not be queued, and SIGURG means nothing to a container.
  for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGURG}) ::sigdelset(&signals, signal);
  return signals;
}

}  // namespace

Foreground::Foreground(bool active, bool subreaper) : active_(active) {
  if (!active_) return;
  const sigset_t signals = forwarded_signals();
  ::sigprocmask(SIG_BLOCK, &signals, &previous_);
  if (subreaper) base::check(::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "become a subreaper");
}

Foreground::~Foreground() {
  if (active_) ::sigprocmask(SIG_SETMASK, &previous_, nullptr);
}

int Foreground::wait(pid_t pid, base::Fd pidfd, base::Fd master, NotifySocket* notify) {
  Relay relay(pid, pidfd, std::move(master), forwarded_signals());
  if (notify != nullptr) relay.pass_on(*notify);
  return relay.run();
}

}  // namespace berth::runtime
