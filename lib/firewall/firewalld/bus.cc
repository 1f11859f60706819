#include "firewall/firewalld/bus.h"

#include <dbus/dbus.h>
#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>

#include "firewall/firewall.h"

namespace berth::firewall::firewalld {

namespace {

/// The functions of libdbus that are used.
struct Library {
  decltype(&dbus_error_init) error_init;
  decltype(&dbus_error_free) error_free;
  decltype(&dbus_bus_get_private) bus_get_private;
  decltype(&dbus_bus_name_has_owner) bus_name_has_owner;
  decltype(&dbus_connection_set_exit_on_disconnect) connection_set_exit_on_disconnect;
  decltype(&dbus_connection_close) connection_close;
  decltype(&dbus_connection_unref) connection_unref;
  decltype(&dbus_connection_send_with_reply_and_block) send_with_reply_and_block;
  decltype(&dbus_message_new_method_call) message_new_method_call;
  decltype(&dbus_message_append_args) message_append_args;
  decltype(&dbus_message_get_args) message_get_args;
  decltype(&dbus_message_unref) message_unref;
};

template <class Function>
void look_up(void* handle, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(handle, name));
  if (function == nullptr) throw std::runtime_error(std::string("libdbus-1.so.3 has no ") + name);
}

Library load() {
  void* handle = ::dlopen("libdbus-1.so.3", RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) throw std::runtime_error(std::string("load libdbus: ") + ::dlerror());
  Library library{};
  look_up(handle, "dbus_error_init", library.error_init);
  look_up(handle, "dbus_error_free", library.error_free);
  look_up(handle, "dbus_bus_get_private", library.bus_get_private);
  look_up(handle, "dbus_bus_name_has_owner", library.bus_name_has_owner);
  look_up(handle, "dbus_connection_set_exit_on_disconnect", library.connection_set_exit_on_disconnect);
  look_up(handle, "dbus_connection_close", library.connection_close);
  look_up(handle, "dbus_connection_unref", library.connection_unref);
  look_up(handle, "dbus_connection_send_with_reply_and_block", library.send_with_reply_and_block);
  look_up(handle, "dbus_message_new_method_call", library.message_new_method_call);
  look_up(handle, "dbus_message_append_args", library.message_append_args);
  look_up(handle, "dbus_message_get_args", library.message_get_args);
  look_up(handle, "dbus_message_unref", library.message_unref);
  return library;
}

const Library& dbus() {
  static const Library library = load();
  return library;
}

/// An error that libdbus fills in.
class Failure {
 public:
  Failure() { dbus().error_init(&error_); }
  ~Failure() { dbus().error_free(&error_); }
  Failure(const Failure&) = delete;
  Failure& operator=(const Failure&) = delete;

  DBusError* get() { return &error_; }
  std::string name() const { return error_.name != nullptr ? error_.name : "no answer"; }
  std::string message() const { return error_.message != nullptr ? error_.message : ""; }

 private:
  DBusError error_{};
};

struct Release {
  void operator()(DBusMessage* message) const { dbus().message_unref(message); }
};
using Message = std::unique_ptr<DBusMessage, Release>;

/// A socket to look at spares most hosts without a bus the loading of the library.
bool may_have_bus() {
  const char* address = ::secure_getenv("DBUS_SYSTEM_BUS_ADDRESS");
  if (address != nullptr && *address != '\0') return true;
  return ::access("/var/run/dbus/system_bus_socket", F_OK) == 0;
}

}  // namespace

std::unique_ptr<SystemBus> SystemBus::find() {
  if (!may_have_bus()) return nullptr;
  try {
    return open();
  } catch (const std::exception&) {
    return nullptr;
  }
}

std::unique_ptr<SystemBus> SystemBus::open() {
  Failure failure;
  DBusConnection* connection = dbus().bus_get_private(DBUS_BUS_SYSTEM, failure.get());
  if (connection == nullptr) throw std::runtime_error("connect to the D-Bus system bus: " + failure.message());
  dbus().connection_set_exit_on_disconnect(connection, FALSE);
  return std::unique_ptr<SystemBus>(new SystemBus(connection));
}

SystemBus::~SystemBus() {
  dbus().connection_close(connection_);
  dbus().connection_unref(connection_);
}

bool SystemBus::has_owner(const std::string& service) {
  Failure failure;
  return dbus().bus_name_has_owner(connection_, service.c_str(), failure.get()) == TRUE;
}

bool SystemBus::call(const Target& target, const std::string& method, const std::string& first,
                     const std::string& second, Answer answer) {
  const Message request(dbus().message_new_method_call(target.service.c_str(), target.path.c_str(),
                                                       target.interface.c_str(), method.c_str()));
  if (!request) throw std::bad_alloc();
  const char* words[] = {first.c_str(), second.c_str()};
  if (dbus().message_append_args(request.get(), DBUS_TYPE_STRING, &words[0], DBUS_TYPE_STRING, &words[1],
                                 DBUS_TYPE_INVALID) == FALSE) {
    throw std::bad_alloc();
  }
  const std::string doing = method + "(" + first + ", " + second + ") of " + target.service;
  Failure failure;
  const Message reply(dbus().send_with_reply_and_block(connection_, request.get(),
                                                       static_cast<int>(target.timeout.count()), failure.get()));
  if (!reply) {
    if (failure.name() == DBUS_ERROR_NO_REPLY || failure.name() == DBUS_ERROR_TIMEOUT) {
      throw Busy(doing + ": no answer for " + std::to_string(target.timeout.count()) + " ms");
    }
    throw BusError(doing, failure.name(), failure.message());
  }
  if (answer == Answer::kString) return true;
  dbus_bool_t value = FALSE;
  if (dbus().message_get_args(reply.get(), failure.get(), DBUS_TYPE_BOOLEAN, &value, DBUS_TYPE_INVALID) == FALSE) {
    throw BusError(doing, failure.name(), failure.message());
  }
  return value == TRUE;
}

}  // namespace berth::firewall::firewalld
