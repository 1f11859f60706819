#include "criu/worker.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <exception>
#include <stdexcept>

#include "base/error.h"
#include "base/process.h"
#include "base/text.h"
#include "base/unix_socket.h"
#include "criu/log_file.h"
#include "log.h"
#include "process/identity.h"
#include "process/lookup.h"
#include "process/namespaces.h"
#include "process/sync.h"

namespace berth::runtime::criu {

using base::check;

namespace {

/// Where CRIU expects the socket.
constexpr int kSocketNumber = Worker::kFirstDescriptor - 1;
/// The first with all that is used here (time namespaces, "status-ready").
constexpr int64_t kOldestMajor = 3;
constexpr int64_t kOldestMinor = 15;

/// More bytes than its messages have.
constexpr size_t kLongestAnswer = 65536;

/// criu_req_type of rpc.proto.
enum Type : int64_t {
  kDumpType = 1,
  kRestoreType = 2,
  kPreDumpType = 4,
  kNotify = 6,
  kFeatureCheck = 9,
  kVersion = 10
};

/// Numbers of the fields of criu_req and criu_resp.
enum RequestField : unsigned { kRequestType = 1, kOptions = 2, kNotifySuccess = 3, kKeepOpen = 4, kWantedFeatures = 5 };
enum ResponseField : unsigned {
  kResponseType = 1,
  kSuccess = 2,
  kNotification = 5,
  kErrorNumber = 7,
  kFeatures = 8,
  kErrorText = 9,
  kVersionFound = 10
};

Type type_of(Task task) {
  return task == Task::kDump ? kDumpType : task == Task::kPreDump ? kPreDumpType : kRestoreType;
}

const char* name_of(Task task) {
  return task == Task::kRestore ? "restore the container" : "dump the container";
}

/// Puts descriptors where CRIU looks for them; nothing else stays open in it.
void place_descriptors(int socket, const std::vector<int>& others, bool own_streams) {
  const int end = Worker::kFirstDescriptor + static_cast<int>(others.size());
  std::vector<int> aside;
  for (const int fd : others) aside.push_back(check(::fcntl(fd, F_DUPFD_CLOEXEC, end), "duplicate a descriptor"));
  check(::dup2(socket, kSocketNumber), "hand over the socket to criu");
  for (size_t i = 0; i < aside.size(); ++i) {
    check(::dup2(aside[i], Worker::kFirstDescriptor + static_cast<int>(i)), "hand over a descriptor to criu");
  }
  if (!own_streams) {
    const base::Fd null = base::open_file("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; ++fd) check(::dup2(null.get(), fd), "redirect a standard stream of criu");
  }
  close_on_exec_from(end);
}

[[noreturn]] void become_criu(const std::string& program, const Worker::Start& start, int socket, int sync_fd) {
  // Out of the way of what is put in its place.
  const int above = Worker::kFirstDescriptor + static_cast<int>(start.descriptors.size());
  const SyncChannel sync(base::Fd(::fcntl(sync_fd, F_DUPFD_CLOEXEC, above)), true);
  try {
    base::reset_signals();
    const base::Fd aside(check(::fcntl(socket, F_DUPFD_CLOEXEC, above), "duplicate the socket"));
    if (start.preparing) start.preparing();
    place_descriptors(aside.get(), start.descriptors, start.own_streams);
    std::string name = "criu";
    std::string mode = "swrk";
    std::string number = std::to_string(kSocketNumber);
    std::array<char*, 4> arguments{name.data(), mode.data(), number.data(), nullptr};
    ::execv(program.c_str(), arguments.data());
    base::throw_errno("run " + program);
  } catch (const std::exception& error) {
    try {
      sync.send(Step::kError, error.what());
    } catch (const std::exception&) {  // Nobody is there any more.
    }
    ::_exit(1);
  }
}

std::string failure_text(Task task, const Fields& answer, const std::string& log) {
  std::string text = std::string("criu failed to ") + name_of(task);
  const auto number = answer.number(kErrorNumber).value_or(0);
  if (number > 0) text += " (" + base::errno_text(static_cast<int>(number)) + ")";
  const auto from_log = errors_in(log);
  const auto reason = from_log.empty() ? answer.text(kErrorText).value_or("") : from_log;
  if (!reason.empty()) text += ": " + reason;
  return text + "; see " + log;
}

}  // namespace

std::string find_criu() {
  return find_program("criu", {"PATH=" + search_path()});
}

bool is_installed() {
  return find_host_program("criu").has_value();
}

Worker::Worker(const Start& start) {
  const std::string program = find_criu();
  std::array<int, 2> ends;
  check(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), "make a socket for criu");
  socket_.reset(ends[0]);
  base::Fd theirs(ends[1]);
  auto [ours, childs] = SyncChannel::make_pair();
  base::Fd pidfd;
  pid_ = clone_process(start.clone_flags, start.cgroup, pidfd);
  if (pid_ == 0) become_criu(program, start, theirs.get(), childs.fd());
  theirs.reset();
  childs.close();
  try {
    // The channel is closed at exec.
    ours.expect(Step::kReady);
  } catch (const SyncChannel::PeerGone&) {
  } catch (...) {
    finish();
    throw;
  }
}

Worker::~Worker() {
  finish();
}

void Worker::finish() {
  socket_.reset();
  if (pid_ <= 0) return;
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  ended_ = WIFSIGNALED(status) ? "was killed by signal " + std::to_string(WTERMSIG(status))
                               : "exited with status " + std::to_string(WEXITSTATUS(status));
}

void Worker::send(const Message& message) const {
  const auto& bytes = message.bytes();
  // If it has ended, the next answer does not come, and that says more.
  if (::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) < 0 && errno != EPIPE && errno != ECONNRESET) {
    base::throw_errno("send a request to criu");
  }
}

