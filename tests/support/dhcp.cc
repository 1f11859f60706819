#include "support/dhcp.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "base/fd.h"
#include "base/file.h"
#include "net/netlink.h"
#include "support/programs.h"

namespace berth::test {

namespace {

std::string content(const std::string& path) {
  return ::access(path.c_str(), R_OK) == 0 ? base::read_file(path) : "";
}

bool accepts(const std::string& path) {
  const base::Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  return ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace

DhcpLan::DhcpLan(std::string directory) : directory_(std::move(directory)), netns_("lan") {
  base::make_directories(directory_, 0755);
  auto host = net::Netlink::here();
  host.create_bridge("br0", 0, false);
  const auto bridge = host.link("br0").index;
  host.set_up(bridge);
  const auto lan = netns_.open();
  net::VethPair pair;
  pair.near.name = "to-lan";
  pair.near.master = bridge;
  pair.near_up = true;
  pair.far.name = "lan0";
  pair.far.netns = &lan;
  host.create_veth(pair);
  auto inside = net::Netlink::in(lan);
  const auto index = inside.link("lan0").index;
  inside.add_address(index, {net::IpNet::parse("10.50.0.1/24"), false, 0});
  inside.set_up(index);
}

DhcpLan::~DhcpLan() = default;

void DhcpLan::serve(const std::vector<std::string>& options) {
  std::vector<std::string> argv{"dnsmasq",
                                "--keep-in-foreground",
                                "--port=0",
                                "--no-ping",
                                "--user=root",
                                "--group=root",
                                "--conf-file=/dev/null",
                                "--interface=lan0",
                                "--except-interface=lo",
                                "--dhcp-authoritative",
                                "--log-dhcp",
                                "--pid-file=",
                                "--dhcp-leasefile=" + directory_ + "/leases",
                                "--log-facility=" + directory_ + "/log"};
  argv.insert(argv.end(), options.begin(), options.end());
  const auto is_range = [](const std::string& option) { return option.starts_with("--dhcp-range"); };
  if (std::none_of(options.begin(), options.end(), is_range)) {
    argv.push_back("--dhcp-range=10.50.0.10,10.50.0.250,255.255.255.0,1h");
  }
  const auto started = logged("DHCP, IP range");
  server_ = netns_.open().within([&] { return std::make_unique<Background>(argv, directory_ + "/output"); });
  if (!eventually([&] { return logged("DHCP, IP range") > started; })) {
    throw std::runtime_error("dnsmasq does not start: " + content(directory_ + "/output"));
  }
}

void DhcpLan::stop_serving() {
  server_.reset();
}

void DhcpLan::forget_leases() const {
  base::remove_if_present(directory_ + "/leases");
}

std::vector<std::string> DhcpLan::leases() const {
  // dnsmasq empties the file and writes it anew.
  std::string before;
  std::string text = content(directory_ + "/leases");
  do {
    before = text;
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    text = content(directory_ + "/leases");
  } while (text != before);
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::string DhcpLan::log() const {
  return content(directory_ + "/log");
}

size_t DhcpLan::logged(const std::string& text) const {
  const auto all = log();
  size_t count = 0;
  for (auto at = all.find(text); at != all.npos; at = all.find(text, at + text.size())) ++count;
  return count;
}

DhcpDaemon::DhcpDaemon(const std::string& log, const std::vector<std::string>& flags, const std::string& socket) {
  std::vector<std::string> argv{built("dhcp"), "daemon"};
  argv.insert(argv.end(), flags.begin(), flags.end());
  process_ = std::make_unique<Background>(argv, log);
  if (!eventually([&] { return accepts(socket); })) {
    throw std::runtime_error("the DHCP daemon does not start: " + content(log));
  }
}

}  // namespace berth::test
