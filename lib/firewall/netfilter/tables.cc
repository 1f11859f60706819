#include "firewall/netfilter/tables.h"

#include <arpa/inet.h>
#include <endian.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/attr.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace berth::firewall::netfilter {

namespace {

using net::Message;

template <int Max>
using Attributes = std::array<nlattr*, Max + 1>;

template <int Max>
Attributes<Max> attributes_of(nlmsghdr* message) {
  Attributes<Max> attributes{};
  nlmsg_parse(message, sizeof(nfgenmsg), attributes.data(), Max, nullptr);
  return attributes;
}

template <int Max>
Attributes<Max> nested(nlattr* attribute) {
  Attributes<Max> attributes{};
  if (attribute != nullptr) nla_parse_nested(attributes.data(), Max, attribute, nullptr);
  return attributes;
}

Bytes bytes_of(const nlattr* attribute) {
  if (attribute == nullptr) return {};
  const auto* data = static_cast<const uint8_t*>(nla_data(attribute));
  return {data, data + nla_len(attribute)};
}

std::string text_of(const nlattr* attribute) {
  return attribute == nullptr ? "" : nla_get_string(attribute);
}

uint64_t be64_of(const nlattr* attribute) {
  return attribute == nullptr ? 0 : be64toh(nla_get_u64(attribute));
}

uint32_t be32_of(const nlattr* attribute) {
  return attribute == nullptr ? 0 : ntohl(nla_get_u32(attribute));
}

Bytes value_of(nlattr* attribute) {
  return bytes_of(nested<NFTA_DATA_MAX>(attribute)[NFTA_DATA_VALUE]);
}

std::string described(const TableName& table) {
  const char* family = table.family == NFPROTO_IPV4     ? "ip"
                       : table.family == NFPROTO_IPV6   ? "ip6"
                       : table.family == NFPROTO_BRIDGE ? "bridge"
                                                        : "inet";
  return std::string("table ") + family + " " + table.name;
}

void append(Bytes& to, const nlmsghdr* message) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(message);
  to.insert(to.end(), bytes, bytes + message->nlmsg_len);
  to.resize(NLMSG_ALIGN(to.size()));
}

/// The fence around a batch.
Message fence(uint16_t type, uint32_t sequence) {
  Message message(type);
  message.header(nfgenmsg{AF_UNSPEC, NFNETLINK_V0, htons(NFNL_SUBSYS_NFTABLES)});
  message.get()->nlmsg_seq = sequence;
  return message;
}

void read_elements(nlmsghdr* message, std::vector<Element>& elements) {
  const auto list = attributes_of<NFTA_SET_ELEM_LIST_MAX>(message)[NFTA_SET_ELEM_LIST_ELEMENTS];
  if (list == nullptr) return;
  int left = nla_len(list);
  for (auto* entry = static_cast<nlattr*>(nla_data(list)); nla_ok(entry, left); entry = nla_next(entry, &left)) {
    const auto parts = nested<NFTA_SET_ELEM_MAX>(entry);
    elements.push_back({value_of(parts[NFTA_SET_ELEM_KEY]), value_of(parts[NFTA_SET_ELEM_DATA]),
                        bytes_of(parts[NFTA_SET_ELEM_USERDATA])});
  }
}

}  // namespace

Message make_message(unsigned type, unsigned flags, uint8_t family) {
  Message message(static_cast<uint16_t>((NFNL_SUBSYS_NFTABLES << 8) | type), flags);
  message.header(nfgenmsg{family, NFNETLINK_V0, 0});
  return message;
}

void put_be32(Message& message, int attribute, uint32_t value) {
  message.put_u32(attribute, htonl(value));
}

void put_be64(Message& message, int attribute, uint64_t value) {
  const uint64_t swapped = htobe64(value);
  message.put_bytes(attribute, &swapped, sizeof swapped);
}

void Batch::add(Message message, std::string doing) {
  steps_.push_back({std::move(message), std::move(doing)});
}

