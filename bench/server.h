#pragma once

#include <netinet/in.h>

#include <string>
#include <thread>

#include "base/fd.h"
#include "net/netns.h"

namespace berth::bench {

/// Accepts connections on port 80 of a namespace, answers each byte with itself, until it is destroyed.
class EchoServer {
 public:
  explicit EchoServer(const net::NetNs& netns);
  ~EchoServer();
  EchoServer(const EchoServer&) = delete;
  EchoServer& operator=(const EchoServer&) = delete;

 private:
  base::Fd listener_;
  std::thread thread_;
};

struct Exchange {
  double connect_us = 0;     ///< connect(2)
  double round_trip_us = 0;  ///< A byte there and back over the connection.
};

/// From the calling thread's namespace. The connection is reset at the end, so that none lingers in TIME_WAIT.
Exchange converse(const std::string& address, uint16_t port);

}  // namespace berth::bench
