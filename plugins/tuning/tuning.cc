#include "tuning/tuning.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "base/rollback.h"
#include "cni/error.h"
#include "cni/plugin/directory.h"
#include "cni/plugin/interface.h"
#include "net/announce.h"
#include "net/netlink.h"
#include "net/sysctl.h"
#include "tuning/allow_list.h"
#include "tuning/backup.h"
#include "tuning/config.h"

namespace berth::tuning {

namespace {

using cni::Request;
using cni::Result;
using net::Link;
using net::Netlink;
using net::NetNs;
namespace interface = cni::interface;

std::string backup_path(const std::string& data_dir, const Request& request) {
  return data_dir + "/" + backup_name(request.container_id(), request.ifname());
}

/// nullopt, and a word on stderr, if the file cannot be made sense of: nobody else will either.
std::optional<Backup> readable(const std::string& path, const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  try {
    return Backup::from_json(*text);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tuning: %s is unreadable: %s\n", path.c_str(), error.what());
    return std::nullopt;
  }
}

/// Some sysctls (route/flush) can be written only: of them nothing is left to undo.
std::optional<std::string> previous_value(const std::string& name) {
  try {
    return net::sysctl::read(name);
  } catch (const base::SystemError&) {
    return std::nullopt;
  }
}

/// In the namespace.
void set_sysctls(const NetNs& netns, const Config& config, base::Rollback& rollback) {
  for (const auto& sysctl : config.sysctls) {
    const auto before = previous_value(sysctl.name);
    net::sysctl::write(sysctl.name, sysctl.value);
    if (before) {
      rollback.add("restore sysctl " + sysctl.name,
                   [&netns, &sysctl, before] { netns.within([&] { net::sysctl::write(sysctl.name, *before); }); });
    }
    cni::throw_if_interrupted();
  }
}

/// A list may tune an interface in several steps: what the first one found is what DEL has to restore. A file of
/// another namespace is left over from a container that had the same id.
void save_backup(const std::string& path, Backup backup, base::Rollback& rollback) {
  const auto text = base::read_if_present(path);
  const auto earlier = readable(path, text);
  if (earlier && earlier->network == backup.network && earlier->netns == backup.netns) {
    backup.prefer(*earlier);
    rollback.add("restore " + path, [path, text] { base::write_file_atomic(path, *text, 0600); });
  } else {
    rollback.add("remove " + path, [path] { base::remove_if_present(path); });
  }
  base::make_directories(path.substr(0, path.rfind('/')), 0700);
  base::write_file_atomic(path, backup.to_json(), 0600);
}

/// In the namespace. The order is the reference's.
void change_link(Netlink& container, const Link& link, const Config& config) {
  if (config.mac) container.set_mac(link.index, *config.mac);
  if (config.promiscuous) container.set_promiscuous(link.index, true);
  if (config.mtu != 0) container.set_mtu(link.index, config.mtu);
  if (config.all_multicast) container.set_all_multicast(link.index, *config.all_multicast);
  if (config.queue_length) container.set_tx_queue_length(link.index, *config.queue_length);
  if (!config.mac || !link.is_up()) return;
  // Whoever has heard of the old hardware address is told of the new one.
  std::vector<net::IpNet> addresses;
  for (const auto& address : container.addresses(link.index)) addresses.push_back(address.address);
  net::announce(container, container.link(link.index), addresses);
}

/// prevResult with what the interface is like now.
Result described(Result result, const std::string& ifname, const Config& config) {
  for (auto& interface : result.interfaces) {
    if (interface.name != ifname) continue;
    if (config.mac) interface.mac = config.mac->to_string();
    if (config.mtu != 0 && interface.mtu != 0 && !interface.sandbox.empty()) interface.mtu = config.mtu;
  }
  return result;
}

void restore(const Request& request, const Backup& backup) {
  const auto netns = interface::find_netns(request);
  if (!netns) return;
  auto container = Netlink::in(*netns);
  if (const auto link = container.find_link(request.ifname())) backup.restore(container, *link);
}

}  // namespace

Result TuningPlugin::add(const Request& request) {
  const auto config = Config::parse(request);
  require_allowed(config.sysctls);
  const auto& previous = interface::required_previous(request);
  previous.require_expressible_in(request.version());

  const auto netns = interface::open_netns(request);
  auto container = Netlink::in(netns);
  base::Rollback rollback;
  netns.within([&] {
    set_sysctls(netns, config, rollback);
    if (!config.changes_link()) return;
    const auto link = container.link(request.ifname());
    auto backup = Backup::of(link, config);
    rollback.add("restore " + link.name, [&container, link, backup] { backup.restore(container, link); });
    backup.network = request.network();
    backup.netns = netns.identity();
    save_backup(backup_path(config.data_dir, request), backup, rollback);
    change_link(container, link, config);
  });
  cni::throw_if_interrupted();
  rollback.dismiss();
  return described(previous, request.ifname(), config);
}

void TuningPlugin::del(const Request& request) {
  const auto path = backup_path(parse_data_dir(request), request);
  const auto text = base::read_if_present(path);
  if (!text) return;
  if (const auto backup = readable(path, text)) {
    try {
      restore(request, *backup);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "tuning: %s\n", error.what());
    }
  }
  base::remove_if_present(path);
}

void TuningPlugin::gc(const Request& request) {
  const auto valid = request.valid_attachments();
  const auto data_dir = parse_data_dir(request);
  if (!valid || !std::filesystem::is_directory(data_dir)) return;
  base::BestEffort cleanup;
  for (const auto& entry : std::filesystem::directory_iterator(data_dir)) {
    const std::string name = entry.path().filename();
    const bool is_valid = std::any_of(valid->begin(), valid->end(), [&](const cni::Attachment& attachment) {
      return name == backup_name(attachment.container_id, attachment.ifname);
    });
    if (is_valid || name.starts_with('.') || !name.ends_with(".json")) continue;
    cleanup.attempt("remove " + name, [&] {
      const auto backup = readable(entry.path(), base::read_if_present(entry.path()));
      if (backup && backup->network == request.network()) base::remove_if_present(entry.path());
    });
  }
  cleanup.finish();
}

void TuningPlugin::status(const Request& request) {
  const auto config = Config::parse(request);
  try {
    require_allowed(config.sysctls);
  } catch (const cni::Error& error) {
    throw cni::Error(cni::Code::kNotAvailable, error.msg());
  }
  cni::require_usable_directory(config.data_dir);
}

}  // namespace berth::tuning
