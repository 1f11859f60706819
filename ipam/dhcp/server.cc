#include "server.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <deque>
#include <utility>

#include "base/json.h"

namespace berth::dhcp {

namespace {

namespace asio = boost::asio;
using asio::local::stream_protocol;
using boost::system::error_code;

/// A plugin writes its question at once.
constexpr std::chrono::seconds kQuestionTimeout{10};
constexpr std::chrono::seconds kSignOfLife{2};
/// While there are no descriptors left, say.
constexpr std::chrono::milliseconds kPauseAfterFailure{100};

/// One plugin's connection. It lives as long as something is awaited on it.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(stream_protocol::socket socket, Daemon& daemon)
      : socket_(std::move(socket)), timer_(socket_.get_executor()), daemon_(daemon) {}

  void start() {
    timer_.expires_after(kQuestionTimeout);
    timer_.async_wait([self = shared_from_this()](const error_code& cancelled) {
      if (!cancelled) self->close();
    });
    asio::async_read_until(socket_, asio::dynamic_buffer(line_, kLongestLine), '\n',
                           [self = shared_from_this()](const error_code& failed, size_t) {
                             error_code ignored;
                             self->timer_.cancel(ignored);
                             if (!failed) self->ask();
                           });
  }

 private:
  void ask() {
    watch_for_hangup();
    try {
      const auto question = Ask::decode(line_);
      cancel_ = daemon_.handle(question, [self = shared_from_this()](const Answer& answer) { self->finish(answer); });
    } catch (const cni::Error& error) {
      finish({false, std::nullopt, error});
    } catch (const std::exception& error) {
      finish({false, std::nullopt, cni::Error(cni::Code::kInternal, error.what())});
    }
    if (!finished_) give_sign_of_life();
  }

  /// The plugin says nothing more: whatever can be read is its end.
  void watch_for_hangup() {
    asio::async_read(socket_, asio::buffer(&beyond_, 1), [self = shared_from_this()](const error_code&, size_t) {
      if (!self->finished_ && self->cancel_) self->cancel_();
      self->finished_ = true;
      self->close();
    });
  }

  void give_sign_of_life() {
    timer_.expires_after(kSignOfLife);
    timer_.async_wait([self = shared_from_this()](const error_code& cancelled) {
      if (cancelled || self->finished_) return;
      Answer pending;
      pending.pending = true;
      self->write(pending.encode());
      self->give_sign_of_life();
    });
  }

  void finish(const Answer& answer) {
    if (std::exchange(finished_, true)) return;
    error_code ignored;
    timer_.cancel(ignored);
    write(answer.encode());
  }

  void write(std::string text) {
    outgoing_.push_back(std::move(text));
    if (outgoing_.size() == 1) write_next();
  }

  void write_next() {
    asio::async_write(socket_, asio::buffer(outgoing_.front()),
                      [self = shared_from_this()](const error_code& failed, size_t) {
                        self->outgoing_.pop_front();
                        if (failed) return self->close();
                        if (!self->outgoing_.empty()) return self->write_next();
                        if (self->finished_) self->close();
                      });
  }

  void close() {
    error_code ignored;
    timer_.cancel(ignored);
    socket_.close(ignored);
  }

  stream_protocol::socket socket_;
  asio::steady_timer timer_;
  Daemon& daemon_;
  std::string line_;
  std::deque<std::string> outgoing_;
  char beyond_ = 0;
  Daemon::Cancel cancel_;
  bool finished_ = false;
};

}  // namespace

Server::Server(asio::io_context& loop, base::Fd listening, Daemon& daemon)
    : acceptor_(loop, stream_protocol(), listening.release()), pause_(loop), daemon_(daemon) {
  accept();
}

void Server::accept() {
  acceptor_.async_accept([this](const error_code& failed, stream_protocol::socket socket) {
    if (failed == asio::error::operation_aborted) return;
    if (!failed) {
      std::make_shared<Session>(std::move(socket), daemon_)->start();
      return accept();
    }
    pause_.expires_after(kPauseAfterFailure);
    pause_.async_wait([this](const error_code& cancelled) {
      if (!cancelled) accept();
    });
  });
}

}  // namespace berth::dhcp
