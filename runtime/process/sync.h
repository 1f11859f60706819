#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/fd.h"

namespace berth::runtime {

/// The steps at which the runtime and the container's init process wait for each other (one byte on the wire).
enum class Step : uint8_t {
  kError = 1,    ///< child → parent: the setup failed; the text says where and why
  kStart,        ///< parent → child: the cgroup is joined, go on
  kNeedMaps,     ///< child → parent: in a new user namespace
  kMapsWritten,  ///< parent → child
  kJoined,       ///< child → parent: a second process goes on in its place; the text is its pid
  kMounted,      ///< child → parent: the root file system is ready, the host's hooks may run
  kHooksDone,    ///< parent → child
  kReady,        ///< child → parent: set up, but for identity and program
  kGo,           ///< parent → child: limits are set, state is saved; the text is the seccomp filter's program
  kListening,    ///< child → parent: its seccomp filter has a listener; the text is the descriptor's number
  kDelivered,    ///< parent → child: the listener is where it belongs
  kParked,       ///< child → parent: waits for start
};

/// One end of a SOCK_SEQPACKET pair: every record is a step and a short text. The child's end is only read(2) from and
/// written(2) to, which hardly a seccomp profile holds back.
class SyncChannel {
 public:
  /// (parent's end, child's end), both close-on-exec.
  static std::pair<SyncChannel, SyncChannel> make_pair();

  explicit SyncChannel(base::Fd fd, bool is_childs = false) : fd_(std::move(fd)), is_childs_(is_childs) {}

  void send(Step step, const std::string& text = {}) const;
  /// Waits for `step` and returns its text. A kError record is thrown as std::runtime_error with its text; end of file
  /// as PeerGone.
  std::string expect(Step step) const;
  /// Waits until the other side has closed the channel, as executing a program does. A kError record is thrown.
  void expect_end() const;

  /// The other side ended without a word.
  struct PeerGone {};

  int fd() const { return fd_.get(); }
  void close() { fd_.reset(); }

 private:
  /// The next record; nothing at the end of file.
  std::optional<std::pair<Step, std::string>> receive() const;

  base::Fd fd_;
  bool is_childs_;
};

}  // namespace berth::runtime
