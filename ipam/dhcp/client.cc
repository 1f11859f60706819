#include "client.h"

#include <sys/random.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "bytes.h"
#include "options.h"

namespace berth::dhcp {

namespace {

using std::chrono::milliseconds;

constexpr unsigned kMaximumMessage = 1500;
/// A port of a bridge may take some moments until it forwards: the first repetitions come quickly.
constexpr milliseconds kFirstPause{250};
/// RFC 2131, 4.4.5 asks for 60 s between renewals, which would leave no second try in a lease of two minutes.
constexpr Seconds kShortestRenewalPause{10};
/// After a refusal, so that two machines that disagree do not talk for ever at full speed.
constexpr Seconds kPauseAfterRefusal{1};

uint32_t random_number() {
  uint32_t number = 0;
  // Never short for so few bytes once the kernel has its entropy; a fixed number would only be less unique.
  if (::getrandom(&number, sizeof number, 0) != sizeof number) return 1;
  return number;
}

std::string u16_option(unsigned value) {
  std::string bytes;
  put_u16(bytes, value);
  return bytes;
}

std::string address_option(const net::IpAddress& address) {
  std::string bytes;
  put_address(bytes, address);
  return bytes;
}

std::string sender_of(const Message& message) {
  const auto server = address_in(message.options, kServerIdentifier);
  return server ? server->to_string() : "an unnamed server";
}

}  // namespace

Client::Client(ClientSettings settings, ClientHost& host) : settings_(std::move(settings)), host_(host) {}

void Client::start(Time now, std::optional<net::IpAddress> wanted) {
  wanted_ = wanted;
  state_ = State::kSelecting;
  offer_.reset();
  begin_exchange(now);
  discover(now);
}

void Client::resume(Time now, Lease lease) {
  lease_ = std::move(lease);
  state_ = State::kBound;
  deadline_ = lease_->renews_at();
  if (deadline_ <= now) tick(now);
}

void Client::tick(Time now) {
  if (now < deadline_) return;
  switch (state_) {
    case State::kSelecting:
      return discover(now);
    case State::kRequesting:
      if (now < give_up_) return request(now);
      trouble_ = "server " + sender_of(*offer_) + " does not answer to the request for its offer";
      return start(now, wanted_);
    case State::kBound:
    case State::kRenewing:
    case State::kRebinding:
      if (now >= lease_->expires_at()) return lose(now, "the lease has expired and no server has prolonged it");
      return prolong(now);
  }
}

void Client::begin_exchange(Time now) {
  xid_ = random_number();
  exchange_began_ = now;
  pause_ = kFirstPause;
}

/// Doubles from one to the next, with a quarter of chance in it, so that many clients that start at once spread out.
Clock::duration Client::next_pause() {
  const auto spread = pause_ / 4;
  const auto chance = spread * 2 * (random_number() % 1000) / 1000;
  const auto pause = pause_ - spread + chance;
  pause_ = std::min<Clock::duration>(pause_ * 2, settings_.longest_pause);
  return pause;
}

Message Client::compose(Time now, MessageType type) const {
  Message message;
  message.xid = xid_;
  message.secs = static_cast<uint16_t>(
      std::clamp<int64_t>(std::chrono::duration_cast<Seconds>(now - exchange_began_).count(), 0, 0xffff));
  message.broadcast = settings_.broadcast;
  message.chaddr = settings_.mac;
  message.options = settings_.provided;
  message.options[kMaximumMessageSize] = u16_option(kMaximumMessage);
  if (!settings_.requested.empty()) {
    message.options[kParameterRequestList] = std::string(settings_.requested.begin(), settings_.requested.end());
  }
  message.set_type(type);
  return message;
}

void Client::discover(Time now) {
  auto message = compose(now, MessageType::kDiscover);
  if (wanted_) message.options[kRequestedAddress] = address_option(*wanted_);
  sent_ = now;
  deadline_ = now + next_pause();
  host_.broadcast(message);
}

void Client::request(Time now) {
  auto message = compose(now, MessageType::kRequest);
  message.options[kRequestedAddress] = address_option(offer_->yiaddr);
  message.options[kServerIdentifier] = offer_->options.at(kServerIdentifier);
  sent_ = now;
  deadline_ = std::min(give_up_, now + next_pause());
  host_.broadcast(message);
}

/// Renews with the server that granted the lease, and from T2 on with any (RFC 2131, 4.4.5).
void Client::prolong(Time now) {
  const bool rebinds = now >= lease_->rebinds_at();
  const auto next = rebinds ? State::kRebinding : State::kRenewing;
  if (std::exchange(state_, next) == State::kBound) begin_exchange(now);
  const auto limit = rebinds ? lease_->expires_at() : lease_->rebinds_at();
  const auto pause = std::max<Clock::duration>((limit - now) / 2, kShortestRenewalPause);
  deadline_ = std::min(limit, now + pause);
  sent_ = now;
  auto message = compose(now, MessageType::kRequest);
  message.broadcast = false;  // the address works, so that answers reach it
  message.ciaddr = lease_->address.address;
  host_.send(message, *lease_, rebinds ? std::nullopt : std::optional(lease_->server));
}

Message Client::release_message(const Lease& lease) const {
  Message message;
  message.xid = random_number();
  message.chaddr = settings_.mac;
  message.ciaddr = lease.address.address;
  message.set_type(MessageType::kRelease);
  message.options[kServerIdentifier] = address_option(lease.server);
  // RFC 2131, table 5: nothing else but the identifier, by which the server finds the lease.
  const auto identifier = settings_.provided.find(kClientIdentifier);
  if (identifier != settings_.provided.end()) message.options[kClientIdentifier] = identifier->second;
  return message;
}

void Client::receive(Time now, const Message& message) {
  if (!message.is_reply || message.xid != xid_ || message.chaddr != settings_.mac) return;
  const auto type = message.type();
  if (type == MessageType::kOffer) return take_offer(now, message);
  if (type == MessageType::kAck) return take_ack(now, message);
  if (type == MessageType::kNak) return take_nak(now, message);
}

void Client::take_offer(Time now, const Message& offer) {
  if (state_ != State::kSelecting) return;
  try {
    Lease::from(offer, now);
  } catch (const std::invalid_argument& error) {
    trouble_ = "the offer of " + sender_of(offer) + " cannot be used: " + error.what();
    return;
  }
  offer_ = offer;
  state_ = State::kRequesting;
  give_up_ = now + settings_.timeout;
  pause_ = kFirstPause;
  request(now);
}

void Client::take_ack(Time now, const Message& ack) {
  if (state_ == State::kSelecting || state_ == State::kBound) return;
  // Another server's answer to our choice is none of our business.
  if (state_ == State::kRequesting &&
      address_in(ack.options, kServerIdentifier) != address_in(offer_->options, kServerIdentifier)) {
    return;
  }
  enter_bound(now, ack);
}

void Client::enter_bound(Time now, const Message& ack) {
  try {
    const auto previous = std::exchange(lease_, Lease::from(ack, sent_));
    offer_.reset();
    wanted_ = lease_->address.address;
    state_ = State::kBound;
    deadline_ = std::max(lease_->renews_at(), now + Seconds(1));
    host_.bound(*lease_, previous);
  } catch (const std::invalid_argument& error) {
    trouble_ = "the answer of " + sender_of(ack) + " cannot be used: " + error.what();
  }
}

void Client::take_nak(Time now, const Message& nak) {
  const auto text = nak.options.find(kErrorMessage);
  std::string why = "server " + sender_of(nak) + " has refused the address";
  if (text != nak.options.end()) why += " (" + text->second + ")";
  if (state_ == State::kRenewing || state_ == State::kRebinding) return lose(now, why);
  if (state_ != State::kRequesting) return;
  if (address_in(nak.options, kServerIdentifier) != address_in(offer_->options, kServerIdentifier)) return;
  trouble_ = why;
  offer_.reset();
  wanted_.reset();
  state_ = State::kSelecting;
  begin_exchange(now);
  deadline_ = now + kPauseAfterRefusal;
}

/// From now on the interface has no address, and the client is at its beginning again.
void Client::lose(Time now, const std::string& why) {
  const auto lost = std::exchange(lease_, std::nullopt);
  trouble_ = why;
  host_.lost(*lost, why);
  start(now, lost->address.address);
}

}  // namespace berth::dhcp
