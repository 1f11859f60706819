#include "attachment.h"

#include <boost/asio/post.hpp>
#include <cstdio>
#include <utility>

#include "base/error.h"
#include "bytes.h"

namespace berth::dhcp {

namespace {

namespace asio = boost::asio;
using asio::posix::stream_descriptor;
using boost::system::error_code;

/// How long a RELEASE may wait for the answer to an ARP request, looked at this often.
constexpr std::chrono::milliseconds kDeparturePause{5};
constexpr unsigned kDepartureTries = 100;

ClientSettings settings_for(const Surroundings& around, const Record& record) {
  ClientSettings settings;
  settings.mac = record.place.mac;
  settings.provided = record.wishes.provide;
  settings.provided.try_emplace(kClientIdentifier,
                                client_identifier(record.key.container, record.key.network, record.key.ifname));
  settings.requested = record.wishes.request;
  settings.broadcast = around.broadcast;
  settings.timeout = around.timeout;
  settings.longest_pause = around.longest_pause;
  return settings;
}

/// Calls `done` when everything has left, or when that takes too long: it does no harm, the lease ends by itself.
void await_departure(asio::io_context& loop, std::shared_ptr<UdpSocket> socket, std::function<void()> done,
                     unsigned tries = kDepartureTries) {
  if (tries == 0 || !socket || socket->has_sent_all()) return done();
  auto timer = std::make_shared<asio::steady_timer>(loop, kDeparturePause);
  timer->async_wait([&loop, timer, socket = std::move(socket), done = std::move(done), tries](const error_code&) {
    await_departure(loop, socket, done, tries - 1);
  });
}

}  // namespace

Attachment::Attachment(Surroundings& surroundings, Record record)
    : around_(surroundings),
      record_(std::move(record)),
      client_(settings_for(surroundings, record_), *this),
      timer_(surroundings.loop),
      packet_readable_(surroundings.loop),
      udp_readable_(surroundings.loop) {}

Attachment::~Attachment() {
  close_sockets();
}

void Attachment::log(const std::string& text) const {
  std::fprintf(stderr, "dhcp: %s: %s\n", record_.key.to_string().c_str(), text.c_str());
}

std::optional<net::IpAddress> Attachment::last_address() const {
  return record_.lease ? std::optional(record_.lease->address.address) : std::nullopt;
}

std::string Attachment::trouble() const {
  if (stopped_) return "the interface has gone";
  return send_failure_.empty() ? client_.trouble() : send_failure_;
}

// --- life --------------------------------------------------------------------------------------------------------

void Attachment::start(std::optional<net::IpAddress> wanted) {
  drive([&](Time now) { client_.start(now, wanted); });
}

void Attachment::resume() {
  established_ = true;
  stop_if_link_is_gone();
  drive([&](Time now) {
    if (record_.lease) {
      client_.resume(now, *record_.lease);
    } else {
      client_.start(now);
    }
  });
}

void Attachment::drive(const std::function<void(Time)>& work) {
  if (stopped_) return;
  const auto alive = shared_from_this();
  try {
    work(Clock::now());
  } catch (const std::exception& error) {
    log(error.what());
  }
  if (!stopped_) arm_timer();
}

void Attachment::arm_timer() {
  timer_.expires_at(client_.deadline());
  timer_.async_wait([this, weak = weak_from_this()](const error_code& cancelled) {
    const auto alive = weak.lock();
    if (!cancelled && alive) drive([this](Time now) { client_.tick(now); });
  });
}

void Attachment::stop(const std::string& why) {
  stopped_ = true;
  error_code ignored;
  timer_.cancel(ignored);
  close_sockets();
  answer_waiters(std::nullopt, cni::Error(cni::Code::kTryAgainLater,
                                          "the DHCP lease of " + record_.key.to_string() + " was given up", why));
}

void Attachment::forget() {
  stop("it has been released");
  around_.store.remove(record_.key);
}

void Attachment::stop_if_link_is_gone() {
  if (stopped_) return;
  try {
    if (find_place(around_.host_prefix, record_.place, record_.key.ifname)) return;
  } catch (const std::exception& error) {
    return log(error.what());  // out of descriptors, say: no reason to give up a lease
  }
  log("the interface has gone");
  stop("the interface has gone");
}

bool Attachment::is_over() const {
  return stopped_ && (!record_.lease || record_.lease->expires_at() <= Clock::now());
}

net::NetNs Attachment::netns() const {
  auto netns = find_place(around_.host_prefix, record_.place, record_.key.ifname);
  if (!netns) throw base::SystemError("find interface " + record_.key.ifname + " in " + record_.place.netns, ENODEV);
  return std::move(*netns);
}

// --- those who wait ----------------------------------------------------------------------------------------------

unsigned Attachment::wait(Waiter waiter) {
  const unsigned ticket = next_ticket_++;
  if (const auto present = lease()) {
    established_ = true;
    waiter(present, std::nullopt);
    return ticket;
  }
  auto patience = std::make_unique<asio::steady_timer>(around_.loop, around_.patience);
  patience->async_wait([this, weak = weak_from_this(), ticket](const error_code& cancelled) {
    const auto alive = weak.lock();
    if (cancelled || !alive) return;
    const auto waiting = waiters_.extract(ticket);
    if (waiting.empty()) return;
    const cni::Error error(cni::Code::kTryAgainLater, "no DHCP lease for " + record_.key.to_string(), trouble());
    waiting.mapped().waiter(std::nullopt, error);
  });
  waiters_[ticket] = {std::move(waiter), std::move(patience)};
  return ticket;
}

void Attachment::abandon(unsigned ticket) {
  waiters_.erase(ticket);
}

void Attachment::answer_waiters(const std::optional<Lease>& lease, const std::optional<cni::Error>& error) {
  const auto waiters = std::exchange(waiters_, {});
  if (lease && !waiters.empty()) established_ = true;
  for (const auto& [ticket, waiting] : waiters) waiting.waiter(lease, error);
}

// --- what the client decides -------------------------------------------------------------------------------------

void Attachment::broadcast(const Message& message) {
  try {
    if (!packet_socket_) open_packet_socket();
    packet_socket_->broadcast(message);
    send_failure_.clear();
  } catch (const std::exception& error) {
    close_sockets();  // the next try begins with a new one
    send_failure_ = error.what();
  }
}

void Attachment::send(const Message& message, const Lease& lease, const std::optional<net::IpAddress>& server) {
  try {
    if (!udp_socket_) open_udp_socket();
    udp_socket_->send(message, lease.address.address, server.value_or(net::IpAddress::parse("255.255.255.255")));
    send_failure_.clear();
  } catch (const std::exception& error) {
    close_sockets();
    send_failure_ = error.what();
    log(send_failure_);
  }
}

void Attachment::bound(const Lease& lease, const std::optional<Lease>& previous) {
  close_sockets();
  if (!previous) log("has " + lease.address.to_string() + " from " + lease.server.to_string());
  save(lease);
  if (established_) show_on_link(lease, previous);
  lost_.reset();
  former_routes_.clear();
  answer_waiters(lease, std::nullopt);
}

void Attachment::show_on_link(const Lease& lease, const std::optional<Lease>& previous) {
  try {
    netns().within([&] {
      if (previous) {
        replace_on_link(record_, lease, *previous);
      } else {
        put_on_link(record_, lease, lost_, former_routes_);
      }
    });
  } catch (const std::exception& error) {
    log(std::string("cannot bring the lease to the interface: ") + error.what());
  }
}

void Attachment::lost(const Lease& lease, const std::string& why) {
  close_sockets();
  log("has lost " + lease.address.to_string() + ": " + why);
  save(std::nullopt);
  lost_ = lease;
  try {
    former_routes_ = netns().within([&] { return remove_from_link(record_.place, lease); });
  } catch (const std::exception& error) {
    log(std::string("cannot take the address off the interface: ") + error.what());
  }
}

void Attachment::save(const std::optional<Lease>& lease) {
  record_.lease = lease;
  try {
    around_.store.save(record_);
  } catch (const std::exception& error) {
    // A full disk must not cost the lease; only a restart would forget it.
    log(error.what());
  }
}

// --- sockets -----------------------------------------------------------------------------------------------------

template <class Socket>
void Attachment::listen(stream_descriptor& readable, std::unique_ptr<Socket>& holder, Socket* socket) {
  readable.async_wait(stream_descriptor::wait_read,
                      [this, &readable, &holder, socket, weak = weak_from_this()](const error_code& failed) {
                        const auto alive = weak.lock();
                        if (failed || !alive || holder.get() != socket) return;
                        drive([&](Time now) {
                          while (holder.get() == socket) {
                            const auto message = socket->receive();
                            if (!message) break;
                            client_.receive(now, *message);
                          }
                        });
                        if (holder.get() == socket) listen(readable, holder, socket);
                      });
}

void Attachment::open_packet_socket() {
  packet_socket_ = netns().within([&] { return std::make_unique<PacketSocket>(record_.place.index); });
  packet_readable_.assign(packet_socket_->fd().get());
  listen(packet_readable_, packet_socket_, packet_socket_.get());
}

void Attachment::open_udp_socket() {
  udp_socket_ = netns().within([&] { return std::make_unique<UdpSocket>(record_.key.ifname); });
  udp_readable_.assign(udp_socket_->fd().get());
  listen(udp_readable_, udp_socket_, udp_socket_.get());
}

/// The descriptors belong to the sockets, not to the event loop's objects.
void Attachment::close_sockets() {
  if (packet_readable_.is_open()) packet_readable_.release();
  if (udp_readable_.is_open()) udp_readable_.release();
  udp_socket_.reset();
  if (packet_socket_) asio::post(around_.helpers, [closing = std::move(packet_socket_)]() mutable { closing.reset(); });
}

// --- release -----------------------------------------------------------------------------------------------------

/// From the leased address if its link is still there. Else from the host: some servers take it, and the lease ends by
/// itself otherwise.
std::shared_ptr<UdpSocket> Attachment::send_release(const Lease& lease) const {
  const auto message = client_.release_message(lease);
  std::shared_ptr<UdpSocket> socket;
  try {
    if (const auto there = find_place(around_.host_prefix, record_.place, record_.key.ifname)) {
      socket = there->within([&] { return std::make_shared<UdpSocket>(record_.key.ifname); });
      socket->send(message, lease.address.address, lease.server);
      return socket;
    }
  } catch (const std::exception& error) {
    log(std::string("cannot release from its interface: ") + error.what());
  }
  try {
    socket = std::make_shared<UdpSocket>("");
    socket->send(message, std::nullopt, lease.server);
  } catch (const std::exception& error) {
    log(std::string("cannot release from the host: ") + error.what());
  }
  return socket;
}

void Attachment::release(std::function<void()> done) {
  const auto lease = record_.lease;
  forget();
  if (!lease || lease->expires_at() <= Clock::now()) return done();
  log("releases " + lease->address.to_string());
  await_departure(around_.loop, send_release(*lease), std::move(done));
}

}  // namespace berth::dhcp
