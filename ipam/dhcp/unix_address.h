#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <stdexcept>
#include <string>

namespace berth::dhcp {

/// The address of a UNIX socket in the file system.
class UnixAddress {
 public:
  /// Throws std::invalid_argument if the path is empty or longer than the kernel's 107 bytes.
  explicit UnixAddress(const std::string& path) {
    if (path.empty() || path.size() >= sizeof address_.sun_path) {
      throw std::invalid_argument("\"" + path + "\" cannot be the path of a UNIX socket: it has " +
                                  std::to_string(path.size()) + " bytes, not 1 to " +
                                  std::to_string(sizeof address_.sun_path - 1));
    }
    address_.sun_family = AF_UNIX;
    std::memcpy(address_.sun_path, path.data(), path.size());
  }

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address_); }
  static constexpr socklen_t size() { return sizeof(sockaddr_un); }

 private:
  sockaddr_un address_{};
};

}  // namespace berth::dhcp
