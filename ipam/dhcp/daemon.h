#pragma once

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "attachment.h"
#include "protocol.h"

namespace berth::dhcp {

/// All leases of a host, and what plugins ask about them.
class Daemon {
 public:
  using Reply = std::function<void(const Answer&)>;
  /// Takes a question back.
  using Cancel = std::function<void()>;

  /// `surroundings` must outlive the daemon.
  explicit Daemon(Surroundings& surroundings);

  /// Goes on with the leases on disk, and begins to look after the links.
  void restore();

  /// Answers, now or later, by calling `reply` once; not after the returned function has been called.
  Cancel handle(const Ask& ask, const Reply& reply);

 private:
  Cancel allocate(const Ask& ask, const Reply& reply);
  void query(const Key& key, const Reply& reply) const;
  void release(const Key& key, const Reply& reply);
  void collect(const Ask& ask, const Reply& reply);
  void abandon(const std::weak_ptr<Attachment>& attachment, unsigned ticket);
  void drop_if_unwanted(const std::weak_ptr<Attachment>& attachment);
  std::shared_ptr<Attachment> attachment_for(const Key& key, const Place& place, const Wishes& wishes);
  void release_marked();
  void look_after_links();
  void schedule_round();

  Surroundings& around_;
  std::map<Key, std::shared_ptr<Attachment>> attachments_;
  boost::asio::steady_timer round_;
  Key next_to_look_at_;
};

}  // namespace berth::dhcp
