#include "cgroups/systemd/manager.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

namespace berth::runtime {

namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kService = "org.freedesktop.systemd1";
constexpr const char* kManagerPath = "/org/freedesktop/systemd1";
constexpr const char* kManagerInterface = "org.freedesktop.systemd1.Manager";
constexpr std::chrono::seconds kJobPatience{30};
/// systemd needs less than a second to restart itself; the pauses double from 10 ms on.
constexpr int kReconnections = 7;
constexpr long kFirstPause = 10;

dbus::Message request(const char* method) {
  return dbus::Message({kService, kManagerPath, kManagerInterface}, method);
}

void pause_for(long milliseconds) {
  const timespec span{milliseconds / 1000, milliseconds % 1000 * 1'000'000};
  ::nanosleep(&span, nullptr);
}

bool is(const dbus::CallError& error, const char* name) {
  return error.name() == std::string(kService) + "." + name;
}

/// While systemd restarts itself, nobody owns its name.
bool is_for_want_of_service(const dbus::CallError& error) {
  return error.name() == "org.freedesktop.DBus.Error.ServiceUnknown" ||
         error.name() == "org.freedesktop.DBus.Error.NameHasNoOwner";
}

std::string environment(const char* name) {
  const char* value = ::secure_getenv(name);
  return value == nullptr ? "" : value;
}

std::unique_ptr<dbus::Bus> open_user_bus() {
  const std::string address = environment("DBUS_SESSION_BUS_ADDRESS");
  if (!address.empty()) return dbus::Bus::open(address);
  const std::string directory = environment("XDG_RUNTIME_DIR");
  if (!directory.empty()) return dbus::Bus::open("unix:path=" + directory + "/bus");
  throw std::runtime_error(
      "cannot find the user's instance of systemd: neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR is set");
}

/// Root may ask systemd itself: that takes half the time, and no bus.
std::unique_ptr<dbus::Bus> open_system_manager() {
  constexpr const char* kSocket = "/run/systemd/private";
  if (::geteuid() == 0 && ::access(kSocket, F_OK) == 0) {
    try {
      return dbus::Bus::open(std::string("unix:path=") + kSocket, true);
    } catch (const std::exception&) {
      // It takes only so many connections; the bus has others.
    }
  }
  return dbus::Bus::open_system();
}

}  // namespace

void SystemdManager::connect() {
  if (bus_) return;
  bus_ = of_user_ ? open_user_bus() : open_system_manager();
  bus_->listen("type='signal',interface='org.freedesktop.systemd1.Manager',member='JobRemoved'");
}

void SystemdManager::connect_again() {
  long pause = kFirstPause;
  for (int attempt = 1;; ++attempt, pause *= 2) {
    bus_.reset();
    pause_for(pause);
    try {
      return connect();
    } catch (const std::exception&) {
      if (attempt == kReconnections) throw;
    }
  }
}

/// Asks again where the connection was lost; each time with a message of its own.
dbus::Message SystemdManager::call(const MakeRequest& make_request) {
  connect();
  for (int attempt = 1;; ++attempt) {
    try {
      return bus_->call(make_request());
    } catch (const dbus::ConnectionLost&) {
      if (attempt > kReconnections) throw;
    } catch (const dbus::CallError& error) {
      if (attempt > kReconnections || !is_for_want_of_service(error)) throw;
    }
    pause_for(kFirstPause << attempt);
    connect_again();
  }
}

std::string SystemdManager::property(const std::string& path, const std::string& interface, const std::string& name) {
  const auto answer = call([&] {
    dbus::Message get({kService, path, "org.freedesktop.DBus.Properties"}, "Get");
    get.add(interface).add(name);
    return get;
  });
  const auto texts = answer.texts();
  return texts.empty() ? "" : texts.front();
}

int SystemdManager::version() {
  // "252.39-1~deb12u1", "v245"
  const auto text = property(kManagerPath, kManagerInterface, "Version");
  const auto digits = std::min(text.find_first_of("0123456789"), text.size());
  int number = 0;
  std::from_chars(text.data() + digits, text.data() + text.size(), number);
  return number;
}

std::string SystemdManager::control_group() {
  const auto path = property(kManagerPath, kManagerInterface, "ControlGroup");
  return path == "/" ? "" : path;
}

