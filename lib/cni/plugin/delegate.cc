#include "cni/plugin/delegate.h"

#include <signal.h>
#include <unistd.h>

#include "base/json.h"
#include "cni/error.h"
#include "cni/invoke.h"
#include "cni/plugin/plugin.h"
#include "cni/resident.h"

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

class Call::Running {
 public:
  Running(const std::string& program, const std::vector<std::string>& env, const std::string& input, bool interruptible)
      : forwarded_(interruptible ? std::make_unique<ForwardedInterruptions>() : nullptr),
        plugin_(
            program, env, input, std::nullopt,
            [this](pid_t delegate) {
              if (forwarded_) forwarded_->to(delegate);
            },
            // Nobody waits for its result then, and the DEL that comes next must not be overtaken by it.
            interruptible ? SIGTERM : 0) {}

  std::string output() { return plugin_.finish().output; }

 private:
  std::unique_ptr<ForwardedInterruptions> forwarded_;
  RunningPlugin plugin_;
};

Call::Call(const Request& request, const std::string& type, const char* command, const std::string& input,
           std::map<std::string, std::string> env) {
  env["CNI_COMMAND"] = command;
  const auto program = find_plugin(type, request.path());
  const auto environment = environment_with(env);
  try {
    if (auto output = call_resident(program, environment, input)) {
      output_ = std::move(*output);
      return;
    }
  } catch (const Error&) {
    failure_ = std::current_exception();
    return;
  }
  // Not for DEL: that is what an interrupted ADD needs to finish.
  running_ = std::make_unique<Running>(program, environment, input, env["CNI_COMMAND"] == "ADD");
}

Call::~Call() = default;

std::string Call::output() {
  if (running_) {
    const auto running = std::move(running_);
    try {
      output_ = running->output();
    } catch (const std::exception&) {
      failure_ = std::current_exception();
    }
  }
  if (failure_) std::rethrow_exception(failure_);
  return output_;
}

std::string call(const Request& request, const std::string& type, const char* command, const std::string& input,
                 std::map<std::string, std::string> env) {
  return Call(request, type, command, input, std::move(env)).output();
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

/// True unless ADD failed by itself, and so undid what it did: the signal that interrupts us may have ended it
/// half-way.
bool may_have_leased(delegate::Call& addition) {
  try {
    addition.output();
    return true;
  } catch (const std::exception&) {
    return is_interrupted();
  }
}

/// It neither needs the interface that gets its addresses, nor looks at it.
bool is_independent_of_interface(const Request& request) {
  const auto type = type_of(request);
  return type == "host-local" || type == "static";
}

}  // namespace

bool configured(const Request& request) {
  return !type_of(request).empty();
}

Addition::Addition(const Request& request, base::Rollback& rollback) : request_(request), rollback_(rollback) {
  if (is_independent_of_interface(request)) begin();
}

void Addition::begin() {
  call_ = std::make_shared<delegate::Call>(request_, type_of(request_), "ADD", request_.input());
  rollback_.add("release addresses", [&request = request_, addition = call_] {
    if (may_have_leased(*addition)) del(request);
  });
}

Result Addition::result() {
  std::string output;
  try {
    if (!call_) begin();
    output = call_->output();
  } catch (const std::exception&) {
    throw_if_interrupted();  // says better why it failed
    throw;
  }
  return Result::from_json(base::parse_json(output), request_.version());
}

Result add(const Request& request, base::Rollback& rollback) {
  return Addition(request, rollback).result();
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

void gc_with(const Request& request, const std::function<void(base::BestEffort&)>& detach) {
  base::BestEffort cleanup;
  const auto release = [&] {
    if (configured(request)) cleanup.attempt("collect stale addresses", [&] { gc(request); });
  };
  const bool release_first = releases_through_the_interface(request);
  if (release_first) release();
  detach(cleanup);
  if (!release_first) release();
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
