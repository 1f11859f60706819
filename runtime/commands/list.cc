#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "commands/command.h"
#include "commands/command_line.h"
#include "commands/table.h"
#include "container/state_json.h"

namespace berth::runtime {

namespace {

/// Login names by user id, from /etc/passwd: a static program has no other name service.
std::map<uid_t, std::string> login_names() {
  std::map<uid_t, std::string> names;
  std::string text;
  try {
    text = base::read_file("/etc/passwd");
  } catch (const base::SystemError&) {
    return names;  // Then owners are shown by number.
  }
  for (size_t start = 0; start < text.size();) {
    const auto end = std::min(text.find('\n', start), text.size());
    const auto entry = text.substr(start, end - start);
    const auto password = entry.find(':');
    const auto uid = password == std::string::npos ? password : entry.find(':', password + 1);
    if (uid != std::string::npos) {
      names.emplace(static_cast<uid_t>(std::strtoul(entry.c_str() + uid + 1, nullptr, 10)), entry.substr(0, password));
    }
    start = end + 1;
  }
  return names;
}

void report(const std::string& id, const char* why) {
  base::write_all(STDERR_FILENO, "load container " + id + ": " + why + "\n", "stderr");
}

base::Json describe_all(const Store& store) {
  auto all = base::Json::array();
  std::optional<std::map<uid_t, std::string>> names;
  for (const auto& id : store.ids()) {
    try {
      const auto record = store.load(id);
      if (!names) names = login_names();
      const auto name = names->find(record.owner);
      all.push_back(
          describe_container(store, record, name == names->end() ? "#" + std::to_string(record.owner) : name->second));
    } catch (const std::exception& error) {
      report(id, error.what());
    }
  }
  return all;
}

std::string table_of(const base::Json& containers) {
  Table table({"ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"});
  for (const auto& container : containers) {
    table.add({container["id"].get<std::string>(), std::to_string(container["pid"].get<int>()),
               container["status"].get<std::string>(), container["bundle"].get<std::string>(),
               container["created"].get<std::string>(), container["owner"].get<std::string>()});
  }
  return table.text();
}

}  // namespace

int list_command(const Globals& globals, const Words& words) {
  std::string format = "table";
  bool quiet = false;
  CommandLine line({"berth list", "list the containers of the given root", ""});
  line.value("format,f", format, "table (default) or json");
  line.flag("quiet,q", quiet, "only the ids, one a line");
  line.parse(words, 0, 0);
  const auto store = globals.store();
  if (quiet) {
    std::string text;
    for (const auto& container : describe_all(store)) text += container["id"].get<std::string>() + "\n";
    print(text);
  } else if (format == "json") {
    print(describe_all(store).dump(-1, ' ', false, base::Json::error_handler_t::replace) + "\n");
  } else if (format == "table") {
    print(table_of(describe_all(store)));
  } else {
    throw std::runtime_error("invalid format option");
  }
  return 0;
}

}  // namespace berth::runtime
