#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lease.h"
#include "message.h"
#include "net/mac.h"

namespace berth::dhcp {

/// How a client asks.
struct ClientSettings {
  net::MacAddress mac;
  Options provided;                ///< Options it sends; option 61 among them.
  std::vector<uint8_t> requested;  ///< Option 55.
  bool broadcast = false;          ///< Asks servers to answer by broadcast.
  Seconds timeout{10};             ///< For how long one offer is pursued.
  Seconds longest_pause{62};       ///< Between two messages while nobody answers.
};

/// What a client's decisions do to the world.
class ClientHost {
 public:
  virtual ~ClientHost() = default;

  /// To everybody on the link, from 0.0.0.0.
  virtual void broadcast(const Message& message) = 0;
  /// From the lease's address, to `server` (nullopt: to everybody).
  virtual void send(const Message& message, const Lease& lease, const std::optional<net::IpAddress>& server) = 0;
  /// A lease has been obtained or prolonged; `previous` is the one it follows.
  virtual void bound(const Lease& lease, const std::optional<Lease>& previous) = 0;
  /// The address may not be used any more. The client goes on asking for another.
  virtual void lost(const Lease& lease, const std::string& why) = 0;
};

/// The DHCP client of one interface (RFC 2131, 4.4): decides when to send what, and what an answer means. It has
/// neither sockets nor a clock: time comes in with each call, and deadline() says when the next call is due.
class Client {
 public:
  enum class State { kSelecting, kRequesting, kBound, kRenewing, kRebinding };

  /// `host` must outlive the client.
  Client(ClientSettings settings, ClientHost& host);

  /// Looks for a server; `wanted` is the address it had before, if any.
  void start(Time now, std::optional<net::IpAddress> wanted = std::nullopt);
  /// Goes on with a lease that an earlier client obtained. If it is over, that is lost() at once.
  void resume(Time now, Lease lease);

  /// A message has come in. Others' messages are ignored.
  void receive(Time now, const Message& message);
  /// To be called at deadline(), or later.
  void tick(Time now);
  Time deadline() const { return deadline_; }

  State state() const { return state_; }
  /// The lease whose address may be used now.
  const std::optional<Lease>& lease() const { return lease_; }
  /// Why there is no lease yet, as far as that is known ("no answer", "the offer of 10.0.0.1: it has no …").
  const std::string& trouble() const { return trouble_; }

  /// The message that gives a lease back.
  Message release_message(const Lease& lease) const;

 private:
  Message compose(Time now, MessageType type) const;
  void discover(Time now);
  void request(Time now);
  void prolong(Time now);
  void begin_exchange(Time now);
  void enter_bound(Time now, const Message& ack);
  void lose(Time now, const std::string& why);
  void take_offer(Time now, const Message& offer);
  void take_ack(Time now, const Message& ack);
  void take_nak(Time now, const Message& nak);
  Clock::duration next_pause();

  ClientSettings settings_;
  ClientHost& host_;
  State state_ = State::kSelecting;
  Time deadline_ = Time::max();
  uint32_t xid_ = 0;
  Time exchange_began_;
  Time sent_;                ///< When the message was sent whose answer is awaited.
  Time give_up_;             ///< When the offer that is being requested is forgotten.
  Clock::duration pause_{};  ///< Before the last message is repeated.
  std::optional<net::IpAddress> wanted_;
  std::optional<Message> offer_;
  std::optional<Lease> lease_;
  std::string trouble_ = "no DHCP server has answered";
};

}  // namespace berth::dhcp