uint32_t Tables::generation() {
  uint32_t generation = 0;
  connection_->ask(make_message(NFT_MSG_GETGEN, 0, AF_UNSPEC), "ask for the generation of nf_tables", {},
                   [&](nlmsghdr* message) { generation = be32_of(attributes_of<NFTA_GEN_MAX>(message)[NFTA_GEN_ID]); });
  return generation;
}

bool Tables::commit(Batch& batch, std::optional<uint32_t> generation) {
  if (batch.empty()) return true;
  Bytes bytes;
  const uint32_t begin = connection_->next_sequence();
  Message opening = fence(NFNL_MSG_BATCH_BEGIN, begin);
  if (generation) put_be32(opening, NFNL_BATCH_GENID, *generation);
  append(bytes, opening.get());
  for (auto& step : batch.steps_) {
    step.message.get()->nlmsg_seq = connection_->next_sequence();
    append(bytes, step.message.get());
  }
  append(bytes, fence(NFNL_MSG_BATCH_END, connection_->next_sequence()).get());

  const std::string doing = "change nf_tables";
  for (const auto& answer : connection_->deliver(bytes, doing)) {
    if (answer.code == 0) continue;
    if (answer.sequence == begin && answer.code == ERESTART) return false;
    const uint32_t step = answer.sequence - begin - 1;
    const bool known = step < batch.steps_.size();
    throw BatchError(known ? batch.steps_[step].doing : doing, answer.code, answer.detail, step);
  }
  return true;
}

bool Tables::has_table(const TableName& table) {
  Message request = make_message(NFT_MSG_GETTABLE, 0, table.family);
  request.put(NFTA_TABLE_NAME, table.name);
  return connection_->ask(std::move(request), "find " + described(table), {ENOENT}, [](nlmsghdr*) {});
}

bool Tables::has_set(const TableName& table, const std::string& set) {
  Message request = make_message(NFT_MSG_GETSET, 0, table.family);
  request.put(NFTA_SET_TABLE, table.name).put(NFTA_SET_NAME, set);
  return connection_->ask(std::move(request), "find set " + set + " of " + described(table), {ENOENT},
                          [](nlmsghdr*) {});
}

std::vector<ListedChain> Tables::chains(const TableName& table) {
  std::vector<ListedChain> chains;
  connection_->dump(
      make_message(NFT_MSG_GETCHAIN, 0, table.family), "list the chains of " + described(table),
      [&] { chains.clear(); },
      [&](nlmsghdr* message) {
        const auto parts = attributes_of<NFTA_CHAIN_MAX>(message);
        if (text_of(parts[NFTA_CHAIN_TABLE]) != table.name) return;
        chains.push_back({text_of(parts[NFTA_CHAIN_NAME]), be64_of(parts[NFTA_CHAIN_HANDLE]),
                          parts[NFTA_CHAIN_HOOK] != nullptr, be32_of(parts[NFTA_CHAIN_USE])});
      });
  return chains;
}

std::vector<ListedRule> Tables::rules(const TableName& table, const std::string& chain) {
  Message request = make_message(NFT_MSG_GETRULE, 0, table.family);
  request.put(NFTA_RULE_TABLE, table.name);
  if (!chain.empty()) request.put(NFTA_RULE_CHAIN, chain);
  std::vector<ListedRule> rules;
  connection_->dump(
      std::move(request), "list the rules of " + described(table), [&] { rules.clear(); },
      [&](nlmsghdr* message) {
        const auto parts = attributes_of<NFTA_RULE_MAX>(message);
        // Old kernels do not filter.
        if (text_of(parts[NFTA_RULE_TABLE]) != table.name) return;
        if (!chain.empty() && text_of(parts[NFTA_RULE_CHAIN]) != chain) return;
        rules.push_back({text_of(parts[NFTA_RULE_CHAIN]), be64_of(parts[NFTA_RULE_HANDLE]),
                         bytes_of(parts[NFTA_RULE_EXPRESSIONS]), bytes_of(parts[NFTA_RULE_USERDATA])});
      });
  return rules;
}

