#pragma once

#include <optional>
#include <string>

#include "base/fd.h"
#include "message.h"
#include "net/ip.h"

/// The sockets a DHCP client talks through. Each belongs for ever to the network namespace it was opened in, and is
/// non-blocking.
namespace berth::dhcp {

/// Below IP, on one link: for a client that has no address yet. The kernel gives it only datagrams for the client's
/// port. Closing one waits for the kernel's other processors (10 to 20 ms): not a thing to do in an event loop.
class PacketSocket {
 public:
  /// In the calling thread's namespace. Throws base::SystemError.
  explicit PacketSocket(int link_index);

  /// To every station on the link, from 0.0.0.0 to 255.255.255.255. Throws base::SystemError.
  void broadcast(const Message& message) const;
  /// The next well-formed message; nullopt if none is there now.
  std::optional<Message> receive() const;

  const base::Fd& fd() const { return fd_; }
  base::Fd release() { return std::move(fd_); }

 private:
  base::Fd fd_;
  int index_;
};

/// An ordinary UDP socket at the client's port of one link, for a client that has an address.
class UdpSocket {
 public:
  /// On the link `ifname`, or with "" on any: a socket that only sends. Throws base::SystemError.
  explicit UdpSocket(const std::string& ifname);

  /// From `source` (unset: the kernel's choice) to the server's port of `destination`. Throws base::SystemError.
  void send(const Message& message, const std::optional<net::IpAddress>& source,
            const net::IpAddress& destination) const;
  std::optional<Message> receive() const;
  /// True once everything sent has left; before that it may wait for an answer to ARP.
  bool has_sent_all() const;

  const base::Fd& fd() const { return fd_; }

 private:
  base::Fd fd_;
};

}  // namespace berth::dhcp
