#include "cni/plugin/delegate.h"

#include <unistd.h>

#include "base/json.h"
#include "cni/error.h"
#include "cni/invoke.h"
#include "cni/plugin/plugin.h"

namespace berth::cni {

namespace delegate {

namespace {

/// The caller's environment with these variables in the place of its own.
std::vector<std::string> environment_with(const std::map<std::string, std::string>& replaced) {
  std::vector<std::string> env;
  for (const auto& [key, value] : replaced) env.push_back(key + "=" + value);
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view variable(*entry);
    if (!replaced.contains(std::string(variable.substr(0, variable.find('='))))) env.emplace_back(variable);
  }
  return env;
}

}  // namespace

std::string call(const Request& request, const std::string& type, const char* command, const std::string& input,
                 std::map<std::string, std::string> env) {
  env["CNI_COMMAND"] = command;
  const auto program = find_plugin(type, request.path());
  // Not for DEL: that is what an interrupted ADD needs to finish.
  if (env["CNI_COMMAND"] != "ADD") return invoke(program, environment_with(env), input).output;
  ForwardedInterruptions forwarded;
  const auto started = [&](pid_t delegate) { forwarded.to(delegate); };
  return invoke(program, environment_with(env), input, std::nullopt, started).output;
}

}  // namespace delegate

namespace ipam {

namespace {

std::string type_of(const Request& request) {
  const auto ipam = base::JsonObject(request.config()).object("ipam");
  return ipam ? ipam->string("type").value_or("") : "";
}

std::string call(const Request& request, const char* command) {
  return delegate::call(request, type_of(request), command, request.input());
}

}  // namespace

bool configured(const Request& request) {
  return !type_of(request).empty();
}

Result add(const Request& request, base::Rollback& rollback) {
  const auto release_if_undone = [&] { rollback.add("release addresses", [&request] { del(request); }); };
  std::string output;
  try {
    output = call(request, "ADD");
  } catch (const std::exception&) {
    try {
      throw_if_interrupted();
    } catch (const Error&) {
      // The signal that interrupts us may have ended it half-way.
      release_if_undone();
      throw;
    }
    throw;
  }
  release_if_undone();
  return Result::from_json(base::parse_json(output), request.version());
}

void del(const Request& request) {
  call(request, "DEL");
}

bool releases_through_the_interface(const Request& request) {
  return type_of(request) == "dhcp";
}

void del_with(const Request& request, const std::function<void(base::BestEffort&)>& detach) {
  const bool has_ipam = configured(request);
  const bool release_first = has_ipam && releases_through_the_interface(request);
  base::BestEffort cleanup;
  if (release_first) cleanup.attempt("release addresses", [&] { del(request); });
  detach(cleanup);
  if (has_ipam && !release_first) {
    if (cleanup.failures().empty()) return del(request);  // its error object goes through as it is
    cleanup.attempt("release addresses", [&] { del(request); });
  }
  cleanup.finish();
}

void check(const Request& request) {
  call(request, "CHECK");
}
void gc(const Request& request) {
  call(request, "GC");
}
void status(const Request& request) {
  call(request, "STATUS");
}

}  // namespace ipam
}  // namespace berth::cni
