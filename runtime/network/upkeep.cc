#include "network/upkeep.h"

#include <chrono>

#include "base/json.h"
#include "base/rollback.h"
#include "cni/client/network_lock.h"
#include "commands/table.h"

namespace berth::runtime {

namespace {

using base::Json;

constexpr std::chrono::seconds kPatience{30};

UpkeepReport report_on(const Network& network, const NetworkAttachment& attachment) {
  const auto& config = attachment.cached.attachment;
  return {network.list.name, config.container_id, config.ifname, "ok", ""};
}

/// The list that the attachment was made with; the present one if that cannot be understood any more.
cni::NetworkList list_of(const Network& network, const NetworkAttachment& attachment) {
  try {
    return cni::parse_list(attachment.cached.config, network.list.path);
  } catch (const std::exception&) {
    return network.list;
  }
}

void remove_gone(cni::Client& client, const Network& network, const NetworkAttachment& attachment) {
  auto config = attachment.cached.attachment;
  config.netns.clear();
  client.del(list_of(network, attachment), config);
}

void add_again(cni::Client& client, const Network& network, const NetworkAttachment& attachment) {
  const auto& config = attachment.cached.attachment;
  const auto list = list_of(network, attachment);
  client.del(list, config);
  base::Rollback rollback;
  rollback.add("undo the failed ADD", [&] { client.del(list, config); });
  client.add(list, config);
  rollback.dismiss();
  client.check(list, config);
}

/// Runs `mend` and says how it went: `done`, or the old state with why it failed.
template <class Mend>
void mend_as(UpkeepReport& report, const char* done, Mend&& mend) {
  try {
    mend();
    report.state = done;
  } catch (const std::exception& error) {
    report.message += (report.message.empty() ? "" : "; ") + std::string("repair: ") + error.what();
  }
}

UpkeepReport check_one(const NetworkPlaces& places, const Network& network, const NetworkAttachment& attachment,
                       bool repair) {
  auto report = report_on(network, attachment);
  auto client = places.client();
  const cni::NetworkLock lock(network.list.name, kPatience);
  if (attachment.netns.empty()) {
    report.state = "gone";
    report.message = "its namespace does not exist any more";
    if (repair) mend_as(report, "removed", [&] { remove_gone(client, network, attachment); });
    return report;
  }
  try {
    client.check(list_of(network, attachment), attachment.cached.attachment);
  } catch (const std::exception& error) {
    report.state = "damaged";
    report.message = error.what();
    if (repair) mend_as(report, "repaired", [&] { add_again(client, network, attachment); });
  }
  return report;
}

}  // namespace

std::vector<UpkeepReport> check_networks(const NetworkPlaces& places, const std::vector<Network>& networks,
                                         bool repair) {
  std::vector<UpkeepReport> reports;
  for (const auto& network : networks) {
    for (const auto& attachment : network.attachments) {
      reports.push_back(check_one(places, network, attachment, repair));
    }
  }
  return reports;
}

std::vector<UpkeepReport> collect_networks(const NetworkPlaces& places, const std::vector<Network>& networks) {
  std::vector<UpkeepReport> reports;
  for (const auto& network : networks) {
    auto client = places.client();
    const cni::NetworkLock lock(network.list.name, kPatience, cni::NetworkLock::Mode::kExclusive);
    std::vector<cni::Attachment> valid;
    for (const auto& attachment : network.attachments) {
      const auto& config = attachment.cached.attachment;
      if (!attachment.netns.empty()) {
        valid.push_back({config.container_id, config.ifname});
        continue;
      }
      auto report = report_on(network, attachment);
      report.state = "failed";
      mend_as(report, "removed", [&] { remove_gone(client, network, attachment); });
      reports.push_back(std::move(report));
    }
    try {
      client.gc(network.list, valid);
    } catch (const std::exception& error) {
      reports.push_back({network.list.name, "", "", "failed", error.what()});
    }
  }
  return reports;
}

std::string upkeep_table(const std::vector<UpkeepReport>& reports) {
  Table table({"NETWORK", "CONTAINER", "INTERFACE", "STATE", "MESSAGE"});
  for (const auto& report : reports) {
    table.add({report.network, report.container_id, report.ifname, report.state, report.message});
  }
  return table.text();
}

Json upkeep_json(const std::vector<UpkeepReport>& reports) {
  auto all = Json::array();
  for (const auto& report : reports) {
    all.push_back({{"network", report.network},
                   {"containerID", report.container_id},
                   {"ifname", report.ifname},
                   {"state", report.state},
                   {"message", report.message}});
  }
  return all;
}

}  // namespace berth::runtime
