#pragma once

#include <string>

#include "base/fd.h"

namespace berth::test {

/// The other end of --console-socket: what an engine does to get a container's terminal.
class ConsoleSocket {
 public:
  /// Listens at `path`.
  explicit ConsoleSocket(const std::string& path);

  const std::string& path() const { return path_; }
  /// The master of the terminal that is sent next.
  base::Fd receive() const;

 private:
  std::string path_;
  base::Fd listener_;
};

/// What comes out of a terminal until nobody holds its other side any more.
std::string read_terminal(const base::Fd& master);

/// A terminal of our own, for programs that want one: (master, slave).
struct Pty {
  base::Fd master, slave;
};
Pty open_pty(unsigned short rows, unsigned short columns);

}  // namespace berth::test