std::vector<std::string> Tables::sets(const TableName& table) {
  Message request = make_message(NFT_MSG_GETSET, 0, table.family);
  request.put(NFTA_SET_TABLE, table.name);
  std::vector<std::string> names;
  try {
    connection_->dump(
        std::move(request), "list the sets of " + described(table), [&] { names.clear(); },
        [&](nlmsghdr* message) { names.push_back(text_of(attributes_of<NFTA_SET_MAX>(message)[NFTA_SET_NAME])); });
  } catch (const base::SystemError& error) {
    if (error.code() != ENOENT) throw;
    names.clear();
  }
  return names;
}

std::optional<Element> Tables::element(const TableName& table, const std::string& set, const Bytes& key) {
  Message request = make_message(NFT_MSG_GETSETELEM, 0, table.family);
  request.put(NFTA_SET_ELEM_LIST_TABLE, table.name).put(NFTA_SET_ELEM_LIST_SET, set);
  request.nest(NFTA_SET_ELEM_LIST_ELEMENTS, [&] {
    request.nest(NFTA_LIST_ELEM, [&] {
      request.nest(NFTA_SET_ELEM_KEY, [&] { request.put_bytes(NFTA_DATA_VALUE, key.data(), key.size()); });
    });
  });
  std::vector<Element> found;
  connection_->ask(std::move(request), "find an element of set " + set + " of " + described(table), {ENOENT},
                   [&](nlmsghdr* message) { read_elements(message, found); });
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

std::vector<Element> Tables::elements(const TableName& table, const std::string& set) {
  Message request = make_message(NFT_MSG_GETSETELEM, 0, table.family);
  request.put(NFTA_SET_ELEM_LIST_TABLE, table.name).put(NFTA_SET_ELEM_LIST_SET, set);
  std::vector<Element> elements;
  try {
    connection_->dump(
        std::move(request), "list set " + set + " of " + described(table), [&] { elements.clear(); },
        [&](nlmsghdr* message) { read_elements(message, elements); });
  } catch (const base::SystemError& error) {
    if (error.code() != ENOENT) throw;
    elements.clear();
  }
  return elements;
}

bool Tables::any_element(const TableName& table, const std::string& set,
                         const std::function<bool(const Element&)>& wanted) {
  Conversation connection;
  connection.break_off();
  Message request = make_message(NFT_MSG_GETSETELEM, 0, table.family);
  request.put(NFTA_SET_ELEM_LIST_TABLE, table.name).put(NFTA_SET_ELEM_LIST_SET, set);
  try {
    return connection->dump_until(std::move(request), "search set " + set + " of " + described(table),
                                  [&](nlmsghdr* message) {
                                    std::vector<Element> elements;
                                    read_elements(message, elements);
                                    return std::any_of(elements.begin(), elements.end(), wanted);
                                  });
  } catch (const base::SystemError& error) {
    if (error.code() != ENOENT) throw;
    return false;
  }
}

std::string comment_of(const Bytes& userdata) {
  for (size_t at = 0; at + 2 <= userdata.size(); at += 2U + userdata[at + 1]) {
    if (userdata[at] != 0) continue;
    const size_t size = std::min<size_t>(userdata[at + 1], userdata.size() - at - 2);
    const auto* text = reinterpret_cast<const char*>(userdata.data()) + at + 2;
    return {text, strnlen(text, size)};
  }
  return "";
}

Bytes make_comment(std::string_view text) {
  constexpr size_t kLimit = 254;
  if (text.size() > kLimit) text = text.substr(0, kLimit);
  // Type 0, the length, the text, a final zero.
  Bytes userdata(text.size() + 3);
  userdata[1] = static_cast<uint8_t>(text.size() + 1);
  std::copy(text.begin(), text.end(), userdata.begin() + 2);
  return userdata;
}

}  // namespace berth::firewall::netfilter
