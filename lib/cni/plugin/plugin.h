#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "cni/error.h"
#include "cni/request.h"
#include "cni/result.h"

namespace berth::cni {

/// What one CNI plugin does. Throw cni::Error for protocol errors; any other std::exception becomes code 999
/// (base::JsonError: code 7).
class Plugin {
 public:
  virtual ~Plugin() = default;

  virtual const char* name() const = 0;
  /// The release that the plugin says it is when it is run without CNI_COMMAND.
  virtual const char* program_version() const { return BERTH_VERSION; }
  virtual const std::vector<std::string>& versions() const { return all_versions(); }

  virtual Result add(const Request& request) = 0;
  virtual void del(const Request& request) = 0;
  virtual void check(const Request& request) = 0;
  /// Called only if the request names the valid attachments, be it none.
  virtual void gc(const Request& request) = 0;
  virtual void status(const Request& request) = 0;
};

/// The executable's skeleton: reads the request, calls the command, prints the result or the error object, returns the
/// exit status (0 or 1). Handles VERSION, a missing CNI_COMMAND, version gates (CHECK ≥ 0.4.0; GC, STATUS ≥ 1.1.0) and,
/// before ADD and DEL act, the plugin's own namespace given as CNI_NETNS. SIGTERM and SIGINT during ADD end it as an
/// exception would (see throw_if_interrupted), so that its Rollback runs.
int run_plugin(Plugin& plugin);

/// What run_plugin would print, for a caller within this process (Resident::call); an error object is thrown as the
/// Error that it is. Signals are the caller's own again afterwards: SIGTERM and SIGINT during an ADD that was done all
/// the same come after it.
std::string call_plugin(Plugin& plugin, const std::string& input);

/// SIGTERM or SIGINT has come.
bool is_interrupted();

/// Throws cni::Error(kTryAgainLater, "interrupted by SIGTERM") if so. Plugins call it between steps.
void throw_if_interrupted();

/// While it exists, SIGTERM and SIGINT go to a delegate's process group as well: this plugin waits for the delegate,
/// and would not end before it does.
class ForwardedInterruptions {
 public:
  ForwardedInterruptions() = default;
  ~ForwardedInterruptions();
  ForwardedInterruptions(const ForwardedInterruptions&) = delete;
  ForwardedInterruptions& operator=(const ForwardedInterruptions&) = delete;

  /// The delegate runs. A signal that came just before is forwarded now.
  void to(pid_t process_group);
};

}  // namespace berth::cni
