#include "bandwidth/config.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/json.h"
#include "cni/error.h"

namespace berth::bandwidth {

namespace {

using base::JsonObject;

constexpr std::array kKeys{"ingressRate", "ingressBurst", "egressRate", "egressBurst"};
constexpr uint64_t kBitsPerByte = 8;
constexpr int64_t kLongestLatency = 10'000;

[[noreturn]] void reject(const std::string& message, const std::string& details) {
  throw cni::Error(cni::Code::kInvalidNetworkConfig, message, details);
}

std::string is(const JsonObject& json, const std::string& key, uint64_t value) {
  return json.path_of(key) + " is " + std::to_string(value);
}

std::optional<Limit> parse_limit(const JsonObject& json, const std::string& direction) {
  const auto rate_key = direction + "Rate";
  const auto burst_key = direction + "Burst";
  const auto rate = json.unsigned_integer(rate_key).value_or(0);
  const auto burst = json.unsigned_integer(burst_key).value_or(0);
  if (rate == 0 && burst == 0) return std::nullopt;
  if (burst == 0) {
    reject("if rate is set, burst must also be set", is(json, rate_key, rate) + ", " + is(json, burst_key, burst));
  }
  if (rate == 0) {
    reject("if burst is set, rate must also be set", is(json, burst_key, burst) + ", " + is(json, rate_key, rate));
  }
  if (burst / kBitsPerByte >= std::numeric_limits<uint32_t>::max()) {
    reject("burst cannot be more than 4GB", is(json, burst_key, burst));
  }
  if (rate < kBitsPerByte) reject("rate cannot be less than a byte per second", is(json, rate_key, rate));
  return Limit{rate / kBitsPerByte, burst / kBitsPerByte};
}

}  // namespace

Config Config::parse(const cni::Request& request) {
  const JsonObject top(request.config());
  const auto runtime = top.object("runtimeConfig");
  const auto capability = runtime ? runtime->object("bandwidth") : std::nullopt;
  const bool is_at_top = std::any_of(kKeys.begin(), kKeys.end(), [&](const char* key) { return top.has(key); });

  Config config;
  config.latency =
      std::chrono::milliseconds(top.integer("latency", 1, kLongestLatency).value_or(config.latency.count()));
  if (!is_at_top && !capability) return config;
  const JsonObject& source = is_at_top ? top : *capability;
  config.ingress = parse_limit(source, "ingress");
  config.egress = parse_limit(source, "egress");
  return config;
}

}  // namespace berth::bandwidth
