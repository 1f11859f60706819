#include "call.h"

#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include <array>
#include <cerrno>
#include <chrono>

#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/unix_socket.h"

namespace berth::dhcp {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// A conversation that ends when the other side is silent for too long.
class Conversation {
 public:
  Conversation(const std::string& path, milliseconds silence, const std::function<void()>& keep_waiting)
      : path_(path), silence_(silence), keep_waiting_(keep_waiting) {
    heard();
    fd_.reset(base::check(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "open a UNIX socket"));
    const base::UnixAddress address(path);
    // EAGAIN: more plugins than the daemon's backlog holds are at its door.
    while (::connect(fd_.get(), address.get(), address.size()) != 0) {
      if (errno != EAGAIN && errno != EINTR) fail("cannot be reached: " + base::errno_text(errno));
      pause();
    }
  }

  void say(std::string_view text) {
    while (!text.empty()) {
      const ssize_t size = ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (size >= 0) {
        text.remove_prefix(static_cast<size_t>(size));
      } else if (errno == EAGAIN || errno == EINTR) {
        await(POLLOUT);
      } else {
        fail("hung up: " + base::errno_text(errno));
      }
    }
  }

  /// The next line, without its end.
  std::string hear() {
    std::array<char, 16384> chunk;
    for (;;) {
      if (const auto end = heard_.find('\n'); end != heard_.npos) {
        const auto line = heard_.substr(0, end);
        heard_.erase(0, end + 1);
        return line;
      }
      const ssize_t size = ::recv(fd_.get(), chunk.data(), chunk.size(), 0);
      if (size > 0) {
        heard_.append(chunk.data(), static_cast<size_t>(size));
        heard();
      } else if (size == 0) {
        fail("hung up");
      } else if (errno == EAGAIN || errno == EINTR) {
        await(POLLIN);
      } else {
        fail("hung up: " + base::errno_text(errno));
      }
      if (heard_.size() > kLongestLine) fail("talks too much");
    }
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw DaemonUnreachable("the DHCP daemon at " + path_ + " " + what);
  }

  void heard() { deadline_ = steady_clock::now() + silence_; }

  int left() const {
    const auto rest = std::chrono::ceil<milliseconds>(deadline_ - steady_clock::now());
    if (rest.count() <= 0) fail("does not answer");
    return static_cast<int>(rest.count());
  }

  void await(short events) {
    keep_waiting_();
    pollfd poll{fd_.get(), events, 0};
    ::poll(&poll, 1, left());
    keep_waiting_();
  }

  void pause() const {
    keep_waiting_();
    left();
    const timespec moment{0, 5'000'000};
    ::nanosleep(&moment, nullptr);
  }

  const std::string& path_;
  milliseconds silence_;
  const std::function<void()>& keep_waiting_;
  steady_clock::time_point deadline_;
  base::Fd fd_;
  std::string heard_;
};

}  // namespace

Answer call_daemon(const std::string& socket_path, const Ask& ask, milliseconds silence,
                   const std::function<void()>& keep_waiting) {
  Conversation conversation(socket_path, silence, keep_waiting);
  conversation.say(ask.encode());
  for (;;) {
    const auto answer = Answer::decode(conversation.hear());
    if (answer.pending) continue;
    if (answer.error) throw *answer.error;
    return answer;
  }
}

}  // namespace berth::dhcp
