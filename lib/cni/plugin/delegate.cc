#include "cni/plugin/delegate.h"

#include <unistd.h>

#include "base/json.h"
#include "cni/error.h"
#include "cni/invoke.h"
#include "cni/plugin/plugin.h"

namespace berth::cni::ipam {

namespace {

std::string type_of(const Request& request) {
  const auto ipam = base::JsonObject(request.config()).object("ipam");
  return ipam ? ipam->string("type").value_or("") : "";
}

/// The caller's environment with another CNI_COMMAND.
std::vector<std::string> environment_for(const char* command) {
  std::vector<std::string> env{std::string("CNI_COMMAND=") + command};
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (std::string_view(*entry).rfind("CNI_COMMAND=", 0) != 0) env.emplace_back(*entry);
  }
  return env;
}

std::string call(const Request& request, const char* command, const std::function<void(pid_t)>& started = {}) {
  const std::string program = find_plugin(type_of(request), request.path());
  return invoke(program, environment_for(command), request.input(), std::nullopt, started).output;
}

}  // namespace

bool configured(const Request& request) {
  return !type_of(request).empty();
}

Result add(const Request& request, base::Rollback& rollback) {
  std::string output;
  {
    // Not for DEL: that is what an interrupted ADD needs to finish.
    ForwardedInterruptions forwarded;
    output = call(request, "ADD", [&](pid_t delegate) { forwarded.to(delegate); });
  }
  rollback.add("release addresses", [&request] { del(request); });
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

}  // namespace berth::cni::ipam
