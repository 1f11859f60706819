#pragma once

#include <sys/types.h>

#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include "dbus/bus.h"

namespace berth::runtime {

/// An instance of systemd, over D-Bus (org.freedesktop.systemd1(5)): the system's, or the user's. It is asked directly
/// where that is possible, and over the bus elsewhere. One that restarts itself meanwhile is waited for.
class SystemdManager {
 public:
  /// A unit of this name is there already.
  class UnitExists : public std::runtime_error {
   public:
    using std::runtime_error::runtime_error;
  };

  explicit SystemdManager(bool of_user) : of_user_(of_user) {}

  /// 252
  int version();
  /// Where its own units are below the root of the hierarchy: "" or "/user.slice/user-1.slice/user@1.service".
  std::string control_group();

  /// Starts a transient unit and waits until it has started. What is left of a failed unit of this name is removed
  /// before. Throws UnitExists, or std::runtime_error naming the unit.
  void start(const std::string& unit, const dbus::Properties& properties);
  /// Stops a unit, waits until it has stopped and forgets that it failed; one that is not there is fine.
  void stop(const std::string& unit);
  /// Changes properties until the next boot: all of them, or none and std::runtime_error.
  void set_properties(const std::string& unit, const dbus::Properties& properties);
  /// Moves a process into a unit's cgroup.
  void attach(const std::string& unit, pid_t pid);

 private:
  using MakeRequest = std::function<dbus::Message()>;

  void connect();
  void connect_again();
  dbus::Message call(const MakeRequest& make_request);
  std::string property(const std::string& path, const std::string& interface, const std::string& name);
  std::string active_state(const std::string& unit);
  void start_once(const std::string& unit, const dbus::Properties& properties);
  void reset_failed(const std::string& unit);
  std::string finish_job(const std::string& job, const std::string& unit, std::initializer_list<const char*> wanted);
  std::string job_result(const std::string& job, const std::string& unit,
                         std::chrono::steady_clock::time_point deadline);

  bool of_user_;
  std::unique_ptr<dbus::Bus> bus_;
};

}  // namespace berth::runtime
