// Measures what the number of published ports costs, with our nftables backend and with the reference's portmap on
// iptables: ADD with none and with many published, and setting up a connection through the first and the last port.
// In network namespaces of its own.
//
//   ports [PORTS] [--reference-plugins DIR]

#include <netinet/in.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <memory>
#include <thread>

#include "base/error.h"
#include "base/fd.h"
#include "bench/series.h"
#include "firewall/firewall.h"
#include "support/programs.h"
#include "support/sandbox.h"

namespace berth::test {
namespace {

constexpr int kRounds = 40;
constexpr int kConnections = 400;
constexpr uint16_t kFirstPort = 20000;

sockaddr_in address_of(const char* text, uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  std::memcpy(&address.sin_addr, net::IpAddress::parse(text).bytes(), 4);
  return address;
}

/// Accepts and closes connections on port 80 of a namespace until it is destroyed.
class Server {
 public:
  explicit Server(const net::NetNs& netns) {
    netns.within(
        [&] { listener_ = base::Fd(base::check(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket")); });
    const auto any = address_of("0.0.0.0", 80);
    base::check(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any), "bind");
    base::check(::listen(listener_.get(), 128), "listen");
    thread_ = std::thread([this] {
      for (;;) {
        const base::Fd connection(::accept(listener_.get(), nullptr, nullptr));
        if (!connection) return;
      }
    });
  }
  ~Server() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }

 private:
  base::Fd listener_;
  std::thread thread_;
};

/// How long connect(2) takes, in milliseconds.
double connect_once(uint16_t port) {
  const base::Fd fd(base::check(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
  const linger reset{1, 0};  // no connection lingers in TIME_WAIT
  ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  const auto to = address_of("192.168.77.1", port);
  const auto start = std::chrono::steady_clock::now();
  base::check(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), "connect");
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

/// A host with a bridge, two containers with servers and a client outside.
class Network {
 public:
  Network() : first_("first"), last_("last"), client_("client") {
    must_run({"ip", "link", "add", "br0", "type", "bridge"});
    must_run({"ip", "address", "add", "10.9.0.1/16", "dev", "br0"});
    must_run({"ip", "link", "set", "br0", "up"});
    must_run({"sysctl", "-qw", "net.ipv4.ip_forward=1"});
    plug("first", "10.9.0.2/16", "10.9.0.1", "master", "br0");
    plug("last", "10.9.0.3/16", "10.9.0.1", "master", "br0");
    plug("client", "192.168.77.2/24", "192.168.77.1");
    must_run({"ip", "address", "add", "192.168.77.1/24", "dev", "v-client"});
    servers_[0] = std::make_unique<Server>(first_.open());
    servers_[1] = std::make_unique<Server>(last_.open());
  }

  const NamedNetNs& client() const { return client_; }

 private:
  static void plug(const std::string& name, const char* address, const char* gateway, const char* key = nullptr,
                   const char* value = nullptr) {
    const std::string port = "v-" + name;
    must_run({"ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name});
    if (key != nullptr) must_run({"ip", "link", "set", port, key, value});
    must_run({"ip", "link", "set", port, "up"});
    must_run({"ip", "-n", name, "address", "add", address, "dev", "eth0"});
    must_run({"ip", "-n", name, "link", "set", "eth0", "up"});
    must_run({"ip", "-n", name, "route", "add", "default", "via", gateway});
  }

  NamedNetNs first_, last_, client_;
  std::unique_ptr<Server> servers_[2];
};

/// portmap ADD and DEL of one more port, as a runtime calls it: how long ADD took.
double add_one_more(const std::string& program, const std::string& backend, const std::string& path) {
  const std::string config = R"({"cniVersion": "1.0.0", "name": "n", "type": "portmap", "backend": ")" + backend +
                             R"(", "runtimeConfig": {"portMappings": [{"hostPort": 19999, "containerPort": 80,
      "protocol": "tcp"}]}, "prevResult": {"cniVersion": "1.0.0", "interfaces": [{"name": "eth0",
      "sandbox": "/run/netns/first"}], "ips": [{"interface": 0, "address": "10.9.0.2/16"}]}})";
  std::map<std::string, std::string> env{
      {"CNI_CONTAINERID", "more"}, {"CNI_NETNS", "/run/netns/first"}, {"CNI_IFNAME", "eth0"}, {"PATH", path}};
  env["CNI_COMMAND"] = "ADD";
  const double duration = timed(run_plugin(program, env, config), program + " ADD");
  env["CNI_COMMAND"] = "DEL";
  timed(run_plugin(program, env, config), program + " DEL");
  return duration;
}

/// One backend's figures: with one port published, and with all.
struct Figures {
  Series add_few, add_many, connect_first, connect_last;
};

Figures measure(firewall::Firewall& firewall, unsigned ports, const std::string& program, const std::string& backend,
                const std::string& path) {
  Network network;
  const auto publish = [&](unsigned number) {
    // The first and the last port lead to the servers, the others to addresses that nobody has.
    const std::string address =
        number == 0           ? "10.9.0.2"
        : number == ports - 1 ? "10.9.0.3"
                              : "10.9." + std::to_string(1 + number / 250) + "." + std::to_string(2 + number % 250);
    firewall::Publication publication;
    publication.ports = {{static_cast<uint16_t>(kFirstPort + number), 80, "tcp", std::nullopt}};
    publication.container_v4 = net::IpNet::parse(address + "/16");
    firewall.publish({"n", "filler" + std::to_string(number), "eth0"}, publication);
  };
  Figures figures;
  publish(0);
  for (int i = 0; i < kRounds; ++i) figures.add_few.milliseconds.push_back(add_one_more(program, backend, path));
  for (unsigned number = 1; number < ports; ++number) publish(number);
  for (int i = 0; i < kRounds; ++i) figures.add_many.milliseconds.push_back(add_one_more(program, backend, path));
  network.client().open().within([&] {
    for (int i = -10; i < kConnections; ++i) {
      const double first = connect_once(kFirstPort);
      const double last = connect_once(static_cast<uint16_t>(kFirstPort + ports - 1));
      if (i < 0) continue;  // neighbours are found
      figures.connect_first.milliseconds.push_back(first);
      figures.connect_last.milliseconds.push_back(last);
    }
  });
  return figures;
}

void print(const char* who, unsigned ports, const Figures& figures) {
  const auto row = [&](const std::string& what, const Series& few, const Series& many) {
    std::printf("| %-10s | %-30s | %8.3f | %8.3f | %6.2f |\n", who, what.c_str(), few.at(0.5), many.at(0.5),
                many.at(0.5) / few.at(0.5));
  };
  row("ADD beside 1 and " + std::to_string(ports), figures.add_few, figures.add_many);
  row("connect through first and last", figures.connect_first, figures.connect_last);
}

int measure_all(int argc, char** argv) {
  unsigned ports = 5000;
  std::string reference = reference_plugins();
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--reference-plugins") == 0 && i + 1 < argc) {
      reference = argv[++i];
    } else {
      ports = static_cast<unsigned>(std::stoul(argv[i]));
    }
  }
  if (reference.empty()) throw std::runtime_error("containernetworking-plugins is not installed");
  std::printf("| who        | what (medians, ms)             | few      | many     | ratio  |\n");
  std::printf("|------------|--------------------------------|----------|----------|--------|\n");
  enter_own_host();
  print("berth", ports, measure(*firewall::make("nftables"), ports, built("portmap"), "nftables", ""));
  std::fflush(stdout);
  enter_own_host();
  // Our iptables backend writes the reference's rules; it fills the table faster.
  const std::string path = path_with_legacy_iptables("/run/iptables");
  print("reference", ports, measure(*firewall::make("iptables"), ports, reference + "/portmap", "iptables", path));
  return 0;
}

}  // namespace
}  // namespace berth::test

int main(int argc, char** argv) {
  try {
    return berth::test::measure_all(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ports: %s\n", error.what());
    return 1;
  }
}
