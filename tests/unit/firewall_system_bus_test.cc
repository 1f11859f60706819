// How the connection to the system bus behaves when the bus does not: a bus of the test's own answers, or does not.
// (firewall_firewalld_test has a real one.)

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <functional>
#include <thread>

#include "base/error.h"
#include "firewall/firewall.h"
#include "firewall/firewalld/bus.h"

namespace berth::firewall::firewalld {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

/// A socket that serves one client; an abstract one, so that nothing is left behind.
class Bus {
 public:
  /// `serve` is run with the client's connection, which is then closed.
  explicit Bus(std::function<void(const Bus&)> serve)
      : name_("berth-test-" + std::to_string(::getpid())), listener_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    name_.copy(address.sun_path + 1, name_.size());
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name_.size());
    base::check(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), size), "bind");
    base::check(::listen(listener_.get(), 1), "listen");
    server_ = std::thread([this, serve = std::move(serve)] {
      client_ = base::Fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!client_) return;
      serve(*this);
      client_.reset();
    });
  }
  ~Bus() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    server_.join();
  }
  Bus(const Bus&) = delete;
  Bus& operator=(const Bus&) = delete;

  std::string address() const { return "unix:abstract=" + name_; }

  void say(const std::string& bytes) const { ::send(client_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL); }

  std::string hear_until(const std::string& end) const {
    std::string heard;
    for (char next = 0; !heard.ends_with(end) && ::recv(client_.get(), &next, 1, 0) == 1;) heard += next;
    return heard;
  }

  /// Reads a call. False if the client is gone.
  bool hear_call() const {
    std::vector<uint8_t> bytes(kPreambleSize);
    if (::recv(client_.get(), bytes.data(), bytes.size(), MSG_WAITALL) != static_cast<ssize_t>(bytes.size()))
      return false;
    bytes.resize(message_size(bytes));
    return ::recv(client_.get(), bytes.data() + kPreambleSize, bytes.size() - kPreambleSize, MSG_WAITALL) > 0;
  }

  /// Answers a call with nothing, byte by byte.
  void answer(uint32_t serial) const {
    std::vector<uint8_t> bytes = encode(MethodCall{}, 1);
    bytes.resize(24);
    const uint32_t numbers[] = {0, 1, 8};  // size of the body, serial, size of the fields
    bytes[1] = static_cast<uint8_t>(BusMessage::Type::kReturn);
    std::memcpy(bytes.data() + 4, numbers, sizeof numbers);
    const uint8_t field[] = {5, 1, 'u', 0};
    std::memcpy(bytes.data() + 16, field, sizeof field);
    std::memcpy(bytes.data() + 20, &serial, sizeof serial);
    for (const uint8_t byte : bytes) say(std::string(1, static_cast<char>(byte)));
  }

  /// What every connection begins with.
  void welcome() const {
    hear_until("\r\n");
    say("OK 0123456789abcdef\r\n");
    hear_until("BEGIN\r\n");
    hear_call();  // Hello
    answer(1);
  }

 private:
  std::string name_;
  base::Fd listener_;
  base::Fd client_;
  std::thread server_;
};

class SystemBusTest : public ::testing::Test {
 protected:
  void TearDown() override { ::unsetenv("DBUS_SYSTEM_BUS_ADDRESS"); }

  static void use(const std::string& address) { ::setenv("DBUS_SYSTEM_BUS_ADDRESS", address.c_str(), 1); }

  static std::string refusal() {
    try {
      SystemBus::open();
    } catch (const std::runtime_error& error) {
      return error.what();
    }
    return "connected";
  }

  const SystemBus::Target target_{"org.example", "/org/example", "org.example", 100ms};
};

TEST_F(SystemBusTest, TheFirstAddressThatAnswersIsTaken) {
  std::string heard;
  const Bus server([&](const Bus& bus) {
    heard = bus.hear_until("\r\n");
    bus.say("OK 0123456789abcdef\r\n");
    bus.hear_until("BEGIN\r\n");
    bus.hear_call();
    bus.answer(1);
    bus.hear_call();
    bus.answer(2);
  });
  std::string escaped = server.address();
  escaped.replace(escaped.find('-'), 1, "%2d");
  use("unix:path=/nonexistent/bus;tcp:host=localhost;" + escaped + ",guid=00");
  const auto bus = SystemBus::open();
  EXPECT_TRUE(bus->call(target_, "do", "a", "b", SystemBus::Answer::kString));
  std::string uid;
  for (const char digit : std::to_string(::geteuid())) uid += std::string("3") + digit;
  EXPECT_EQ(std::string(1, '\0') + "AUTH EXTERNAL " + uid + "\r\n", heard);
}

TEST_F(SystemBusTest, ARefusalIsTold) {
  const Bus server([](const Bus& bus) {
    bus.hear_until("\r\n");
    bus.say("REJECTED DBUS_COOKIE_SHA1\r\n");
  });
  use(server.address());
  EXPECT_EQ("connect to the D-Bus system bus: refused: REJECTED DBUS_COOKIE_SHA1", refusal());
}

TEST_F(SystemBusTest, WhatIsNoBusIsTold) {
  use("unix:path=/nonexistent/bus");
  EXPECT_THAT(refusal(), HasSubstr("connect to unix:path=/nonexistent/bus: no such file or directory"));
  use("tcp:host=localhost");
  EXPECT_THAT(refusal(), HasSubstr("\"tcp:host=localhost\" is no address of a unix socket"));
  use("unix:tmpdir=/tmp");
  EXPECT_THAT(refusal(), HasSubstr("names no socket"));
  use("unix:path=/" + std::string(200, 'x'));
  EXPECT_THAT(refusal(), HasSubstr("is too long"));
  EXPECT_EQ(nullptr, SystemBus::find());
}

TEST_F(SystemBusTest, AServiceThatDoesNotAnswerIsBusy) {
  const Bus server([](const Bus& bus) {
    bus.welcome();
    bus.hear_call();
    bus.hear_call();  // until the client is gone
  });
  use(server.address());
  const auto bus = SystemBus::open();
  try {
    bus->call(target_, "do", "a", "b", SystemBus::Answer::kString);
    ADD_FAILURE() << "an answer from nobody";
  } catch (const Busy& error) {
    EXPECT_STREQ("do(a, b) of org.example: no answer for 100 ms", error.what());
  }
}

TEST_F(SystemBusTest, ALateAnswerIsNotTakenForTheNextCalls) {
  const Bus server([](const Bus& bus) {
    bus.welcome();
    bus.hear_call();
    bus.hear_call();
    bus.answer(2);
    bus.hear_call();
  });
  use(server.address());
  const auto bus = SystemBus::open();
  for (int time = 0; time < 2; ++time) {
    EXPECT_THROW(bus->call(target_, "do", "a", "b", SystemBus::Answer::kString), Busy);
  }
}

TEST_F(SystemBusTest, ABusThatGoesAwayIsTold) {
  const Bus server([](const Bus& bus) {
    bus.welcome();
    bus.hear_call();
  });
  use(server.address());
  const auto bus = SystemBus::open();
  EXPECT_FALSE(bus->has_owner("org.example"));
  EXPECT_THROW(bus->call(target_, "do", "a", "b", SystemBus::Answer::kString), base::SystemError);
}

}  // namespace
}  // namespace berth::firewall::firewalld
