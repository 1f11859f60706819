#include "firewall/netfilter/change.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <utility>

#include "firewall/netfilter/expressions.h"

namespace berth::firewall::netfilter {

namespace {

using net::Message;

void put_bytes(Message& message, int attribute, const Bytes& bytes) {
  if (!bytes.empty()) message.put_bytes(attribute, bytes.data(), bytes.size());
}

void put_value(Message& message, int attribute, const Bytes& value) {
  message.nest(attribute, [&] { message.put_bytes(NFTA_DATA_VALUE, value.data(), value.size()); });
}

/// NFTNL_UDATA_SET_KEYBYTEORDER: four bytes, 1 for host order.
Bytes key_in_host_order() {
  Bytes userdata{0, sizeof(uint32_t)};
  const Bytes one = expr::number(1);
  userdata.insert(userdata.end(), one.begin(), one.end());
  return userdata;
}

}  // namespace

Message Change::message(unsigned type, unsigned flags) const {
  return make_message(type, flags, table_.family);
}

void Change::add(Message message, const std::string& doing) {
  batch_.add(std::move(message), doing + " (nf_tables table " + table_.name + ")");
}

void Change::create_table(const std::string& comment, bool exclusive) {
  Message request = message(NFT_MSG_NEWTABLE, NLM_F_CREATE | (exclusive ? NLM_F_EXCL : 0U));
  request.put(NFTA_TABLE_NAME, table_.name);
  put_bytes(request, NFTA_TABLE_USERDATA, make_comment(comment));
  add(std::move(request), "create the table");
}

void Change::delete_table() {
  Message request = message(NFT_MSG_DELTABLE);
  request.put(NFTA_TABLE_NAME, table_.name);
  add(std::move(request), "delete the table");
}

void Change::create_chain(const std::string& chain) {
  Message request = message(NFT_MSG_NEWCHAIN, NLM_F_CREATE);
  request.put(NFTA_CHAIN_TABLE, table_.name).put(NFTA_CHAIN_NAME, chain);
  add(std::move(request), "create chain " + chain);
}

void Change::create_base_chain(const std::string& chain, const Hook& hook) {
  Message request = message(NFT_MSG_NEWCHAIN, NLM_F_CREATE);
  request.put(NFTA_CHAIN_TABLE, table_.name).put(NFTA_CHAIN_NAME, chain);
  request.nest(NFTA_CHAIN_HOOK, [&] {
    put_be32(request, NFTA_HOOK_HOOKNUM, hook.number);
    put_be32(request, NFTA_HOOK_PRIORITY, static_cast<uint32_t>(hook.priority));
  });
  request.put(NFTA_CHAIN_TYPE, hook.type);
  put_be32(request, NFTA_CHAIN_POLICY, NF_ACCEPT);
  add(std::move(request), "create chain " + chain);
}

void Change::delete_chain(const std::string& chain) {
  Message request = message(NFT_MSG_DELCHAIN);
  request.put(NFTA_CHAIN_TABLE, table_.name).put(NFTA_CHAIN_NAME, chain);
  add(std::move(request), "delete chain " + chain);
}

void Change::add_rule(const std::string& chain, unsigned flags, const Expressions& expressions, const Bytes& userdata) {
  Message request = message(NFT_MSG_NEWRULE, NLM_F_CREATE | flags);
  request.put(NFTA_RULE_TABLE, table_.name).put(NFTA_RULE_CHAIN, chain);
  request.nest(NFTA_RULE_EXPRESSIONS, [&] { expressions(request); });
  put_bytes(request, NFTA_RULE_USERDATA, userdata);
  add(std::move(request), "add a rule to chain " + chain);
}

void Change::append_rule(const std::string& chain, const Expressions& expressions, const Bytes& userdata) {
  add_rule(chain, NLM_F_APPEND, expressions, userdata);
}

void Change::insert_rule(const std::string& chain, const Expressions& expressions, const Bytes& userdata) {
  add_rule(chain, 0, expressions, userdata);
}

void Change::delete_rule(const std::string& chain, uint64_t handle) {
  Message request = message(NFT_MSG_DELRULE);
  request.put(NFTA_RULE_TABLE, table_.name).put(NFTA_RULE_CHAIN, chain);
  put_be64(request, NFTA_RULE_HANDLE, handle);
  add(std::move(request), "delete a rule of chain " + chain);
}

void Change::flush_chain(const std::string& chain) {
  Message request = message(NFT_MSG_DELRULE);
  request.put(NFTA_RULE_TABLE, table_.name).put(NFTA_RULE_CHAIN, chain);
  add(std::move(request), "flush chain " + chain);
}

void Change::create_set(const std::string& set, const SetShape& shape, bool exclusive) {
  Message request = message(NFT_MSG_NEWSET, NLM_F_CREATE | (exclusive ? NLM_F_EXCL : 0U));
  request.put(NFTA_SET_TABLE, table_.name).put(NFTA_SET_NAME, set);
  put_be32(request, NFTA_SET_FLAGS, shape.data_length != 0 ? static_cast<uint32_t>(NFT_SET_MAP) : 0U);
  put_be32(request, NFTA_SET_KEY_TYPE, shape.key_type);
  put_be32(request, NFTA_SET_KEY_LEN, shape.key_length);
  if (shape.data_length != 0) {
    put_be32(request, NFTA_SET_DATA_TYPE, shape.data_type);
    put_be32(request, NFTA_SET_DATA_LEN, shape.data_length);
  }
  if (shape.host_order) put_bytes(request, NFTA_SET_USERDATA, key_in_host_order());
  // Names it within the batch; we refer to sets by name, the kernel wants a number all the same.
  put_be32(request, NFTA_SET_ID, static_cast<uint32_t>(batch_.size() + 1));
  add(std::move(request), "create set " + set);
}

void Change::delete_set(const std::string& set) {
  Message request = message(NFT_MSG_DELSET);
  request.put(NFTA_SET_TABLE, table_.name).put(NFTA_SET_NAME, set);
  add(std::move(request), "delete set " + set);
}

void Change::add_element(const std::string& set, const Element& element) {
  Message request = message(NFT_MSG_NEWSETELEM, NLM_F_CREATE | NLM_F_EXCL);
  request.put(NFTA_SET_ELEM_LIST_TABLE, table_.name).put(NFTA_SET_ELEM_LIST_SET, set);
  request.nest(NFTA_SET_ELEM_LIST_ELEMENTS, [&] {
    request.nest(NFTA_LIST_ELEM, [&] {
      put_value(request, NFTA_SET_ELEM_KEY, element.key);
      if (!element.data.empty()) put_value(request, NFTA_SET_ELEM_DATA, element.data);
      put_bytes(request, NFTA_SET_ELEM_USERDATA, element.userdata);
    });
  });
  add(std::move(request), "add an element to set " + set);
}

void Change::delete_element(const std::string& set, const Bytes& key) {
  Message request = message(NFT_MSG_DELSETELEM);
  request.put(NFTA_SET_ELEM_LIST_TABLE, table_.name).put(NFTA_SET_ELEM_LIST_SET, set);
  request.nest(NFTA_SET_ELEM_LIST_ELEMENTS,
               [&] { request.nest(NFTA_LIST_ELEM, [&] { put_value(request, NFTA_SET_ELEM_KEY, key); }); });
  add(std::move(request), "delete an element of set " + set);
}

}  // namespace berth::firewall::netfilter
