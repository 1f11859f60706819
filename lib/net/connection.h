#pragma once

#include <linux/netlink.h>
#include <netlink/msg.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/ip.h"

struct nl_sock;

/// The transport below Netlink and below nf_tables: messages, acknowledgements, dumps, batches. Plugins never see it.
namespace berth::net {

/// One request under construction.
class Message {
 public:
  /// `flags` beside NLM_F_REQUEST.
  explicit Message(uint16_t type, unsigned flags = 0);

  /// The fixed header of the message's type (struct ifinfomsg, …), before any attribute; or the one that some nests
  /// begin with (VETH_INFO_PEER).
  template <class Header>
  Message& header(const Header& fields) {
    append(&fields, sizeof fields);
    return *this;
  }

  Message& put(int attribute, std::string_view text);  ///< With a final zero byte.
  Message& put_u8(int attribute, uint8_t value);
  Message& put_u16(int attribute, uint16_t value);
  Message& put_u32(int attribute, uint32_t value);
  Message& put_bytes(int attribute, const void* bytes, size_t size);
  Message& put_address(int attribute, const IpAddress& address);

  /// Puts what `content` puts inside of an attribute.
  template <class Content>
  Message& nest(int attribute, Content&& content) {
    nlattr* start = open_nest(attribute);
    content();
    close_nest(start);
    return *this;
  }
  nlmsghdr* get() const { return nlmsg_hdr(message_.get()); }

 private:
  struct Free {
    void operator()(nl_msg* message) const { nlmsg_free(message); }
  };

  void append(const void* bytes, size_t size);
  nlattr* open_nest(int attribute);
  void close_nest(nlattr* start);

  std::unique_ptr<nl_msg, Free> message_;
};

/// To be called before NETLINK_NETFILTER sockets are closed when anybody may have deleted something by a transaction of
/// nf_tables: whoever closes one waits until the kernel has freed that, a grace period of RCU (10 to 30 ms), during
/// which no other transaction gets on and no link can be deleted (nft_rcv_nl_event holds the commit_mutex). A child
/// process holds them until that is done.
void hold_until_freed(std::vector<int> netfilter_sockets);

/// One netlink socket and the conversation over it.
class Connection {
 public:
  using Handler = std::function<void(nlmsghdr*)>;

  /// In the calling thread's network namespace; `groups`: multicast groups (RTNLGRP_*) to listen to.
  explicit Connection(std::initializer_list<int> groups = {}) : Connection(NETLINK_ROUTE, groups) {}
  /// `protocol`: NETLINK_ROUTE or NETLINK_NETFILTER.
  explicit Connection(int protocol, std::initializer_list<int> groups = {});
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection();

  /// The socket's descriptor, for poll(2) or for a child process to keep.
  int fd() const;

  /// Makes a change: now, or with the batch if one is open. Throws SystemError "DOING: …".
  void change(Message message, std::string doing);

  /// Makes a change now. False if the kernel answers with one of the errno values `tolerated`.
  bool try_change(Message message, const std::string& doing, std::initializer_list<int> tolerated);

  /// Asks for one object. False if the answer is one of the errno values `tolerated`.
  bool ask(Message message, const std::string& doing, std::initializer_list<int> tolerated, const Handler& handler);

  /// Asks for a list. A dump that was interrupted by a change is repeated; `restart` forgets what was handled so far.
  void dump(Message message, const std::string& doing, const std::function<void()>& restart, const Handler& handler);

  /// As dump, once, until `wanted` says true of a message; returns whether it did. What is left of the answer is not
  /// read: the connection is of no more use.
  bool dump_until(Message message, const std::string& doing, const std::function<bool(nlmsghdr*)>& wanted);

  void start_batch();
  void drop_batch() noexcept;
  void commit_batch();

  /// The kernel's answer to one message of several.
  struct Answer {
    uint32_t sequence;
    int code;  ///< errno; 0: an acknowledgement.
    std::string detail;
  };
  /// A sequence number for a message that goes through `deliver`.
  uint32_t next_sequence();
  /// Gives complete messages to the kernel in one system call, and returns every error and acknowledgement they got.
  /// The kernel has handled them all when the call returns.
  std::vector<Answer> deliver(const std::vector<uint8_t>& messages, const std::string& doing);

  /// Waits for a message of a multicast group, and drops what has come. False on time-out. May return true early.
  bool wait_for_event(std::chrono::milliseconds timeout);

 private:
  /// What is said about a request in an error.
  struct Step {
    uint32_t sequence;
    std::string doing;
  };
  struct Failure {
    int code = 0;  ///< errno; 0: none
    std::string detail;
    std::string doing;
  };

  void require_no_batch() const;
  void enqueue(Message message, std::string doing);
  void transmit(const std::string& doing);
  Failure await_acknowledgement(const Handler& handler);
  bool dump_once(nlmsghdr* request, const std::string& doing, const Handler& handler);
  void send_dump(nlmsghdr* request, const std::string& doing);
  size_t receive(const std::string& doing);
  std::string doing_of(uint32_t sequence) const;

  nl_sock* socket_;
  std::unique_ptr<uint8_t[]> buffer_;
  bool batching_ = false;
  std::vector<uint8_t> outgoing_;
  std::vector<Step> steps_;
};

}  // namespace berth::net
