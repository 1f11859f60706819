#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/rollback.h"
#include "cni/request.h"
#include "cni/result.h"

namespace berth::cni {

/// Another plugin, called in the course of one's own work (CNI spec 1.1.0, section 4).
namespace delegate {

/// The plugin `type` of CNI_PATH, called or run (cni/resident.h) with this command and stdin, in the caller's
/// environment but for the variables in `env`; while ADD runs, SIGTERM and SIGINT reach it as well, and so does our own
/// end, as SIGTERM.
class Call {
 public:
  Call(const Request& request, const std::string& type, const char* command, const std::string& input,
       std::map<std::string, std::string> env = {});
  ~Call();

  /// Waits for it the first time. Returns what it printed. An error object of the delegate is thrown as it is.
  std::string output();

 private:
  class Running;
  std::unique_ptr<Running> running_;
  std::string output_;
  std::exception_ptr failure_;
};

/// The output of such a call.
std::string call(const Request& request, const std::string& type, const char* command, const std::string& input,
                 std::map<std::string, std::string> env = {});

}  // namespace delegate

/// The IPAM plugin named by the configuration's ipam.type, called as the spec's section 4 says: same stdin, same
/// environment, other CNI_COMMAND. An error object of the delegate is thrown as it is.
namespace ipam {

/// True if the configuration names an IPAM plugin.
bool configured(const Request& request);

/// ADD, with DEL registered as the undo. A plugin that does not look at the interface (host-local, static) is called
/// before the caller makes that, or runs meanwhile in a process of its own; any other when its result is asked for.
class Addition {
 public:
  Addition(const Request& request, base::Rollback& rollback);

  /// Waits for it. Routes and DNS come with the addresses; `interfaces` is empty.
  Result result();

 private:
  void begin();

  const Request& request_;
  base::Rollback& rollback_;
  std::shared_ptr<delegate::Call> call_;
};

/// Runs ADD; registers DEL as the undo.
Result add(const Request& request, base::Rollback& rollback);
void del(const Request& request);
/// DEL of an attachment: `detach` takes the interface away, and whatever else has its addresses, before IPAM (where one
/// is configured) may give them to somebody else. All is tried; throws one error that names every failure, or the
/// delegate's own if that is the only one.
void del_with(const Request& request, const std::function<void(base::BestEffort&)>& detach);
/// GC, in the same order: `detach` takes away the interfaces of attachments that are not valid any more.
void gc_with(const Request& request, const std::function<void(base::BestEffort&)>& detach);
/// DHCP: a lease is given back through the interface that has it, so that goes last.
bool releases_through_the_interface(const Request& request);
void check(const Request& request);
void gc(const Request& request);
void status(const Request& request);

}  // namespace ipam
}  // namespace berth::cni
