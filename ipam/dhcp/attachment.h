#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "client.h"
#include "cni/error.h"
#include "place.h"
#include "record.h"
#include "socket.h"
#include "store.h"

namespace berth::dhcp {

/// What all attachments of a daemon share.
struct Surroundings {
  boost::asio::io_context& loop;
  boost::asio::thread_pool& helpers;  ///< One thread, for what would hold up the loop.
  const Store& store;
  std::string host_prefix;
  bool broadcast = false;
  Seconds timeout{10};        ///< ClientSettings::timeout
  Seconds longest_pause{62};  ///< ClientSettings::longest_pause
  Seconds patience{208};      ///< For how long a plugin is kept waiting for a lease.
};

/// One lease in the daemon: the client, its sockets and timer, its record on disk, the plugins that wait for it.
/// Everything happens on the event loop.
class Attachment : public std::enable_shared_from_this<Attachment>, private ClientHost {
 public:
  /// With the lease, or why there is none.
  using Waiter = std::function<void(const std::optional<Lease>&, const std::optional<cni::Error>&)>;

  Attachment(Surroundings& surroundings, Record record);
  ~Attachment() override;

  const Key& key() const { return record_.key; }
  const Place& place() const { return record_.place; }
  /// The lease that may be used now.
  std::optional<Lease> lease() const { return stopped_ ? std::nullopt : client_.lease(); }
  /// The address of the lease, also of one whose link has gone.
  std::optional<net::IpAddress> last_address() const;
  /// Why there is no lease.
  std::string trouble() const;
  bool is_stopped() const { return stopped_; }

  /// Looks for a lease; `wanted` is an address it would like.
  void start(std::optional<net::IpAddress> wanted);
  /// Goes on with the record's lease, or with looking for one.
  void resume();

  /// Calls `waiter` once: now if there is a lease, else when there is one or patience is at its end. Returns a ticket
  /// for abandon().
  unsigned wait(Waiter waiter);
  /// The waiter has gone.
  void abandon(unsigned ticket);
  /// True if nobody waits for its first lease any more: it may be forgotten.
  bool is_unwanted() const { return !established_ && waiters_.empty(); }

  /// Ends the client, if its link has gone. The record stays, so that a DEL can still release the lease.
  void stop_if_link_is_gone();
  /// True if it has ended and its lease is over.
  bool is_over() const;
  /// Gives the lease back, forgets the record, and calls `done` when the message has left.
  void release(std::function<void()> done);
  /// Ends without a message; the record stays. `why` is for those who wait.
  void stop(const std::string& why);
  /// As stop(), and forgets the record.
  void forget();

 private:
  struct Waiting {
    Waiter waiter;
    std::unique_ptr<boost::asio::steady_timer> patience;
  };

  void broadcast(const Message& message) override;
  void send(const Message& message, const Lease& lease, const std::optional<net::IpAddress>& server) override;
  void bound(const Lease& lease, const std::optional<Lease>& previous) override;
  void lost(const Lease& lease, const std::string& why) override;

  net::NetNs netns() const;
  /// Runs `work` on the client; what goes wrong is written down, and the client goes on at its deadline.
  void drive(const std::function<void(Time)>& work);
  void arm_timer();
  void open_packet_socket();
  void open_udp_socket();
  void close_sockets();
  /// Hands what comes in to the client, for as long as `socket` is the one in `holder`.
  template <class Socket>
  void listen(boost::asio::posix::stream_descriptor& readable, std::unique_ptr<Socket>& holder, Socket* socket);
  void show_on_link(const Lease& lease, const std::optional<Lease>& previous);
  void save(const std::optional<Lease>& lease);
  void answer_waiters(const std::optional<Lease>& lease, const std::optional<cni::Error>& error);
  std::shared_ptr<UdpSocket> send_release(const Lease& lease) const;
  void log(const std::string& text) const;

  Surroundings& around_;
  Record record_;
  Client client_;
  boost::asio::steady_timer timer_;
  std::unique_ptr<PacketSocket> packet_socket_;  ///< Open while there is no address.
  std::unique_ptr<UdpSocket> udp_socket_;        ///< Open while a lease is being prolonged.
  boost::asio::posix::stream_descriptor packet_readable_;
  boost::asio::posix::stream_descriptor udp_readable_;
  std::map<unsigned, Waiting> waiters_;
  unsigned next_ticket_ = 0;
  bool established_ = false;  ///< A plugin has been given a lease: the link is ours to keep right.
  bool stopped_ = false;
  std::string send_failure_;   ///< Why the last message could not be sent.
  std::optional<Lease> lost_;  ///< The lease that was taken off the link,
  Routes former_routes_;       ///< and the routes that were there with it.
};

}  // namespace berth::dhcp
