#include "plugin.h"

#include <algorithm>
#include <cstdio>

#include "call.h"
#include "cni/plugin/interface.h"
#include "config.h"
#include "store.h"

namespace berth::dhcp {

namespace {

using cni::Code;
using cni::Error;
using cni::Request;
using std::chrono::seconds;

/// The daemon shows a sign of life every two seconds.
constexpr seconds kSilence{10};
/// What frees something must not hold up the end of a container.
constexpr seconds kSilenceOnDelete{3};

Ask ask_about(const Request& request, Ask::Method method) {
  Ask ask;
  ask.method = method;
  ask.key = {request.network(), request.container_id(), request.ifname()};
  ask.netns = request.netns();
  return ask;
}

/// The daemon's leases, as this plugin sees them when the daemon does not answer.
Store store_of(const Request& request) {
  return Store(Store::directory_for("", socket_path_of(request)));
}

Answer call(const Request& request, const Ask& ask) {
  return call_daemon(socket_path_of(request), ask, kSilence, cni::throw_if_interrupted);
}

/// As call(), for questions that must not fail for want of a daemon: then `instead` leaves a note for the next one.
template <class Instead>
void call_or_note(const Request& request, const Ask& ask, Instead&& instead) {
  try {
    call_daemon(socket_path_of(request), ask, kSilenceOnDelete, [] {});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "dhcp: %s; the next daemon will release what is left\n", error.what());
    instead(store_of(request));
  }
}

}  // namespace

cni::Result DhcpPlugin::add(const Request& request) {
  const auto config = Config::parse(request);
  auto ask = ask_about(request, Ask::Method::kAllocate);
  ask.wishes = config.wishes;
  try {
    const auto answer = call(request, ask);
    if (!answer.lease) throw Error(Code::kInternal, "the DHCP daemon has answered without a lease");
    return result_of(*answer.lease, config.wishes.priority);
  } catch (const DaemonUnreachable& error) {
    throw Error(Code::kTryAgainLater, error.what());
  }
}

void DhcpPlugin::del(const Request& request) {
  const auto ask = ask_about(request, Ask::Method::kRelease);
  call_or_note(request, ask, [&](const Store& store) { store.mark(ask.key); });
}

void DhcpPlugin::check(const Request& request) {
  const auto& previous = cni::interface::required_previous(request);
  Config::parse(request);
  try {
    const auto answer = call(request, ask_about(request, Ask::Method::kQuery));
    if (!answer.lease) throw Error(Code::kInternal, "the DHCP daemon has answered without a lease");
    const auto has = [&](const cni::IpConfig& ip) { return ip.address == answer.lease->address; };
    if (std::any_of(previous.ips.begin(), previous.ips.end(), has)) return;
    throw Error(Code::kInternal,
                "the DHCP lease is for " + answer.lease->address.to_string() + ", which prevResult does not have");
  } catch (const DaemonUnreachable& error) {
    throw Error(Code::kTryAgainLater, error.what());
  }
}

void DhcpPlugin::gc(const Request& request) {
  auto ask = ask_about(request, Ask::Method::kCollect);
  ask.valid = request.valid_attachments().value_or(std::vector<cni::Attachment>());
  call_or_note(request, ask, [&](const Store& store) { store.mark_all_but(request.network(), ask.valid); });
}

/// Without its daemon, containers that are there lose their addresses, sooner or later.
void DhcpPlugin::status(const Request& request) {
  Config::parse(request);
  try {
    call_daemon(socket_path_of(request), ask_about(request, Ask::Method::kPing), kSilence, [] {});
  } catch (const std::exception& error) {
    throw Error(store_of(request).empty() ? Code::kNotAvailable : Code::kLimitedConnectivity, error.what());
  }
}

}  // namespace berth::dhcp
