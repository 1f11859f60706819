#include "support/console.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

#include "base/error.h"
#include "base/unix_socket.h"

namespace berth::test {

using base::check;

ConsoleSocket::ConsoleSocket(const std::string& path) : path_(path), listener_(base::listen_at(path)) {}

base::Fd ConsoleSocket::receive() const {
  const base::Fd connection(check(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC), "accept at", path_));
  auto message = base::receive_message(connection, "the terminal at " + path_);
  if (!message.descriptor) throw std::runtime_error("no descriptor was sent");
  return std::move(message.descriptor);
}

std::string read_terminal(const base::Fd& master) {
  std::string text;
  std::array<char, 4096> chunk{};
  ssize_t size = 0;
  while ((size = ::read(master.get(), chunk.data(), chunk.size())) > 0)
    text.append(chunk.data(), static_cast<size_t>(size));
  return text;
}

Pty open_pty(unsigned short rows, unsigned short columns) {
  base::Fd master(check(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), "open a terminal"));
  check(::unlockpt(master.get()), "unlock the terminal");
  base::Fd slave(check(::ioctl(master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC), "open the terminal"));
  winsize size{};
  size.ws_row = rows;
  size.ws_col = columns;
  check(::ioctl(master.get(), TIOCSWINSZ, &size), "set the terminal's size");
  return {std::move(master), std::move(slave)};
}

}  // namespace berth::test
