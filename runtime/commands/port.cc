#include <stdexcept>

#include "commands/command.h"
#include "commands/command_line.h"
#include "network/port_list.h"

namespace berth::runtime {

int port_command(const Globals& globals, const Words& words) {
  std::string format = "table";
  CommandLine line({"berth port", "list the published ports of a container", "<container-id>"});
  line.value("format,f", format, "table (default) or json");
  const auto id = line.parse(words, 1, 1)[0];
  if (format != "table" && format != "json") throw std::runtime_error("invalid format option");
  const auto annotations = globals.store().load(id).annotations;
  print(format == "json" ? port_json(annotations) : port_table(annotations));
  return 0;
}

}  // namespace berth::runtime
