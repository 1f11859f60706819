#include "net/link_removal.h"

#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>

#include "base/error.h"

namespace berth::net {

namespace {

/// The child's part: a byte to `answer` when the link is deleted, or nothing.
[[noreturn]] void delete_and_end(Netlink& netlink, int index, const base::Fd& answer) noexcept {
  base::close_all_but({netlink.fd(), answer.get()});
  try {
    if (netlink.delete_link(index) && ::write(answer.get(), "", 1) == 1) ::_exit(0);
  } catch (const std::exception&) {
    // Who waits asks once more, and learns why.
  }
  ::_exit(1);
}

}  // namespace

LinkRemoval::LinkRemoval(const NetNs& netns, int index) : index_(index), netlink_(Netlink::in(netns)) {
  netns.within([&] { events_ = std::make_unique<Connection>(std::initializer_list<int>{RTNLGRP_LINK}); });
  auto childs = Netlink::in(netns);
  std::array<int, 2> ends{};
  base::check(::pipe2(ends.data(), O_CLOEXEC), "make a pipe");
  base::Fd answer(ends[0]);
  const base::Fd childs_answer(ends[1]);
  const pid_t child = ::fork();
  if (child == 0) delete_and_end(childs, index, childs_answer);
  if (child > 0) answer_ = std::move(answer);
}

bool LinkRemoval::wait() {
  if (!answer_) return netlink_.delete_link(index_);
  for (;;) {
    std::array<pollfd, 2> waiting{{{answer_.get(), POLLIN, 0}, {events_->fd(), POLLIN, 0}}};
    if (::poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) base::throw_errno("wait for a link's end");
    if (waiting[0].revents != 0) {
      char done = 0;
      return ::read(answer_.get(), &done, 1) == 1 || netlink_.delete_link(index_);
    }
    if (waiting[1].revents == 0) continue;
    events_->wait_for_event(std::chrono::milliseconds(0));
    if (!netlink_.find_link(index_)) return true;
  }
}

}  // namespace berth::net
