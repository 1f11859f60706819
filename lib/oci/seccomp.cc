#include "oci/seccomp.h"

#include <seccomp.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <limits>

#include "base/json.h"
#include "oci/parse.h"

namespace berth::oci {

namespace {

template <class Value>
struct Word {
  const char* name;
  Value value;
};

constexpr Word<SeccompAction> kActions[] = {
    {"SCMP_ACT_ALLOW", SeccompAction::kAllow},
    {"SCMP_ACT_ERRNO", SeccompAction::kErrno},
    {"SCMP_ACT_KILL", SeccompAction::kKillThread},
    {"SCMP_ACT_KILL_PROCESS", SeccompAction::kKillProcess},
    {"SCMP_ACT_KILL_THREAD", SeccompAction::kKillThread},
    {"SCMP_ACT_LOG", SeccompAction::kLog},
    {"SCMP_ACT_NOTIFY", SeccompAction::kNotify},
    {"SCMP_ACT_TRACE", SeccompAction::kTrace},
    {"SCMP_ACT_TRAP", SeccompAction::kTrap},
};

constexpr Word<SeccompOperator> kOperators[] = {
    {"SCMP_CMP_EQ", SeccompOperator::kEqual},    {"SCMP_CMP_GE", SeccompOperator::kGreaterOrEqual},
    {"SCMP_CMP_GT", SeccompOperator::kGreater},  {"SCMP_CMP_LE", SeccompOperator::kLessOrEqual},
    {"SCMP_CMP_LT", SeccompOperator::kLess},     {"SCMP_CMP_MASKED_EQ", SeccompOperator::kMaskedEqual},
    {"SCMP_CMP_NE", SeccompOperator::kNotEqual},
};

constexpr Word<SeccompFlag> kFlags[] = {
    {"SECCOMP_FILTER_FLAG_LOG", SeccompFlag::kLog},
    {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SeccompFlag::kSpecAllow},
    {"SECCOMP_FILTER_FLAG_TSYNC", SeccompFlag::kTsync},
    {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SeccompFlag::kWaitKillableReceive},
};

constexpr const char* kArchitectures[] = {
    "SCMP_ARCH_AARCH64",     "SCMP_ARCH_ARM",      "SCMP_ARCH_MIPS",        "SCMP_ARCH_MIPS64", "SCMP_ARCH_MIPS64N32",
    "SCMP_ARCH_MIPSEL",      "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC",    "SCMP_ARCH_PPC64",
    "SCMP_ARCH_PPC64LE",     "SCMP_ARCH_RISCV64",  "SCMP_ARCH_S390",        "SCMP_ARCH_S390X",  "SCMP_ARCH_X32",
    "SCMP_ARCH_X86",         "SCMP_ARCH_X86_64",
#ifdef SCMP_ARCH_LOONGARCH64  // libseccomp 2.6
    "SCMP_ARCH_LOONGARCH64",
#endif
};

template <class Words>
auto find(const Words& words, std::string_view name) {
  return std::find_if(std::begin(words), std::end(words), [&](const auto& word) { return name == word.name; });
}

template <class Words>
std::vector<std::string> names_of(const Words& words) {
  std::vector<std::string> names;
  for (const auto& word : words) names.emplace_back(word.name);
  return names;
}

template <class Words>
auto read_word(const base::JsonObject& object, const char* key, const Words& words, const char* kind) {
  const auto name = object.required_string(key);
  const auto* found = find(words, name);
  if (found == std::end(words)) reject(object.path_of(key), std::string("unknown ") + kind + " \"" + name + "\"");
  return found->value;
}

std::string element(const base::JsonObject& object, const char* key, size_t index) {
  return object.path_of(key) + "[" + std::to_string(index) + "]";
}

SeccompVerdict read_verdict(const base::JsonObject& object, const char* action_key, const char* data_key) {
  SeccompVerdict verdict{read_word(object, action_key, kActions, "action"), 0};
  const bool takes_data = verdict.action == SeccompAction::kErrno || verdict.action == SeccompAction::kTrace;
  const auto data = object.unsigned_integer(data_key, std::numeric_limits<uint16_t>::max());
  if (data && !takes_data) {
    reject(object.path_of(data_key),
           std::to_string(*data) + " is given, but " + object.required_string(action_key) + " returns no error number");
  }
  if (takes_data) verdict.data = static_cast<uint16_t>(data.value_or(EPERM));
  return verdict;
}

SeccompCondition read_condition(const base::JsonObject& object) {
  SeccompCondition condition;
  const auto index = object.unsigned_integer("index", 5);
  if (!index) throw base::JsonError("missing " + object.path_of("index"));
  condition.index = static_cast<unsigned>(*index);
  condition.op = read_word(object, "op", kOperators, "operator");
  const auto value = object.unsigned_integer("value");
  if (!value) throw base::JsonError("missing " + object.path_of("value"));
  condition.value = *value;
  condition.value_two = object.unsigned_integer("valueTwo").value_or(0);
  return condition;
}

SeccompRule read_rule(const base::JsonObject& object) {
  SeccompRule rule;
  rule.names = object.strings("names");
  // Of a rule whose names are misspelt ("name") nothing would be left.
  if (rule.names.empty()) reject(object.path_of("names"), "must name at least one syscall");
  for (size_t i = 0; i < rule.names.size(); ++i) {
    if (rule.names[i].empty()) reject(element(object, "names", i), "empty string is not a valid syscall");
  }
  rule.verdict = read_verdict(object, "action", "errnoRet");
  for (const auto& condition : object.objects("args")) rule.conditions.push_back(read_condition(condition));
  return rule;
}

std::vector<std::string> read_architectures(const base::JsonObject& object) {
  auto architectures = object.strings("architectures");
  for (size_t i = 0; i < architectures.size(); ++i) {
    if (std::find(std::begin(kArchitectures), std::end(kArchitectures), architectures[i]) == std::end(kArchitectures)) {
      reject(element(object, "architectures", i), "unknown architecture \"" + architectures[i] + "\"");
    }
  }
  return architectures;
}

std::optional<std::vector<SeccompFlag>> read_flags(const base::JsonObject& object) {
  if (!object.has("flags")) return std::nullopt;
  std::vector<SeccompFlag> flags;
  for (const auto& name : object.strings("flags")) {
    const auto flag = seccomp_flag(name);
    if (!flag) reject(element(object, "flags", flags.size()), "unknown flag \"" + name + "\"");
    flags.push_back(*flag);
  }
  return flags;
}

/// The runtime itself must get the listener out of the filtered process: it writes its number.
void check_notifications(const base::JsonObject& object, const Seccomp& seccomp) {
  if (seccomp.default_verdict.action == SeccompAction::kNotify) {
    reject(object.path_of("defaultAction"), "SCMP_ACT_NOTIFY cannot be used as default action");
  }
  bool notifies = false;
  for (size_t i = 0; i < seccomp.rules.size(); ++i) {
    const auto& rule = seccomp.rules[i];
    if (rule.verdict.action != SeccompAction::kNotify) continue;
    notifies = true;
    if (std::find(rule.names.begin(), rule.names.end(), "write") != rule.names.end()) {
      reject(element(object, "syscalls", i), "SCMP_ACT_NOTIFY cannot be used for the write syscall");
    }
  }
  if (notifies && seccomp.listener_path.empty()) {
    reject(object.path_of("listenerPath"), "is not set, but SCMP_ACT_NOTIFY is used");
  }
  if (!seccomp.listener_metadata.empty() && seccomp.listener_path.empty()) {
    reject(object.path_of("listenerMetadata"), "is set, but listenerPath is not");
  }
}

}  // namespace

std::vector<std::string> seccomp_actions() {
  return names_of(kActions);
}

std::vector<std::string> seccomp_operators() {
  return names_of(kOperators);
}

std::vector<std::string> seccomp_architectures() {
  return {std::begin(kArchitectures), std::end(kArchitectures)};
}

std::vector<std::string> seccomp_flags() {
  return names_of(kFlags);
}

std::optional<SeccompFlag> seccomp_flag(std::string_view name) {
  const auto* found = find(kFlags, name);
  return found == std::end(kFlags) ? std::nullopt : std::optional(found->value);
}

const char* seccomp_flag_name(SeccompFlag flag) {
  return std::find_if(std::begin(kFlags), std::end(kFlags), [&](const auto& word) { return word.value == flag; })->name;
}

std::optional<Seccomp> read_seccomp(const base::JsonObject& object) {
  const auto rules = object.objects("syscalls");
  // What engines write for "unconfined".
  if (object.string("defaultAction").value_or("").empty() && rules.empty()) return std::nullopt;
  Seccomp seccomp;
  seccomp.default_verdict = read_verdict(object, "defaultAction", "defaultErrnoRet");
  seccomp.architectures = read_architectures(object);
  seccomp.flags = read_flags(object);
  seccomp.listener_path = object.string("listenerPath").value_or("");
  seccomp.listener_metadata = object.string("listenerMetadata").value_or("");
  for (const auto& rule : rules) seccomp.rules.push_back(read_rule(rule));
  check_notifications(object, seccomp);
  return seccomp;
}

}  // namespace berth::oci
