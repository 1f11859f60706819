#include "flags.h"

#include <charconv>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace berth::dhcp {

namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr std::pair<std::string_view, double> kUnits[] = {
    // Longer names first, so that "ms" is not read as minutes.
    {"ns", 1}, {"us", 1e3}, {"µs", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9},
};

/// The unit at the front of `text`, which is taken off.
double take_unit(std::string_view& text) {
  for (const auto& [name, size] : kUnits) {
    if (!text.starts_with(name)) continue;
    text.remove_prefix(name.size());
    return size;
  }
  throw std::invalid_argument("missing unit");
}

seconds positive_duration(const std::string& flag, const std::string& text) {
  try {
    const auto duration = std::chrono::ceil<seconds>(parse_duration(text));
    if (duration > seconds(0)) return duration;
  } catch (const std::invalid_argument&) {
    // Reported below, with the flag's name.
  }
  throw std::invalid_argument("invalid value \"" + text + "\" for flag -" + flag +
                              ": expected a duration such as 10s or 1m30s");
}

bool truth(const std::string& flag, const std::string& text) {
  if (text == "true" || text == "1" || text == "t" || text == "TRUE" || text == "True" || text == "T") return true;
  if (text == "false" || text == "0" || text == "f" || text == "FALSE" || text == "False" || text == "F") return false;
  throw std::invalid_argument("invalid boolean value \"" + text + "\" for -" + flag);
}

void set(Flags& flags, const std::string& name, const std::string& value) {
  if (name == "pidfile") {
    flags.pidfile = value;
  } else if (name == "hostprefix") {
    flags.host_prefix = value;
  } else if (name == "socketpath") {
    flags.socket_path = value;
  } else if (name == "broadcast") {
    flags.broadcast = truth(name, value);
  } else if (name == "timeout") {
    flags.timeout = positive_duration(name, value);
  } else if (name == "resendmax") {
    flags.resend_max = positive_duration(name, value);
  } else if (name == "resendtimeout") {
    flags.resend_timeout = positive_duration(name, value);
  } else {
    throw std::invalid_argument("flag provided but not defined: -" + name);
  }
}

}  // namespace

nanoseconds parse_duration(const std::string& text) {
  std::string_view left = text;
  if (left == "0") return nanoseconds(0);
  if (left.empty()) throw std::invalid_argument("empty duration");
  double total = 0;
  while (!left.empty()) {
    double number = 0;
    const auto [end, failure] =
        std::from_chars(left.data(), left.data() + left.size(), number, std::chars_format::fixed);
    if (failure != std::errc() || !(number >= 0)) throw std::invalid_argument("not a number");
    left.remove_prefix(static_cast<size_t>(end - left.data()));
    total += number * take_unit(left);
  }
  if (total > static_cast<double>(std::numeric_limits<int64_t>::max()) / 2) throw std::invalid_argument("too long");
  return nanoseconds(static_cast<int64_t>(total));
}

Flags Flags::parse(const std::vector<std::string>& arguments) {
  Flags flags;
  for (size_t i = 0; i < arguments.size(); ++i) {
    std::string name = arguments[i];
    if (name.size() < 2 || name[0] != '-') throw std::invalid_argument("unexpected argument \"" + name + "\"");
    name = name.substr(name.starts_with("--") ? 2 : 1);
    if (name == "h" || name == "help") {
      flags.help = true;
      return flags;
    }
    std::optional<std::string> value;
    if (const auto equals = name.find('='); equals != std::string::npos) {
      value = name.substr(equals + 1);
      name = name.substr(0, equals);
    }
    if (!value && name == "broadcast") value = "true";
    if (!value) {
      if (i + 1 == arguments.size()) throw std::invalid_argument("flag needs an argument: -" + name);
      value = arguments[++i];
    }
    set(flags, name, *value);
  }
  return flags;
}

const char* Flags::usage() {
  return "Usage: dhcp daemon [flags]\n"
         "  -pidfile PATH        write the process id there\n"
         "  -hostprefix PATH     where the host's root is seen: put before the socket's, the namespaces' and the\n"
         "                       leases' paths\n"
         "  -socketpath PATH     where plugins reach the daemon (default /run/cni/dhcp.sock)\n"
         "  -broadcast           ask servers to answer by broadcast\n"
         "  -timeout DURATION    for how long one offer is pursued (default 10s)\n"
         "  -resendmax DURATION  longest pause between two messages (default 62s)\n"
         "  -resendtimeout DURATION\n"
         "                       for how long ADD waits for a lease (default 208s)\n";
}

}  // namespace berth::dhcp
