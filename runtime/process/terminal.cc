#include "process/terminal.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

#include "base/error.h"
#include "base/unix_socket.h"

namespace berth::runtime {

namespace {

/// In the foreground a container's terminal is seen on ours: on one of the streams, or the one that controls us.
void require_terminal() {
  for (const int fd : {STDERR_FILENO, STDOUT_FILENO, STDIN_FILENO}) {
    if (::isatty(fd) == 1) return;
  }
  base::open_file("/dev/tty", O_RDWR | O_NOCTTY);
}

}  // namespace

Terminal::Terminal(bool wanted, const std::string& console_socket, bool detach) {
  if (!console_socket.empty()) {
    if (!wanted || !detach)
      throw std::runtime_error("cannot use console socket if runc will not detach or allocate tty");
    child_end_ = base::connect_unix_socket(console_socket, "console socket");
    return;
  }
  if (!wanted) return;
  if (detach) throw std::runtime_error("cannot allocate tty if runc will detach without setting console socket");
  require_terminal();
  std::array<int, 2> ends;
  base::check(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), "make a console socket");
  our_end_.reset(ends[0]);
  child_end_.reset(ends[1]);
}

oci::Process with_callers_size(oci::Process process) {
  winsize size{};
  if (::ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0) {
    process.console_height = size.ws_row;
    process.console_width = size.ws_col;
  }
  return process;
}

base::Fd Terminal::master() {
  if (!our_end_) return {};
  auto received = base::receive_message(our_end_, "the terminal");
  if (!received.descriptor) throw std::runtime_error("the container did not send the terminal");
  return std::move(received.descriptor);
}

}  // namespace berth::runtime
