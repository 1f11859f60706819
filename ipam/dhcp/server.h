#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/fd.h"
#include "daemon.h"

namespace berth::dhcp {

/// Takes the plugins' connections on a listening UNIX socket and passes their questions to the daemon.
class Server {
 public:
  /// `daemon` must outlive the server.
  Server(boost::asio::io_context& loop, base::Fd listening, Daemon& daemon);

 private:
  void accept();

  boost::asio::local::stream_protocol::acceptor acceptor_;
  boost::asio::steady_timer pause_;
  Daemon& daemon_;
};

}  // namespace berth::dhcp
