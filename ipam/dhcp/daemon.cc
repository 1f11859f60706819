#include "daemon.h"

#include <algorithm>
#include <cstdio>
#include <set>

#include "base/json.h"

namespace berth::dhcp {

namespace {

using cni::Code;
using cni::Error;

/// Every link is looked at once in ten rounds.
constexpr std::chrono::seconds kRound{1};
constexpr size_t kRoundsForAll = 10;

Answer refusal(const Error& error) {
  Answer answer;
  answer.error = error;
  return answer;
}

void nothing_to_cancel() {}

}  // namespace

Daemon::Daemon(Surroundings& surroundings) : around_(surroundings), round_(surroundings.loop) {}

void Daemon::restore() {
  for (auto& record : around_.store.load()) {
    auto attachment = std::make_shared<Attachment>(around_, record);
    attachments_[record.key] = attachment;
    attachment->resume();
  }
  release_marked();
  schedule_round();
}

Daemon::Cancel Daemon::handle(const Ask& ask, const Reply& reply) {
  try {
    switch (ask.method) {
      case Ask::Method::kAllocate:
        return allocate(ask, reply);
      case Ask::Method::kQuery:
        query(ask.key, reply);
        break;
      case Ask::Method::kRelease:
        release(ask.key, reply);
        break;
      case Ask::Method::kCollect:
        collect(ask, reply);
        break;
      case Ask::Method::kPing:
        reply({});
        break;
    }
  } catch (const Error& error) {
    reply(refusal(error));
  } catch (const std::exception& error) {
    reply(refusal({Code::kInternal, error.what()}));
  }
  return nothing_to_cancel;
}

Daemon::Cancel Daemon::allocate(const Ask& ask, const Reply& reply) {
  const auto place = prepare_place(around_.host_prefix, ask.netns, ask.key.ifname);
  const auto attachment = attachment_for(ask.key, place, ask.wishes);
  const std::weak_ptr<Attachment> weak = attachment;
  const auto ticket =
      attachment->wait([this, weak, reply](const std::optional<Lease>& lease, const std::optional<Error>& error) {
        reply({false, lease, error});
        if (!lease) drop_if_unwanted(weak);
      });
  return [this, weak, ticket] { abandon(weak, ticket); };
}

/// The attachment of this key and place; one of another place has outlived its link.
std::shared_ptr<Attachment> Daemon::attachment_for(const Key& key, const Place& place, const Wishes& wishes) {
  release_marked();
  std::optional<net::IpAddress> wanted;
  if (const auto known = attachments_.find(key); known != attachments_.end()) {
    const auto former = known->second;
    if (!former->is_stopped() && former->place() == place) return former;
    wanted = former->last_address();
    attachments_.erase(known);
    former->stop("there is another interface of that name");
  }
  auto attachment = std::make_shared<Attachment>(around_, Record{key, place, wishes, std::nullopt});
  attachments_[key] = attachment;
  attachment->start(wanted);
  return attachment;
}

void Daemon::abandon(const std::weak_ptr<Attachment>& weak, unsigned ticket) {
  if (const auto attachment = weak.lock()) attachment->abandon(ticket);
  drop_if_unwanted(weak);
}

void Daemon::drop_if_unwanted(const std::weak_ptr<Attachment>& weak) {
  const auto attachment = weak.lock();
  if (!attachment || !attachment->is_unwanted()) return;
  const auto known = attachments_.find(attachment->key());
  if (known == attachments_.end() || known->second != attachment) return;
  attachments_.erase(known);
  attachment->release([] {});
}

void Daemon::query(const Key& key, const Reply& reply) const {
  const auto known = attachments_.find(key);
  if (known == attachments_.end()) throw Error(Code::kInternal, "there is no DHCP lease for " + key.to_string());
  const auto lease = known->second->lease();
  if (!lease) {
    throw Error(Code::kTryAgainLater, "there is no valid DHCP lease for " + key.to_string(), known->second->trouble());
  }
  reply({false, lease, std::nullopt});
}

void Daemon::release(const Key& key, const Reply& reply) {
  const auto known = attachments_.find(key);
  if (known == attachments_.end()) {
    around_.store.remove(key);
    return reply({});
  }
  const auto attachment = known->second;
  attachments_.erase(known);
  attachment->release([reply] { reply({}); });
}

void Daemon::collect(const Ask& ask, const Reply& reply) {
  const std::set<cni::Attachment> valid(ask.valid.begin(), ask.valid.end());
  std::vector<Key> stale;
  for (const auto& [key, attachment] : attachments_) {
    if (key.network == ask.key.network && !valid.contains({key.container, key.ifname})) stale.push_back(key);
  }
  // Answers when the last of them has gone; with none, when this function ends.
  const auto last = std::shared_ptr<void>(nullptr, [reply](void*) { reply({}); });
  for (const auto& key : stale) release(key, [last](const Answer&) {});
}

// --- rounds ------------------------------------------------------------------------------------------------------

/// What plugins could not ask for while no daemon answered.
void Daemon::release_marked() {
  const auto marked = around_.store.marked();
  if (marked.empty()) return;
  const std::set<std::string> names(marked.begin(), marked.end());
  std::vector<Key> keys;
  for (const auto& [key, attachment] : attachments_) {
    if (names.contains(key.file_name())) keys.push_back(key);
  }
  for (const auto& key : keys) release(key, [](const Answer&) {});
  for (const auto& name : names) around_.store.unmark(name);
}

void Daemon::look_after_links() {
  // Chosen first: what ends takes itself out of the map.
  const size_t share = (attachments_.size() + kRoundsForAll - 1) / kRoundsForAll;
  std::vector<std::shared_ptr<Attachment>> chosen;
  auto it = attachments_.lower_bound(next_to_look_at_);
  for (; chosen.size() < share && it != attachments_.end(); ++it) chosen.push_back(it->second);
  next_to_look_at_ = it == attachments_.end() ? Key() : it->first;

  for (const auto& attachment : chosen) {
    attachment->stop_if_link_is_gone();
    if (!attachment->is_over()) continue;
    const auto known = attachments_.find(attachment->key());
    if (known == attachments_.end() || known->second != attachment) continue;
    attachments_.erase(known);
    attachment->forget();
  }
}

void Daemon::schedule_round() {
  round_.expires_after(kRound);
  round_.async_wait([this](const boost::system::error_code& cancelled) {
    if (cancelled) return;
    try {
      release_marked();
      look_after_links();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "dhcp: %s\n", error.what());
    }
    schedule_round();
  });
}

}  // namespace berth::dhcp
