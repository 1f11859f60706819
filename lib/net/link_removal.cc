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

/// 0, or the errno of the deletion.
int delete_now(Netlink& netlink, int index) noexcept {
  try {
    return netlink.delete_link(index) ? 0 : ENODEV;
  } catch (const base::SystemError& error) {
    return error.code();
  } catch (const std::exception&) {
    return EIO;
  }
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
  if (child < 0) return;
  if (child > 0) {
    answer_ = std::move(answer);
    return;
  }
  base::close_all_but({childs.fd(), childs_answer.get()});
  const int code = delete_now(childs, index);
  ::_exit(::write(childs_answer.get(), &code, sizeof code) < 0 ? 1 : 0);
}

bool LinkRemoval::wait() {
  if (!answer_) return netlink_.delete_link(index_);
  for (;;) {
    std::array<pollfd, 2> waiting{{{answer_.get(), POLLIN, 0}, {events_->fd(), POLLIN, 0}}};
    if (::poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) base::throw_errno("wait for a link's end");
    if (waiting[0].revents != 0) {
      int code = 0;
      if (::read(answer_.get(), &code, sizeof code) != sizeof code) return netlink_.delete_link(index_);
      if (code != 0 && code != ENODEV) throw base::SystemError("delete link " + std::to_string(index_), code);
      return code == 0;
    }
    if (waiting[1].revents == 0) continue;
    events_->wait_for_event(std::chrono::milliseconds(0));
    if (!netlink_.find_link(index_)) return true;
  }
}

}  // namespace berth::net
