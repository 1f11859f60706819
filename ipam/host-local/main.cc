// host-local: gives addresses from ranges of this host.
//
//   "ipam": {
//     "type": "host-local",
//     "ranges": [[{"subnet": "10.10.0.0/24", "gateway": "10.10.0.254"}], [{"subnet": "fd00:10::/64"}]],
//     "routes": [{"dst": "0.0.0.0/0"}]
//   }
//
// docs/plugins/host-local.md describes every key.

#include "allocator.h"
#include "base/error.h"
#include "base/rollback.h"
#include "cni/plugin/directory.h"
#include "cni/plugin/plugin.h"
#include "config.h"
#include "plugins/multicall/programs.h"

namespace berth::host_local {
namespace {

cni::Result result_of(const Config& config, const std::vector<Allocation>& allocations) {
  cni::Result result;
  for (const auto& [address, gateway] : allocations) result.ips.push_back({std::nullopt, address, gateway});
  result.routes = config.routes;
  result.dns = config.dns;
  return result;
}

class HostLocal : public cni::Plugin {
 public:
  const char* name() const override { return "host-local"; }

  cni::Result add(const cni::Request& request) override {
    const auto config = Config::parse(request);
    auto store = Store::create(config.directory);
    cni::throw_if_interrupted();
    base::Rollback rollback;
    const auto allocations = allocate(store, config.sets, owner_of(request), config.requested);
    rollback.add("release addresses", [&] { release(store, owner_of(request)); });
    cni::throw_if_interrupted();
    rollback.dismiss();
    return result_of(config, allocations);
  }

  void del(const cni::Request& request) override {
    if (auto store = Store::find(directory_of(request))) release(*store, owner_of(request));
  }

  void check(const cni::Request& request) override {
    const auto store = Store::find(directory_of(request));
    if (!store || store->addresses_of(owner_of(request)).empty())
      throw cni::Error(cni::Code::kInternal,
                       "host-local: Failed to find address added by container " + request.container_id());
  }

  void gc(const cni::Request& request) override {
    auto store = Store::find(directory_of(request));
    if (!store) return;
    std::vector<Owner> valid;
    for (const auto& attachment : request.valid_attachments().value_or(std::vector<cni::Attachment>()))
      valid.push_back({attachment.container_id, attachment.ifname});
    collect_garbage(*store, valid);
  }

  void status(const cni::Request& request) override {
    const auto config = Config::parse(request);
    cni::require_usable_directory(config.directory);
    try {
      if (const auto store = Store::find(config.directory)) require_free_addresses(*store, config.sets);
    } catch (const base::SystemError& error) {
      throw cni::Error(cni::Code::kNotAvailable, error.what());
    }
  }
};

}  // namespace
}  // namespace berth::host_local

std::unique_ptr<berth::cni::Plugin> berth::multicall::host_local_plugin() {
  return std::make_unique<berth::host_local::HostLocal>();
}
