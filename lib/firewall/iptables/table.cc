#include "firewall/iptables/table.h"

#include <libiptc/libiptc.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <stdexcept>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "firewall/iptables/nft_table.h"

// Unlike its sister, this header does not say that it is C. What it includes was included above or is C too.
extern "C" {
#include <libiptc/libip6tc.h>
}

namespace berth::firewall::iptables {

namespace {

using net::Family;

struct V4 {
  static constexpr Family kFamily = Family::kIpv4;
  static constexpr const char* kTool = "iptables";
  static constexpr const char* kModule = "ip_tables";
  static constexpr const char* kNames = "/proc/thread-self/net/ip_tables_names";
  using Entry = ipt_entry;
  static constexpr auto init = &iptc_init;
  static constexpr auto free = &iptc_free;
  static constexpr auto commit = &iptc_commit;
  static constexpr auto strerror = &iptc_strerror;
  static constexpr auto first_chain = &iptc_first_chain;
  static constexpr auto next_chain = &iptc_next_chain;
  static constexpr auto is_chain = &iptc_is_chain;
  static constexpr auto create_chain = &iptc_create_chain;
  static constexpr auto flush = &iptc_flush_entries;
  static constexpr auto delete_chain = &iptc_delete_chain;
  static constexpr auto references = &iptc_get_references;
  static constexpr auto first_rule = &iptc_first_rule;
  static constexpr auto next_rule = &iptc_next_rule;
  static constexpr auto target = &iptc_get_target;
  static constexpr auto append = &iptc_append_entry;
  static constexpr auto insert = &iptc_insert_entry;
  static constexpr auto erase = &iptc_delete_num_entry;
};

struct V6 {
  static constexpr Family kFamily = Family::kIpv6;
  static constexpr const char* kTool = "ip6tables";
  static constexpr const char* kModule = "ip6_tables";
  static constexpr const char* kNames = "/proc/thread-self/net/ip6_tables_names";
  using Entry = ip6t_entry;
  static constexpr auto init = &ip6tc_init;
  static constexpr auto free = &ip6tc_free;
  static constexpr auto commit = &ip6tc_commit;
  static constexpr auto strerror = &ip6tc_strerror;
  static constexpr auto first_chain = &ip6tc_first_chain;
  static constexpr auto next_chain = &ip6tc_next_chain;
  static constexpr auto is_chain = &ip6tc_is_chain;
  static constexpr auto create_chain = &ip6tc_create_chain;
  static constexpr auto flush = &ip6tc_flush_entries;
  static constexpr auto delete_chain = &ip6tc_delete_chain;
  static constexpr auto references = &ip6tc_get_references;
  static constexpr auto first_rule = &ip6tc_first_rule;
  static constexpr auto next_rule = &ip6tc_next_rule;
  static constexpr auto target = &ip6tc_get_target;
  static constexpr auto append = &ip6tc_append_entry;
  static constexpr auto insert = &ip6tc_insert_entry;
  static constexpr auto erase = &ip6tc_delete_num_entry;
};

/// libiptc wants chain names in a buffer of fixed size.
struct Label {
  explicit Label(const std::string& name) {
    // One byte less than the buffer for the zero, one less as the kernel checks it (XT_EXTENSION_MAXNAMELEN).
    if (name.size() >= XT_EXTENSION_MAXNAMELEN) throw std::invalid_argument("chain name is too long: \"" + name + "\"");
    std::memcpy(text, name.data(), name.size());
  }
  xt_chainlabel text{};
};

/// Asks the kernel for a module the way looking up a network device of that name does: it needs no helper program.
void request_module(const char* name) {
  const base::Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return;
  ifreq request{};
  std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  ::ioctl(fd.get(), SIOCGIFINDEX, &request);
}

template <class Tool>
class TableOf final : public Table {
  using Entry = typename Tool::Entry;

 public:
  explicit TableOf(const char* name) : name_(name), handle_(Tool::init(name)) {
    // ENOPROTOOPT: nobody has loaded the legacy tables since boot.
    if (handle_ == nullptr && errno == ENOPROTOOPT) {
      request_module(Tool::kModule);
      handle_ = Tool::init(name);
    }
    if (handle_ == nullptr) fail("read the legacy " + description());
  }
  TableOf(const TableOf&) = delete;
  TableOf& operator=(const TableOf&) = delete;
  ~TableOf() override { Tool::free(handle_); }

  Family family() const override { return Tool::kFamily; }
  std::string description() const override { return std::string(Tool::kTool) + " table " + name_; }