void SystemdManager::start(const std::string& unit, const dbus::Properties& properties) {
  try {
    return start_once(unit, properties);
  } catch (const UnitExists&) {
    reset_failed(unit);
  }
  start_once(unit, properties);
}

void SystemdManager::start_once(const std::string& unit, const dbus::Properties& properties) {
  try {
    const auto answer = call([&] {
      auto start = request("StartTransientUnit");
      start.add(unit).add("replace").add(properties).add_nothing_of("(sa(sv))");
      return start;
    });
    const auto result = finish_job(answer.texts().at(0), unit, {"active"});
    if (result == "done") return;
    reset_failed(unit);
    throw std::runtime_error("error creating systemd unit `" + unit + "`: got `" + result + "`");
  } catch (const dbus::CallError& error) {
    const std::string text = "systemd unit " + unit + ": " + error.what();
    if (is(error, "UnitExists")) throw UnitExists(text);
    throw std::runtime_error(text);
  }
}

void SystemdManager::stop(const std::string& unit) {
  try {
    const auto answer = call([&] {
      auto stop = request("StopUnit");
      stop.add(unit).add("replace");
      return stop;
    });
    const auto result = finish_job(answer.texts().at(0), unit, {"", "inactive", "failed"});
    reset_failed(unit);
    if (result != "done") throw std::runtime_error("error removing systemd unit `" + unit + "`: got `" + result + "`");
  } catch (const dbus::CallError& error) {
    if (is(error, "NoSuchUnit")) return;
    throw std::runtime_error("systemd unit " + unit + ": " + error.what());
  }
}

void SystemdManager::set_properties(const std::string& unit, const dbus::Properties& properties) {
  if (properties.empty()) return;
  try {
    call([&] {
      auto set = request("SetUnitProperties");
      set.add(unit).add(true).add(properties);
      return set;
    });
  } catch (const dbus::CallError& error) {
    throw std::runtime_error("linux.resources: systemd unit " + unit + ": " + error.what());
  }
}

void SystemdManager::attach(const std::string& unit, pid_t pid) {
  try {
    call([&] {
      auto attach = request("AttachProcessesToUnit");
      attach.add(unit).add("").add(std::vector<uint32_t>{static_cast<uint32_t>(pid)});
      return attach;
    });
  } catch (const dbus::CallError& error) {
    throw std::runtime_error("systemd unit " + unit + ": " + error.what());
  }
}

void SystemdManager::reset_failed(const std::string& unit) {
  try {
    call([&] {
      auto reset = request("ResetFailedUnit");
      reset.add(unit);
      return reset;
    });
  } catch (const dbus::CallError&) {
    return;  // it is not there any more, which is what is wanted
  }
}

std::string SystemdManager::job_result(const std::string& job, const std::string& unit, Clock::time_point deadline) {
  while (const auto signal = bus_->next_signal(deadline)) {
    if (!signal->is_signal(kManagerInterface, "JobRemoved")) continue;
    const auto texts = signal->texts();  // id, job, unit, result
    if (texts.size() == 4 && texts[1] == job) return texts[3];
  }
  throw std::runtime_error("timed out waiting for systemd's job for unit " + unit);
}

/// "active", "failed", …; empty if there is no such unit.
std::string SystemdManager::active_state(const std::string& unit) {
  try {
    const auto answer = call([&] {
      auto get = request("GetUnit");
      get.add(unit);
      return get;
    });
    return property(answer.texts().at(0), "org.freedesktop.systemd1.Unit", "ActiveState");
  } catch (const dbus::CallError&) {
    return "";
  }
}

/// The job's result, "done" if all is well. If the signal that tells of it is lost with the connection, the unit's
/// state says as much: it is one of `wanted` then.
std::string SystemdManager::finish_job(const std::string& job, const std::string& unit,
                                       std::initializer_list<const char*> wanted) {
  const auto deadline = Clock::now() + kJobPatience;
  try {
    return job_result(job, unit, deadline);
  } catch (const dbus::ConnectionLost&) {
    connect_again();
  }
  std::string state;
  while (Clock::now() < deadline) {
    state = active_state(unit);
    if (std::find(wanted.begin(), wanted.end(), state) != wanted.end()) return "done";
    pause_for(kFirstPause);
  }
  return state.empty() ? "no unit" : state;
}

}  // namespace berth::runtime