Worker::Received Worker::receive() {
  base::ReceivedMessage message;
  try {
    message = base::receive_message(socket_, "an answer of criu", kLongestAnswer);
  } catch (const base::SystemError& error) {
    if (error.code() != ECONNRESET) throw;
  }
  if (message.text.empty()) {
    finish();
    throw std::runtime_error("criu " + ended_ + " without an answer");
  }
  return {Fields::parse(message.text), std::move(message.descriptor)};
}

void Worker::require_version() {
  send(Message().number(kRequestType, kVersion).flag(kKeepOpen, true));
  const auto version = receive().fields.message(kVersionFound);
  const auto major = version.number(1).value_or(0);
  const auto minor = version.number(2).value_or(0);
  log_debug("criu " + std::to_string(major) + "." + std::to_string(minor));
  if (major > kOldestMajor || (major == kOldestMajor && minor >= kOldestMinor)) return;
  throw std::runtime_error("criu " + std::to_string(major) + "." + std::to_string(minor) + " is too old: " +
                           std::to_string(kOldestMajor) + "." + std::to_string(kOldestMinor) + " or later is needed");
}

void Worker::require_features(bool memory_tracking, bool lazy_pages) {
  if (!memory_tracking && !lazy_pages) return;
  constexpr unsigned kMemoryTracking = 1;
  constexpr unsigned kLazyPages = 2;
  Message wanted;
  if (memory_tracking) wanted.flag(kMemoryTracking, true);
  if (lazy_pages) wanted.flag(kLazyPages, true);
  send(Message().number(kRequestType, kFeatureCheck).flag(kKeepOpen, true).message(kWantedFeatures, wanted));
  const auto answer = receive().fields;
  if (answer.number(kSuccess).value_or(0) == 0) throw std::runtime_error("criu cannot check its features");
  const auto found = answer.message(kFeatures);
  std::vector<std::string> missing;
  if (memory_tracking && found.number(kMemoryTracking).value_or(0) == 0) missing.emplace_back("MemTrack");
  if (lazy_pages && found.number(kLazyPages).value_or(0) == 0) missing.emplace_back("LazyPages");
  if (!missing.empty()) throw std::runtime_error("criu is missing features: [" + base::join(missing, " ") + "]");
}

void Worker::run(Task task, const Options& options, const std::string& log, const Listener& listener) {
  send(Message().number(kRequestType, type_of(task)).message(kOptions, options.encode()));
  std::exception_ptr failure;
  for (;;) {
    Received answer;
    try {
      answer = receive();
    } catch (...) {
      if (failure) std::rethrow_exception(failure);
      throw;
    }
    if (answer.fields.number(kResponseType) != kNotify) {
      if (failure) std::rethrow_exception(failure);
      if (answer.fields.number(kSuccess).value_or(0) == 0) {
        throw std::runtime_error(failure_text(task, answer.fields, log));
      }
      return finish();
    }
    const auto said = answer.fields.message(kNotification);
    Notification notification{said.text(1).value_or(""), static_cast<pid_t>(said.number(2).value_or(0)),
                              std::move(answer.descriptor)};
    log_debug("criu: " + notification.name);
    try {
      if (!failure) listener(notification);
    } catch (...) {
      failure = std::current_exception();
    }
    send(Message().number(kRequestType, kNotify).flag(kNotifySuccess, !failure));
  }
}

}  // namespace berth::runtime::criu
