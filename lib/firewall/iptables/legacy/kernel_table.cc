#include "firewall/iptables/legacy/kernel_table.h"

#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
// The kernel's headers step back only if the C library's came first.
#include <linux/netfilter_ipv4/ip_tables.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <span>
#include <utility>

#include "base/error.h"

namespace berth::firewall::iptables::legacy {

namespace {

static_assert(sizeof(Counters) == sizeof(xt_counters) && offsetof(Counters, packets) == offsetof(xt_counters, pcnt) &&
              offsetof(Counters, bytes) == offsetof(xt_counters, bcnt));
static_assert(kHooks == NF_INET_NUMHOOKS);

/// Reading takes several requests; how often another program may come between them.
constexpr int kAttempts = 100;

/// Asks the kernel for a module the way looking up a network device of that name does: it needs no helper program.
void request_module(const char* name) {
  const base::Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return;
  ifreq request{};
  std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  ::ioctl(fd.get(), SIOCGIFINDEX, &request);
}

/// What the kernel means where errno's own text does not tell.
const char* explanation(int error) {
  switch (error) {
    case ENOENT:
      return "the kernel lacks the table, or a match or target of its rules";
    case ENOPROTOOPT:
      return "the kernel has no legacy tables";
    case ELOOP:
      return "chains jump in a circle";
    default:
      return "";
  }
}

[[noreturn]] void fail(const std::string& doing) {
  const int error = errno;
  throw base::SystemError(doing, error, explanation(error));
}

template <class Request>
Request request_for(const std::string& table) {
  Request request{};
  std::copy_n(table.data(), std::min(table.size(), sizeof request.name - 1), request.name);
  return request;
}

/// A request and what stands behind it.
template <class Request>
std::vector<uint8_t> joined(const Request& request, size_t offset, const void* rest, size_t size) {
  std::vector<uint8_t> message(std::max(sizeof request, offset + size));
  std::memcpy(message.data(), &request, sizeof request);
  if (size != 0) std::memcpy(message.data() + offset, rest, size);
  return message;
}

Blob blob_of(const ipt_getinfo& info, std::span<const uint8_t> entries) {
  Blob blob;
  blob.valid_hooks = info.valid_hooks;
  std::copy(std::begin(info.hook_entry), std::end(info.hook_entry), blob.hook_entry.begin());
  std::copy(std::begin(info.underflow), std::end(info.underflow), blob.underflow.begin());
  blob.entries = info.num_entries;
  blob.bytes.assign(entries.begin(), entries.end());
  return blob;
}

/// False, with errno, if the kernel refuses.
bool get_info(int socket, int level, ipt_getinfo& info) {
  socklen_t size = sizeof info;
  return ::getsockopt(socket, level, IPT_SO_GET_INFO, &info, &size) == 0;
}

}  // namespace

KernelTable::KernelTable(const Layout& layout, std::string name)
    : layout_(layout), name_(std::move(name)), socket_(::socket(layout.domain, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW)) {
  if (!socket_) fail("read the legacy " + description());
}

std::string KernelTable::description() const {
  return std::string(layout_.tool) + " table " + name_;
}

Blob KernelTable::read() const {
  const std::string doing = "read the legacy " + description();
  auto info = request_for<ipt_getinfo>(name_);
  if (!get_info(socket_.get(), layout_.level, info)) {
    if (errno != ENOPROTOOPT) fail(doing);
    request_module(layout_.module);
    if (!get_info(socket_.get(), layout_.level, info)) fail(doing);
  }
  for (int attempt = 1; attempt <= kAttempts; ++attempt) {
    auto request = request_for<ipt_get_entries>(name_);
    request.size = info.size;
    std::vector<uint8_t> message = joined(request, sizeof request, nullptr, 0);
    message.resize(sizeof request + info.size);
    auto size = static_cast<socklen_t>(message.size());
    // EAGAIN: the table has another size by now.
    const bool is_read = ::getsockopt(socket_.get(), layout_.level, IPT_SO_GET_ENTRIES, message.data(), &size) == 0;
    if (!is_read && errno != EAGAIN) fail(doing);
    const auto before = std::exchange(info, request_for<ipt_getinfo>(name_));
    if (!get_info(socket_.get(), layout_.level, info)) fail(doing);
    const bool is_whole = std::memcmp(&before, &info, sizeof info) == 0;
    if (is_read && is_whole) return blob_of(info, std::span(message).subspan(sizeof request));
  }
  throw base::SystemError(doing, EAGAIN, "another program keeps changing it");
}

std::optional<std::vector<Counters>> KernelTable::replace(const Blob& blob, uint32_t old_entries) const {
  std::vector<Counters> counters(old_entries);
  auto request = request_for<ipt_replace>(name_);
  request.valid_hooks = blob.valid_hooks;
  request.num_entries = blob.entries;
  request.size = static_cast<uint32_t>(blob.bytes.size());
  std::copy(blob.hook_entry.begin(), blob.hook_entry.end(), request.hook_entry);
  std::copy(blob.underflow.begin(), blob.underflow.end(), request.underflow);
  request.num_counters = old_entries;
  request.counters = reinterpret_cast<xt_counters*>(counters.data());
  const auto message = joined(request, offsetof(ipt_replace, entries), blob.bytes.data(), blob.bytes.size());
  if (::setsockopt(socket_.get(), layout_.level, IPT_SO_SET_REPLACE, message.data(),
                   static_cast<socklen_t>(message.size())) == 0) {
    return counters;
  }
  if (errno == EAGAIN) return std::nullopt;
  fail("change the legacy " + description());
}

void KernelTable::add(const std::vector<Counters>& counters) const {
  auto request = request_for<xt_counters_info>(name_);
  request.num_counters = static_cast<uint32_t>(counters.size());
  const auto message =
      joined(request, offsetof(xt_counters_info, counters), counters.data(), counters.size() * sizeof(Counters));
  if (::setsockopt(socket_.get(), layout_.level, IPT_SO_SET_ADD_COUNTERS, message.data(),
                   static_cast<socklen_t>(message.size())) == 0) {
    return;
  }
  // EINVAL: another number of entries.
  if (errno != EINVAL) fail("give the rules of the legacy " + description() + " their counters back");
}

}  // namespace berth::firewall::iptables::legacy
