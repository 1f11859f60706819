#include "cni/plugin/owner_alias.h"

#include <set>

#include "base/encode.h"
#include "base/rollback.h"

namespace berth::cni::owner_alias {

namespace {

constexpr size_t kLongestWord = 80;
constexpr size_t kDigits = 40;

std::string word(const std::string& text) {
  return text.size() <= kLongestWord ? text : "#" + base::sha512_hex(text).substr(0, kDigits);
}

std::string prefix(const std::string& what, const Request& request) {
  return what + " " + word(request.network()) + " ";
}

}  // namespace

std::string of(const std::string& what, const Request& request) {
  return prefix(what, request) + word(request.container_id()) + " " + request.ifname();
}

void collect_garbage(net::Netlink& host, const std::string& kind, const std::string& what, const Request& request) {
  const auto valid = request.valid_attachments();
  if (!valid) return;
  const auto of_network = prefix(what, request);
  std::set<std::string> aliases;
  for (const auto& attachment : *valid)
    aliases.insert(of_network + word(attachment.container_id) + " " + attachment.ifname);
  base::BestEffort cleanup;
  for (const auto& link : host.links()) {
    if (link.kind != kind || !link.alias.starts_with(of_network) || aliases.contains(link.alias)) continue;
    cleanup.attempt("delete link " + link.name, [&] { host.delete_link(link.index); });
  }
  cleanup.finish();
}

}  // namespace berth::cni::owner_alias
