#include "dbus/bus.h"

#include <dbus/dbus.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "dbus/outer_user.h"

namespace berth::dbus {

namespace {

/// An error that libdbus fills in.
class Failure {
 public:
  Failure() { dbus_error_init(&error_); }
  ~Failure() { dbus_error_free(&error_); }
  Failure(const Failure&) = delete;
  Failure& operator=(const Failure&) = delete;

  DBusError* get() { return &error_; }
  std::string name() const { return error_.name != nullptr ? error_.name : "no answer"; }
  std::string message() const { return error_.message != nullptr ? error_.message : ""; }

 private:
  DBusError error_{};
};

/// A socket to look at spares most hosts without a bus the rest.
bool may_have_system_bus() {
  const char* address = ::secure_getenv("DBUS_SYSTEM_BUS_ADDRESS");
  if (address != nullptr && *address != '\0') return true;
  return ::access("/var/run/dbus/system_bus_socket", F_OK) == 0;
}

/// A daemon whose queue of connections is full says EAGAIN: it is asked again, less and less often.
template <class Open>
DBusConnection* open_patiently(const std::string& what, const Open& open) {
  dbus_connection_set_change_sigpipe(FALSE);  // it is not for a library to ignore; libdbus writes with MSG_NOSIGNAL
  constexpr int kTries = 7;
  constexpr long kMillisecond = 1'000'000;
  for (int attempt = 0;; ++attempt) {
    Failure failure;
    DBusConnection* connection = open(failure.get());
    if (connection != nullptr) return connection;
    const bool again = failure.message().find("temporarily unavailable") != std::string::npos;
    if (!again || attempt == kTries) throw std::runtime_error("connect to " + what + ": " + failure.message());
    const timespec pause{0, (1L << attempt) * kMillisecond};
    ::nanosleep(&pause, nullptr);
  }
}

/// A peer made with sd-bus can overlook a message that comes together with the end of the greeting, until more comes:
/// it is told something unimportant until it answers.
void wake(DBusConnection* connection, const std::string& address) {
  constexpr int kMilliseconds = 20;
  constexpr int kTries = 500;
  for (int attempt = 1;; ++attempt) {
    const Message ping({"", "/", DBUS_INTERFACE_PEER}, "Ping");
    Failure failure;
    DBusMessage* reply =
        dbus_connection_send_with_reply_and_block(connection, ping.get(), kMilliseconds, failure.get());
    if (reply != nullptr) return dbus_message_unref(reply);
    if (failure.name() != DBUS_ERROR_NO_REPLY || attempt == kTries) {
      throw std::runtime_error("connect to " + address + ": " + failure.message());
    }
  }
}

}  // namespace

Bus::Bus(DBusConnection* connection, bool is_peer) : connection_(connection), is_peer_(is_peer) {
  dbus_connection_set_exit_on_disconnect(connection, FALSE);
}

std::unique_ptr<Bus> Bus::find_system() {
  if (!may_have_system_bus()) return nullptr;
  try {
    return open_system();
  } catch (const std::exception&) {
    return nullptr;
  }
}

std::unique_ptr<Bus> Bus::open_system() {
  DBusConnection* connection = open_patiently(
      "the D-Bus system bus", [](DBusError* error) { return dbus_bus_get_private(DBUS_BUS_SYSTEM, error); });
  return std::unique_ptr<Bus>(new Bus(connection, false));
}

std::unique_ptr<Bus> Bus::open(const std::string& address, bool is_peer) {
  const AsOuterUser as_outer_user;
  DBusConnection* connection =
      open_patiently(address, [&](DBusError* error) { return dbus_connection_open_private(address.c_str(), error); });
  std::unique_ptr<Bus> bus(new Bus(connection, is_peer));
  if (is_peer) wake(connection, address);
  Failure failure;
  if (!is_peer && dbus_bus_register(connection, failure.get()) == FALSE) {
    throw std::runtime_error("connect to " + address + ": " + failure.message());
  }
  return bus;
}

Bus::~Bus() {
  dbus_connection_close(connection_);
  dbus_connection_unref(connection_);
}

bool Bus::has_owner(const std::string& service) {
  Failure failure;
  return dbus_bus_name_has_owner(connection_, service.c_str(), failure.get()) == TRUE;
}

Message Bus::call(const Message& request, std::chrono::milliseconds timeout) {
  Failure failure;
  DBusMessage* reply = dbus_connection_send_with_reply_and_block(connection_, request.get(),
                                                                 static_cast<int>(timeout.count()), failure.get());
  if (reply != nullptr) return Message(reply);
  // The bus says so of a service that went away before it answered.
  const bool was_left = failure.message().find("disconnected") != std::string::npos;
  if (failure.name() == DBUS_ERROR_DISCONNECTED || (failure.name() == DBUS_ERROR_NO_REPLY && was_left)) {
    throw ConnectionLost(request.name() + ": " + failure.message());
  }
  if (failure.name() == DBUS_ERROR_NO_REPLY || failure.name() == DBUS_ERROR_TIMEOUT) {
    throw NoAnswer(request.name() + ": no answer for " + std::to_string(timeout.count()) + " ms");
  }
  throw CallError(request.name(), failure.name(), failure.message());
}

void Bus::listen(const std::string& rule) {
  if (is_peer_) return;
  Failure failure;
  dbus_bus_add_match(connection_, rule.c_str(), failure.get());
  if (dbus_error_is_set(failure.get()) == TRUE) throw CallError("AddMatch", failure.name(), failure.message());
}

std::optional<Message> Bus::next_signal(std::chrono::steady_clock::time_point deadline) {
  for (;;) {
    if (DBusMessage* message = dbus_connection_pop_message(connection_)) {
      if (dbus_message_get_type(message) == DBUS_MESSAGE_TYPE_SIGNAL) return Message(message);
      dbus_message_unref(message);
      continue;
    }
    const auto rest = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (rest.count() <= 0) return std::nullopt;
    if (dbus_connection_read_write(connection_, static_cast<int>(rest.count())) == FALSE) {
      throw ConnectionLost("the connection to the bus was lost");
    }
  }
}

}  // namespace berth::dbus

// Debian's archive of libdbus can take listening sockets from systemd, for those who offer a bus. We do not: there are
// none. (Defined where the linker comes by in any case.)
extern "C" {
int sd_listen_fds(int unset_environment);
int sd_is_socket(int fd, int family, int type, int listening);

int sd_listen_fds(int /*unset_environment*/) {
  return 0;
}

int sd_is_socket(int /*fd*/, int /*family*/, int /*type*/, int /*listening*/) {
  return 0;
}
}
