#include "flannel/flannel.h"

#include "base/file.h"
#include "base/json.h"
#include "base/rollback.h"
#include "cni/error.h"
#include "cni/invoke.h"
#include "cni/plugin/delegate.h"
#include "cni/plugin/directory.h"
#include "cni/plugin/interface.h"
#include "flannel/config.h"
#include "flannel/scratch.h"
#include "net/netlink.h"

namespace berth::flannel {

namespace {

using base::Json;
using cni::Code;
using cni::Request;
using cni::Result;
namespace interface = cni::interface;

/// The kept configuration with what comes with each request.
std::string input_for(const Request& request, const Scratch& scratch) {
  auto config = scratch.config;
  if (const Json* previous = base::JsonObject(request.config()).find("prevResult")) {
    set_key(config, "prevResult", *previous);
  }
  return config.dump();
}

/// The delegate would fail on it as well. But then its DEL, which cleans up after it, would take the interface away
/// from whoever made it.
void refuse_taken_name(const Request& request) {
  const auto netns = interface::open_netns(request);
  if (!net::Netlink::in(netns).find_link(request.ifname())) return;
  throw cni::Error(Code::kInternal, "interface " + request.ifname() + " already exists in " + request.netns());
}

std::string ask_for_addition(const Request& request, const std::string& type, const std::string& input) {
  try {
    return cni::delegate::call(request, type, "ADD", input);
  } catch (const std::exception&) {
    cni::throw_if_interrupted();  // says better why it failed
    throw;
  }
}

}  // namespace

Result FlannelPlugin::add(const Request& request) {
  const auto config = make_delegate_config(request);
  refuse_taken_name(request);
  cni::throw_if_interrupted();

  const auto type = delegate_type(config);
  const auto input = config.dump();
  cni::find_plugin(type, request.path());
  const auto forget = save(request, config);
  base::Rollback rollback;
  rollback.add("delete what " + type + " made", [&] {
    // If that fails, the record stays, and DEL or GC can try again.
    cni::delegate::call(request, type, "DEL", input);
    forget();
  });
  const auto result = Result::from_json(base::parse_json(ask_for_addition(request, type, input)), request.version());
  result.require_expressible_in(request.version());
  cni::throw_if_interrupted();
  rollback.dismiss();
  return result;
}

void FlannelPlugin::del(const Request& request) {
  remove_unfinished(request);
  const auto scratch = find(request);
  if (!scratch) return;
  cni::delegate::call(request, delegate_type(scratch->config), "DEL", input_for(request, *scratch));
  base::remove_if_present(scratch->path);
}

void FlannelPlugin::check(const Request& request) {
  interface::required_previous(request);
  const auto scratch = find(request);
  if (!scratch) {
    throw cni::Error(Code::kInternal, "no record of " + request.ifname() + " of container " + request.container_id() +
                                          " in " + data_dir_of(request));
  }
  cni::delegate::call(request, delegate_type(scratch->config), "CHECK", input_for(request, *scratch));
}

void FlannelPlugin::status(const Request& request) {
  Json config;
  try {
    config = make_delegate_config(request);
  } catch (const cni::Error& error) {
    if (error.code() != Code::kTryAgainLater) throw;
    throw cni::Error(Code::kNotAvailable, error.msg(), error.details());
  }
  cni::require_usable_directory(data_dir_of(request));
  cni::delegate::call(request, delegate_type(config), "STATUS", config.dump());
}

}  // namespace berth::flannel
