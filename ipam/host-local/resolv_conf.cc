#include "resolv_conf.h"

#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "cni/error.h"

namespace berth::host_local {
namespace {

std::vector<std::string> words_of(std::string_view line) {
  constexpr const char* kBlanks = " \t\r\v\f";
  std::vector<std::string> words;
  for (size_t start = line.find_first_not_of(kBlanks); start != std::string_view::npos;) {
    const auto end = line.find_first_of(kBlanks, start);
    words.emplace_back(line.substr(start, end - start));
    start = line.find_first_not_of(kBlanks, end);
  }
  return words;
}

void apply(const std::vector<std::string>& words, cni::Dns& dns) {
  if (words.size() < 2) return;
  const auto append_rest = [&](std::vector<std::string>& list) {
    list.insert(list.end(), words.begin() + 1, words.end());
  };
  const auto& keyword = words.front();
  if (keyword == "nameserver") dns.nameservers.push_back(words[1]);
  if (keyword == "domain") dns.domain = words[1];
  if (keyword == "search") append_rest(dns.search);
  if (keyword == "options") append_rest(dns.options);
}

}  // namespace

cni::Dns parse_resolv_conf(std::string_view text) {
  cni::Dns dns;
  while (!text.empty()) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const auto words = words_of(line);
    if (!words.empty() && words.front()[0] != '#' && words.front()[0] != ';') apply(words, dns);
  }
  return dns;
}

cni::Dns read_resolv_conf(const std::string& path) {
  try {
    return parse_resolv_conf(base::read_file(path));
  } catch (const base::SystemError& error) {
    throw cni::Error(cni::Code::kInvalidNetworkConfig, error.what(), "ipam.resolvConf");
  }
}

}  // namespace berth::host_local
