#include "tuning/backup.h"

#include <limits>

#include "base/json.h"
#include "base/rollback.h"

namespace berth::tuning {

using base::Json;
using base::JsonObject;

Backup Backup::of(const net::Link& link, const Config& config) {
  Backup backup;
  if (config.mac) backup.mac = link.mac;
  if (config.promiscuous) backup.promiscuous = link.is_promiscuous();
  if (config.mtu != 0) backup.mtu = link.mtu;
  if (config.all_multicast) backup.all_multicast = link.is_all_multicast();
  if (config.queue_length) backup.queue_length = link.tx_queue_length;
  return backup;
}

void Backup::prefer(const Backup& earlier) {
  if (earlier.mac) mac = earlier.mac;
  if (earlier.promiscuous) promiscuous = earlier.promiscuous;
  if (earlier.mtu) mtu = earlier.mtu;
  if (earlier.all_multicast) all_multicast = earlier.all_multicast;
  if (earlier.queue_length) queue_length = earlier.queue_length;
}

void Backup::restore(net::Netlink& container, const net::Link& link) const {
  base::BestEffort steps;
  const auto attempt = [&](const auto& value, const char* name, auto&& change) {
    if (value) steps.attempt(std::string("restore ") + name + " of " + link.name, [&] { change(*value); });
  };
  attempt(mtu, "MTU", [&](unsigned value) { container.set_mtu(link.index, value); });
  attempt(mac, "hardware address", [&](const auto& value) { container.set_mac(link.index, value); });
  attempt(promiscuous, "promiscuous mode", [&](bool on) { container.set_promiscuous(link.index, on); });
  attempt(all_multicast, "all-multicast mode", [&](bool on) { container.set_all_multicast(link.index, on); });
  attempt(queue_length, "transmit queue length",
          [&](unsigned length) { container.set_tx_queue_length(link.index, length); });
  steps.finish();
}

std::string Backup::to_json() const {
  Json object = Json::object();
  if (mac) object["mac"] = mac->to_string();
  if (promiscuous) object["promisc"] = *promiscuous;
  if (mtu) object["mtu"] = *mtu;
  if (all_multicast) object["allmulti"] = *all_multicast;
  if (queue_length) object["txQLen"] = *queue_length;
  object["network"] = network;
  object["netns"] = netns;
  return object.dump(1);
}

Backup Backup::from_json(const std::string& text) {
  const Json value = base::parse_json(text);
  const JsonObject object(value);
  const auto number = [&](const char* key) -> std::optional<unsigned> {
    const auto found = object.integer(key, 0, std::numeric_limits<int>::max());
    if (!found) return std::nullopt;
    return static_cast<unsigned>(*found);
  };
  Backup backup;
  if (const auto mac = object.string("mac")) backup.mac = net::MacAddress::try_parse(*mac);
  backup.promiscuous = object.boolean("promisc");
  backup.mtu = number("mtu");
  backup.all_multicast = object.boolean("allmulti");
  backup.queue_length = number("txQLen");
  backup.network = object.string("network").value_or("");
  backup.netns = object.string("netns").value_or("");
  return backup;
}

std::string backup_name(const std::string& container_id, const std::string& ifname) {
  return container_id + "_" + ifname + ".json";
}

}  // namespace berth::tuning