  std::vector<std::string> chains() override {
    std::vector<std::string> names;
    for (const char* name = Tool::first_chain(handle_); name != nullptr; name = Tool::next_chain(handle_)) {
      names.emplace_back(name);
    }
    return names;
  }

  bool has_chain(const std::string& chain) override { return Tool::is_chain(chain.c_str(), handle_) != 0; }

  void create_chain(const std::string& chain) override {
    change(Tool::create_chain(Label(chain).text, handle_), "create chain", chain);
  }
  void flush_chain(const std::string& chain) override {
    change(Tool::flush(Label(chain).text, handle_), "flush chain", chain);
  }
  void delete_chain(const std::string& chain) override {
    change(Tool::delete_chain(Label(chain).text, handle_), "delete chain", chain);
  }

  unsigned references(const std::string& chain) override {
    unsigned count = 0;
    if (Tool::references(&count, Label(chain).text, handle_) == 0) fail("count references to chain " + chain);
    return count;
  }

  using Table::rules;
  std::vector<Found> rules(const std::string& chain, const std::function<bool(const std::string&)>& wanted) override {
    std::vector<Found> found;
    if (!has_chain(chain)) return found;
    unsigned number = 0;
    for (const Entry* entry = Tool::first_rule(chain.c_str(), handle_); entry != nullptr;
         entry = Tool::next_rule(entry, handle_), ++number) {
      const std::string target = Tool::target(entry, handle_);
      if (wanted(target)) found.push_back({number, decode(Tool::kFamily, entry, target, is_jump(target))});
    }
    return found;
  }

  void append(const std::string& chain, const Rule& rule) override {
    auto bytes = checked(rule);
    change(Tool::append(Label(chain).text, reinterpret_cast<const Entry*>(bytes.data()), handle_), "append a rule to",
           chain);
  }
  void insert_first(const std::string& chain, const Rule& rule) override {
    auto bytes = checked(rule);
    change(Tool::insert(Label(chain).text, reinterpret_cast<const Entry*>(bytes.data()), 0, handle_),
           "insert a rule into", chain);
  }
  void erase(const std::string& chain, unsigned number) override {
    change(Tool::erase(Label(chain).text, number, handle_), "delete a rule of", chain);
  }

 private:
  [[noreturn]] static void fail(const std::string& doing) {
    const int saved = errno;
    const char* explanation = Tool::strerror(saved);
    // Its general answer is only strerror again.
    const bool says_more = std::strcmp(explanation, std::strerror(saved)) != 0;
    throw base::SystemError(doing, saved, says_more ? explanation : "");
  }

  void change(int result, const char* doing, const std::string& chain) {
    if (result == 0) fail(description() + ": " + doing + " " + chain);
    changed_ = true;
  }

  /// libiptc takes a jump to an unknown chain for a kernel module; the kernel's answer would not name it.
  std::vector<uint8_t> checked(const Rule& rule) {
    if (rule.target.data.empty() && !is_jump(rule.target.name)) {
      throw std::invalid_argument(description() + " has no chain \"" + rule.target.name + "\"");
    }
    return encode(rule);
  }

  bool is_jump(const std::string& target) {
    return target.empty() || target == "ACCEPT" || target == "DROP" || target == "RETURN" || target == "QUEUE" ||
           has_chain(target);
  }

  bool replace() override {
    if (Tool::commit(handle_) != 0) return true;
    if (errno == EAGAIN) return false;
    fail("change the legacy " + description());
  }

  std::string name_;
  xtc_handle* handle_;
};

}  // namespace

std::unique_ptr<Table> Table::read(Family family, const Where& where) {
  if (where.flavour == Flavour::kNfTables) return read_nft_table(family, where.table);
  if (family == Family::kIpv4) return std::make_unique<TableOf<V4>>(where.table);
  return std::make_unique<TableOf<V6>>(where.table);
}

bool Table::exists(Family family, const Where& where) {
  if (where.flavour == Flavour::kNfTables) return nft_table_exists(family, where.table);
  std::string names;
  try {
    names = "\n" + base::read_file(family == Family::kIpv4 ? V4::kNames : V6::kNames);
  } catch (const base::SystemError& error) {
    if (error.code() == ENOENT) return false;
    throw;
  }
  return names.find(std::string("\n") + where.table + "\n") != std::string::npos;
}

std::vector<Rule> Table::rules(const std::string& chain) {
  std::vector<Rule> all;
  for (auto& found : rules(chain, [](const std::string&) { return true; })) all.push_back(std::move(found.rule));
  return all;
}

bool Table::commit() {
  if (!changed_) return true;
  if (!replace()) return false;
  changed_ = false;
  return true;
}

}  // namespace berth::firewall::iptables
