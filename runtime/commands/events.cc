#include "container/events.h"

#include <stdexcept>

#include "commands/command.h"
#include "commands/command_line.h"
#include "commands/duration.h"

namespace berth::runtime {

int events_command(const Globals& globals, const Words& words) {
  std::string interval_text = "5s";
  bool stats = false;
  CommandLine line({"berth events", "display what a container uses, and when it runs out of memory", "<container-id>",
                    "One JSON object a line, until the container ends."});
  line.value("interval", interval_text, "time between two displays (default: 5s)");
  line.flag("stats", stats, "display what it has used by now, nothing more");
  const auto id = line.parse(words, 1, 1)[0];
  const auto interval = parse_duration(interval_text);
  if (!interval) throw std::runtime_error("invalid value \"" + interval_text + "\" for flag -interval: parse error");
  const auto store = globals.store();
  store.load(id);  // an unknown container is reported before a useless interval
  if (interval->count() <= 0) throw std::runtime_error("duration interval must be greater than 0");
  const auto sink = [](const std::string& text) { print(text + "\n"); };
  if (stats) {
    report_stats(store, id, sink);
  } else {
    report_events(store, id, *interval, sink);
  }
  return 0;
}

}  // namespace berth::runtime
