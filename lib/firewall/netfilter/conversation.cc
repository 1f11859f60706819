#include "firewall/netfilter/conversation.h"

#include <linux/netlink.h>

#include <exception>
#include <utility>

namespace berth::firewall::netfilter {

namespace {

thread_local Session* session_of_this_thread = nullptr;

}  // namespace

Session::Session() : is_outermost_(session_of_this_thread == nullptr) {
  if (is_outermost_) session_of_this_thread = this;
}

Session::~Session() {
  if (!is_outermost_) return;
  session_of_this_thread = nullptr;
  std::vector<int> sockets;
  for (const auto* connections : {&idle_, &spent_}) {
    for (const auto& connection : *connections) sockets.push_back(connection->fd());
  }
  if (!sockets.empty()) net::hold_until_freed(std::move(sockets));
}

Conversation::Conversation() : exceptions_(std::uncaught_exceptions()) {
  Session* const session = session_of_this_thread;
  if (session == nullptr || session->idle_.empty()) {
    connection_ = std::make_unique<net::Connection>(NETLINK_NETFILTER);
    return;
  }
  connection_ = std::move(session->idle_.back());
  session->idle_.pop_back();
}

Conversation::~Conversation() {
  Session* const session = session_of_this_thread;
  if (session == nullptr) return;
  const bool is_spent = is_broken_off_ || std::uncaught_exceptions() != exceptions_;
  (is_spent ? session->spent_ : session->idle_).push_back(std::move(connection_));
}

}  // namespace berth::firewall::netfilter
