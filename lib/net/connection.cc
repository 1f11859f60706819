#include "net/connection.h"

#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <optional>
#include <stdexcept>
#include <utility>

#include "base/error.h"
#include "base/fd.h"

namespace berth::net {

namespace {

// The kernel never fills more than 32 KiB per datagram of a dump.
constexpr size_t kBufferSize = 65536;
constexpr int kDumpAttempts = 64;

/// What a NLMSG_ERROR message says; nullopt: it is an acknowledgement.
struct KernelError {
  int code;
  std::string detail;
};

std::optional<KernelError> error_of(nlmsghdr* message) {
  const auto* error = static_cast<const nlmsgerr*>(nlmsg_data(message));
  if (error->error == 0) return std::nullopt;
  KernelError result{-error->error, {}};
  if ((message->nlmsg_flags & NLM_F_ACK_TLVS) != 0) {
    // NETLINK_CAP_ACK: the request is not repeated beyond its header, so attributes follow at once.
    const auto* text = nlmsg_find_attr(message, sizeof(nlmsgerr), NLMSGERR_ATTR_MSG);
    if (text != nullptr) result.detail = nla_get_string(text);
  }
  return result;
}

/// The end of a dump carries its outcome.
void throw_if_failed(nlmsghdr* done, const std::string& doing) {
  if (nlmsg_datalen(done) < static_cast<int>(sizeof(int))) return;
  int outcome = 0;
  std::memcpy(&outcome, nlmsg_data(done), sizeof outcome);
  if (outcome < 0) throw base::SystemError(doing, -outcome);
}

void enable(int fd, int option) {
  const int on = 1;
  // Older kernels lack some of these; what they would filter is filtered again by its reader.
  ::setsockopt(fd, SOL_NETLINK, option, &on, sizeof on);
}

bool is_one_of(int code, std::initializer_list<int> codes) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

}  // namespace

Message::Message(uint16_t type, unsigned flags)
    : message_(nlmsg_alloc_simple(type, static_cast<int>(NLM_F_REQUEST | flags))) {
  if (!message_) throw std::bad_alloc();
}

void Message::append(const void* bytes, size_t size) {
  if (nlmsg_append(message_.get(), const_cast<void*>(bytes), size, NLMSG_ALIGNTO) < 0) throw std::bad_alloc();
}

Message& Message::put_bytes(int attribute, const void* bytes, size_t size) {
  if (nla_put(message_.get(), attribute, static_cast<int>(size), bytes) < 0) throw std::bad_alloc();
  return *this;
}

Message& Message::put(int attribute, std::string_view text) {
  const std::string terminated(text);
  return put_bytes(attribute, terminated.c_str(), terminated.size() + 1);
}

Message& Message::put_u8(int attribute, uint8_t value) {
  return put_bytes(attribute, &value, sizeof value);
}

Message& Message::put_u16(int attribute, uint16_t value) {
  return put_bytes(attribute, &value, sizeof value);
}

Message& Message::put_u32(int attribute, uint32_t value) {
  return put_bytes(attribute, &value, sizeof value);
}

Message& Message::put_address(int attribute, const IpAddress& address) {
  return put_bytes(attribute, address.bytes(), address.size());
}

nlattr* Message::open_nest(int attribute) {
  nlattr* start = nla_nest_start(message_.get(), attribute | NLA_F_NESTED);
  if (start == nullptr) throw std::bad_alloc();
  return start;
}

void Message::close_nest(nlattr* start) {
  nla_nest_end(message_.get(), start);
}

Connection::Connection(int protocol, std::initializer_list<int> groups)
    : socket_(nl_socket_alloc()), buffer_(new uint8_t[kBufferSize]) {
  if (socket_ == nullptr) throw std::bad_alloc();
  if (nl_connect(socket_, protocol) < 0) {
    const int saved = errno;
    nl_socket_free(socket_);
    throw base::SystemError(protocol == NETLINK_ROUTE ? "open an rtnetlink socket" : "open a netfilter netlink socket",
                            saved);
  }
  const int fd = nl_socket_get_fd(socket_);
  enable(fd, NETLINK_CAP_ACK);
  enable(fd, NETLINK_EXT_ACK);
  enable(fd, NETLINK_GET_STRICT_CHK);
  for (const int group : groups) nl_socket_add_membership(socket_, group);
}

Connection::~Connection() {
  nl_socket_free(socket_);
}

void hold_until_freed(std::vector<int> netfilter_sockets) {
  constexpr std::chrono::milliseconds kSeveralGracePeriods(200);
  base::hold_in_child(std::move(netfilter_sockets), kSeveralGracePeriods);
}

int Connection::fd() const {
  return nl_socket_get_fd(socket_);
}

void Connection::require_no_batch() const {
  if (batching_) throw std::logic_error("a question was asked of a Netlink that is collecting changes");
}

void Connection::enqueue(Message message, std::string doing) {
  nlmsghdr* header = message.get();
  header->nlmsg_seq = nl_socket_use_seq(socket_);
  const auto* bytes = reinterpret_cast<const uint8_t*>(header);
  outgoing_.insert(outgoing_.end(), bytes, bytes + header->nlmsg_len);
  outgoing_.resize(NLMSG_ALIGN(outgoing_.size()));
  steps_.push_back({header->nlmsg_seq, std::move(doing)});
}

void Connection::transmit(const std::string& doing) {
  const int sent = nl_sendto(socket_, outgoing_.data(), outgoing_.size());
  const int saved = errno;
  outgoing_.clear();
  if (sent < 0) throw base::SystemError(doing, saved);
}

size_t Connection::receive(const std::string& doing) {
  for (;;) {
    const auto size = ::recv(nl_socket_get_fd(socket_), buffer_.get(), kBufferSize, MSG_TRUNC);
    if (size < 0 && errno == EINTR) continue;
    base::check(size, doing);
    if (static_cast<size_t>(size) > kBufferSize) throw base::SystemError(doing, EMSGSIZE);
    return static_cast<size_t>(size);
  }
}

std::string Connection::doing_of(uint32_t sequence) const {
  const auto step = std::find_if(steps_.begin(), steps_.end(), [&](const Step& s) { return s.sequence == sequence; });
  return step != steps_.end() ? step->doing : "";
}

/// Reads until the last request sent has been answered: by data, which `handler` gets, or by an acknowledgement or
/// error. Earlier requests of a batch are answered only if they fail. Returns the first failure.
Connection::Failure Connection::await_acknowledgement(const Handler& handler) {
  const uint32_t first = steps_.front().sequence;
  const uint32_t last = steps_.back().sequence;
  Failure failure;
  for (bool answered = false; !answered;) {
    auto left = static_cast<int>(receive(steps_.back().doing));
    for (auto* message = reinterpret_cast<nlmsghdr*>(buffer_.get()); nlmsg_ok(message, left);
         message = nlmsg_next(message, &left)) {
      if (message->nlmsg_seq - first > last - first) continue;  // left over from an earlier, abandoned conversation
      answered = answered || message->nlmsg_seq == last;
      if (message->nlmsg_type != NLMSG_ERROR) {
        if (handler) handler(message);
      } else if (auto error = error_of(message); error && failure.code == 0) {
        failure = {error->code, std::move(error->detail), doing_of(message->nlmsg_seq)};
      }
    }
  }
  steps_.clear();
  return failure;
}

void Connection::change(Message message, std::string doing) {
  if (!batching_) {
    try_change(std::move(message), doing, {});
    return;
  }
  enqueue(std::move(message), std::move(doing));
}

bool Connection::try_change(Message message, const std::string& doing, std::initializer_list<int> tolerated) {
  message.get()->nlmsg_flags |= NLM_F_ACK;
  return ask(std::move(message), doing, tolerated, {});
}

bool Connection::ask(Message message, const std::string& doing, std::initializer_list<int> tolerated,
                     const Handler& handler) {
  require_no_batch();
  steps_.clear();
  enqueue(std::move(message), doing);
  transmit(doing);
  const Failure failure = await_acknowledgement(handler);
  if (failure.code == 0) return true;
  if (is_one_of(failure.code, tolerated)) return false;
  throw base::SystemError(doing, failure.code, failure.detail);
}

void Connection::dump(Message message, const std::string& doing, const std::function<void()>& restart,
                      const Handler& handler) {
  require_no_batch();
  message.get()->nlmsg_flags |= NLM_F_DUMP;
  for (int attempt = 0; attempt < kDumpAttempts; ++attempt) {
    restart();
    if (dump_once(message.get(), doing, handler)) return;
  }
  throw base::SystemError(doing, EAGAIN, "the list changed each time it was read");
}

/// False if something changed in between, so that the list may miss entries.
bool Connection::dump_once(nlmsghdr* request, const std::string& doing, const Handler& handler) {
  send_dump(request, doing);
  bool consistent = true;
  for (;;) {
    auto left = static_cast<int>(receive(doing));
    for (auto* message = reinterpret_cast<nlmsghdr*>(buffer_.get()); nlmsg_ok(message, left);
         message = nlmsg_next(message, &left)) {
      if (message->nlmsg_seq != request->nlmsg_seq) continue;
      if ((message->nlmsg_flags & NLM_F_DUMP_INTR) != 0) consistent = false;
      if (message->nlmsg_type == NLMSG_ERROR) {
        const auto error = error_of(message);
        throw base::SystemError(doing, error ? error->code : EBADMSG, error ? error->detail : "");
      }
      if (message->nlmsg_type == NLMSG_DONE) {
        throw_if_failed(message, doing);
        return consistent;
      }
      handler(message);
    }
  }
}

void Connection::send_dump(nlmsghdr* request, const std::string& doing) {
  request->nlmsg_seq = nl_socket_use_seq(socket_);
  base::check(nl_sendto(socket_, request, request->nlmsg_len), doing);
}

bool Connection::dump_until(Message message, const std::string& doing, const std::function<bool(nlmsghdr*)>& wanted) {
  require_no_batch();
  nlmsghdr* request = message.get();
  request->nlmsg_flags |= NLM_F_DUMP;
  send_dump(request, doing);
  for (;;) {
    auto left = static_cast<int>(receive(doing));
    for (auto* answer = reinterpret_cast<nlmsghdr*>(buffer_.get()); nlmsg_ok(answer, left);
         answer = nlmsg_next(answer, &left)) {
      if (answer->nlmsg_type == NLMSG_ERROR) {
        const auto error = error_of(answer);
        throw base::SystemError(doing, error ? error->code : EBADMSG, error ? error->detail : "");
      }
      if (answer->nlmsg_type == NLMSG_DONE) {
        throw_if_failed(answer, doing);
        return false;
      }
      if (wanted(answer)) return true;
    }
  }
}

void Connection::start_batch() {
  require_no_batch();
  steps_.clear();
  batching_ = true;
}

void Connection::drop_batch() noexcept {
  batching_ = false;
  outgoing_.clear();
  steps_.clear();
}

void Connection::commit_batch() {
  batching_ = false;
  if (outgoing_.empty()) return;
  // One acknowledgement for all: the kernel handles them in order, and answers the others only if they fail.
  size_t offset = 0;
  auto* last = reinterpret_cast<nlmsghdr*>(outgoing_.data());
  while ((offset += NLMSG_ALIGN(last->nlmsg_len)) < outgoing_.size()) {
    last = reinterpret_cast<nlmsghdr*>(outgoing_.data() + offset);
  }
  last->nlmsg_flags |= NLM_F_ACK;
  transmit(steps_.front().doing);
  const Failure failure = await_acknowledgement({});
  if (failure.code != 0) throw base::SystemError(failure.doing, failure.code, failure.detail);
}

uint32_t Connection::next_sequence() {
  return nl_socket_use_seq(socket_);
}

std::vector<Connection::Answer> Connection::deliver(const std::vector<uint8_t>& messages, const std::string& doing) {
  require_no_batch();
  const int fd = nl_socket_get_fd(socket_);
  // The kernel takes no message larger than the socket's send buffer, of which it counts half as overhead.
  const int needed = static_cast<int>(messages.size()) * 2;
  if (messages.size() > kBufferSize / 2) ::setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &needed, sizeof needed);
  if (nl_sendto(socket_, const_cast<uint8_t*>(messages.data()), messages.size()) < 0) base::throw_errno(doing);
  std::vector<Answer> answers;
  for (;;) {
    const auto size = ::recv(fd, buffer_.get(), kBufferSize, MSG_DONTWAIT);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return answers;
    auto left = static_cast<int>(base::check(size, doing));
    for (auto* message = reinterpret_cast<nlmsghdr*>(buffer_.get()); nlmsg_ok(message, left);
         message = nlmsg_next(message, &left)) {
      if (message->nlmsg_type != NLMSG_ERROR) continue;
      auto error = error_of(message);
      answers.push_back({message->nlmsg_seq, error ? error->code : 0, error ? std::move(error->detail) : ""});
    }
  }
}

bool Connection::wait_for_event(std::chrono::milliseconds timeout) {
  pollfd waiting{nl_socket_get_fd(socket_), POLLIN, 0};
  const int ready = ::poll(&waiting, 1, static_cast<int>(timeout.count()));
  if (ready < 0 && errno != EINTR) base::throw_errno("wait for an rtnetlink event");
  if (ready == 0) return false;
  // Overrun (ENOBUFS) is news as well: what matters is that something changed.
  while (::recv(nl_socket_get_fd(socket_), buffer_.get(), kBufferSize, MSG_DONTWAIT) >= 0) {
  }
  return true;
}

}  // namespace berth::net
