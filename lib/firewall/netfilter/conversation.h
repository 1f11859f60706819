#pragma once

#include <memory>
#include <vector>

#include "net/connection.h"

namespace berth::firewall::netfilter {

/// For operations that delete: keeps the sockets of this thread's conversations until the operation is over, in one
/// network namespace, and then has them held (net::hold_until_freed). Each takes ten system calls to open. Sessions
/// nest: the outermost one counts.
class Session {
 public:
  Session();
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

 private:
  friend class Conversation;
  bool is_outermost_;
  std::vector<std::unique_ptr<net::Connection>> idle_;
  std::vector<std::unique_ptr<net::Connection>> spent_;  ///< Of no more use.
};

/// A netfilter socket in the calling thread's network namespace: the session's, if there is one.
class Conversation {
 public:
  Conversation();
  ~Conversation();
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;

  net::Connection* operator->() const { return connection_.get(); }

  /// An answer was not read to its end.
  void break_off() noexcept { is_broken_off_ = true; }

 private:
  std::unique_ptr<net::Connection> connection_;
  bool is_broken_off_ = false;
  int exceptions_;  ///< Under way at construction: one more, and an answer may be unread.
};

}  // namespace berth::firewall::netfilter
