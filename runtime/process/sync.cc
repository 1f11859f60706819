#include "process/sync.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

#include "base/error.h"

namespace berth::runtime {

namespace {
/// A step, and a seccomp filter as long as the kernel takes it (BPF_MAXINSNS of 8 bytes). An error may quote three
/// paths.
constexpr size_t kLongestRecord = 1 + 4096 * 8;
}  // namespace

std::pair<SyncChannel, SyncChannel> SyncChannel::make_pair() {
  std::array<int, 2> ends;
  base::check(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), "create the sync channel");
  return {SyncChannel(base::Fd(ends[0])), SyncChannel(base::Fd(ends[1]), true)};
}

void SyncChannel::send(Step step, const std::string& text) const {
  std::string record(1, static_cast<char>(step));
  record += text.substr(0, kLongestRecord - 1);
  // A child whose parent is gone may well end by SIGPIPE.
  while ((is_childs_ ? ::write(fd_.get(), record.data(), record.size())
                     : ::send(fd_.get(), record.data(), record.size(), MSG_NOSIGNAL)) < 0) {
    if (errno != EINTR) base::throw_errno("send on the sync channel");
  }
}

std::optional<std::pair<Step, std::string>> SyncChannel::receive() const {
  std::array<char, kLongestRecord> record;
  ssize_t size = 0;
  while ((size = ::read(fd_.get(), record.data(), record.size())) < 0) {
    if (errno == ECONNRESET) return std::nullopt;
    if (errno != EINTR) base::throw_errno("receive on the sync channel");
  }
  if (size == 0) return std::nullopt;
  std::string text(record.data() + 1, static_cast<size_t>(size - 1));
  const auto step = static_cast<Step>(record[0]);
  if (step == Step::kError) throw std::runtime_error(text);
  return std::pair(step, std::move(text));
}

std::string SyncChannel::expect(Step step) const {
  auto record = receive();
  if (!record) throw PeerGone{};
  if (record->first != step) throw std::logic_error("unexpected record on the sync channel");
  return std::move(record->second);
}

void SyncChannel::expect_end() const {
  if (receive()) throw std::logic_error("unexpected record on the sync channel");
}

}  // namespace berth::runtime
