// What work inside one process costs: parsing, compiling filters, building rules, handing out addresses. Google
// Benchmark's options apply (--benchmark_filter=…). The numbers of iterations are fixed, so that bench/instructions can
// count instructions.

#include <benchmark/benchmark.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/json.h"
#include "bench/fill.h"
#include "cni/client/client.h"
#include "firewall/iptables/matches.h"
#include "firewall/iptables/rule.h"
#include "firewall/netfilter/change.h"
#include "firewall/nftables/keys.h"
#include "firewall/nftables/layout.h"
#include "ipam/host-local/allocator.h"
#include "oci/config.h"
#include "runtime/security/seccomp/compiler.h"
#include "support/cni.h"
#include "support/sandbox.h"
#include "support/seccomp.h"

namespace berth::bench {
namespace {

std::string config_text(bool profile) {
  auto config = base::Json::parse(test::busybox_spec({"/bin/true"}));
  if (profile) config["linux"]["seccomp"] = test::podman_profile();
  return config.dump(1);
}

void ParseJson(benchmark::State& state) {
  const auto text = config_text(false);
  for (auto _ : state) benchmark::DoNotOptimize(base::Json::parse(text));
  state.SetBytesProcessed(static_cast<int64_t>(text.size()) * state.iterations());
}
BENCHMARK(ParseJson)->Iterations(2000)->Unit(benchmark::kMicrosecond);

void ParseConfig(benchmark::State& state) {
  const auto text = config_text(state.range(0) == 1);
  for (auto _ : state) benchmark::DoNotOptimize(oci::Config::parse(text, "/bundle", "config.json"));
}
BENCHMARK(ParseConfig)->ArgName("profile")->Arg(0)->Arg(1)->Iterations(500)->Unit(benchmark::kMicrosecond);

void CompileSeccomp(benchmark::State& state) {
  const auto json = state.range(0) == 0 ? test::docker_profile() : test::podman_profile();
  if (json.is_null()) return state.SkipWithError("golang-github-containers-common is not installed");
  const auto profile = test::parse_seccomp(json);
  for (auto _ : state) benchmark::DoNotOptimize(runtime::compile_seccomp(profile));
}
BENCHMARK(CompileSeccomp)->ArgName("podman")->Arg(0)->Arg(1)->Iterations(500)->Unit(benchmark::kMicrosecond);

void ParseNetworkList(benchmark::State& state) {
  const auto text = test::web_conflist("web", "br0", "10.1.0.0/16", "/run/leases");
  for (auto _ : state) benchmark::DoNotOptimize(cni::parse_list(text, "web.conflist"));
}
BENCHMARK(ParseNetworkList)->Iterations(5000)->Unit(benchmark::kMicrosecond);

void EncodeIptablesRule(benchmark::State& state) {
  using namespace firewall::iptables;
  for (auto _ : state) {
    Rule rule(net::Family::kIpv4);
    rule.protocol = IPPROTO_TCP;
    rule.matches = {comment("dnat name: \"web\" id: \"c1\""), destination_port(IPPROTO_TCP, 8080)};
    rule.target = dnat(net::IpAddress::parse("10.1.0.2"), 80);
    benchmark::DoNotOptimize(encode(rule));
  }
}
BENCHMARK(EncodeIptablesRule)->Iterations(20'000)->Unit(benchmark::kMicrosecond);

void BuildNftablesElements(benchmark::State& state) {
  using namespace firewall;
  const auto address = net::IpAddress::parse("10.1.0.2");
  for (auto _ : state) {
    netfilter::Batch batch;
    netfilter::Change change(batch, nftables::our_table());
    for (uint16_t port = 0; port < 20; ++port) {
      change.add_element(nftables::published_set(net::Family::kIpv4),
                         {nftables::port_key(IPPROTO_TCP, static_cast<uint16_t>(9000 + port)),
                          nftables::target_value(address, 80), netfilter::make_comment("web c1 eth0")});
    }
    benchmark::DoNotOptimize(batch);
  }
}
BENCHMARK(BuildNftablesElements)->Iterations(2000)->Unit(benchmark::kMicrosecond);

void AllocateAddress(benchmark::State& state) {
  const auto root = "/dev/shm/berth-micro-" + std::to_string(::getpid());
  const auto directory = root + "/n";
  fill_leases(directory, "10.1.", static_cast<unsigned>(state.range(0)));
  const host_local::Owner owner{"c1", "eth0"};
  const std::vector<host_local::RangeSet> sets{host_local::RangeSet(
      {host_local::Range::make(net::IpNet::parse("10.1.0.0/16"), std::nullopt, std::nullopt, std::nullopt)})};
  const auto add_and_delete = [&] {
    {
      auto store = host_local::Store::create(directory, root + "/index");
      benchmark::DoNotOptimize(host_local::allocate(store, sets, owner, {}));
    }
    auto store = host_local::Store::create(directory, root + "/index");
    host_local::release(store, owner);
  };
  add_and_delete();  // makes the index
  for (auto _ : state) add_and_delete();
  std::filesystem::remove_all(root);
}
BENCHMARK(AllocateAddress)->ArgName("leases")->Arg(1)->Arg(20'000)->Iterations(200)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace berth::bench

BENCHMARK_MAIN();
