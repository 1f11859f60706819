#include "log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <ctime>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"

namespace berth::runtime {

namespace {

struct Log {
  int fd = STDERR_FILENO;
  LogFormat format = LogFormat::kText;
  bool debug = false;
  std::string held;
};

/// Lives as long as the process, so that nothing has to be destroyed in the right order.
Log& the_log() {
  static Log& log = *new Log;
  return log;
}

std::string timestamp(int64_t seconds) {
  const auto time = static_cast<time_t>(seconds);
  struct tm parts {};
  ::gmtime_r(&time, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

/// Length of the UTF-8 sequence at `at`, 0 if it is malformed.
size_t sequence_length(const std::string& text, size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  const size_t length = lead < 0x80 ? 1 : lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
  if (length == 0 || at + length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((static_cast<unsigned char>(text[at + i]) & 0xC0) != 0x80) return 0;
  }
  return length;
}

void append_quoted_byte(std::string& out, unsigned char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      break;
    case '\\':
      out += "\\\\";
      break;
    case '\a':
      out += "\\a";
      break;
    case '\b':
      out += "\\b";
      break;
    case '\f':
      out += "\\f";
      break;
    case '\n':
      out += "\\n";
      break;
    case '\r':
      out += "\\r";
      break;
    case '\t':
      out += "\\t";
      break;
    case '\v':
      out += "\\v";
      break;
    default:
      if (c < 0x20 || c >= 0x7F) {
        out += fmt::format("\\x{:02x}", c);
      } else {
        out += static_cast<char>(c);
      }
  }
}

/// As Go's %q: what a terminal could misread is escaped.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (size_t i = 0; i < text.size();) {
    const size_t length = sequence_length(text, i);
    // U+0080 to U+009F are control characters as well.
    const bool is_control =
        length == 2 && static_cast<unsigned char>(text[i]) == 0xC2 && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (is_control) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(text[i + 1]));
      i += 2;
    } else if (length > 1) {
      out.append(text, i, length);
      i += length;
    } else {
      append_quoted_byte(out, static_cast<unsigned char>(text[i]));
      ++i;
    }
  }
  return out + "\"";
}

/// A disk that is full or a reader that is gone must not change what becomes of the command.
void put(int fd, const std::string& text) {
  try {
    base::write_all(fd, text, "log");
  } catch (const base::SystemError&) {
    return;  // Where should it be said?
  }
}

void write_record(const char* level, const std::string& message) {
  const Log& log = the_log();
  put(log.fd, format_record(log.format, level, message, std::time(nullptr)) + "\n");
}

}  // namespace

std::string format_record(LogFormat format, const char* level, const std::string& message, int64_t seconds) {
  if (format == LogFormat::kText) {
    return fmt::format("time=\"{}\" level={} msg={}", timestamp(seconds), level, quoted(message));
  }
  const base::Json record{{"level", level}, {"msg", message}, {"time", timestamp(seconds)}};
  return record.dump(-1, ' ', false, base::Json::error_handler_t::replace);
}

void open_log(const std::string& file, LogFormat format, bool debug) {
  Log& log = the_log();
  log.format = format;
  log.debug = debug;
  if (!file.empty()) log.fd = base::open_file(file, O_WRONLY | O_APPEND | O_CREAT | O_SYNC, 0644).release();
}

void log_error(const std::string& message) {
  Log& log = the_log();
  log.held.clear();
  write_record("error", message);
  if (log.fd != STDERR_FILENO) put(STDERR_FILENO, message + "\n");
}

void log_warning(const std::string& message) {
  Log& log = the_log();
  if (log.format == LogFormat::kJson && !log.debug) {
    log.held += format_record(log.format, "warning", message, std::time(nullptr)) + "\n";
  } else {
    write_record("warning", message);
  }
}

void log_debug(const std::string& message) {
  if (the_log().debug) write_record("debug", message);
}

void finish_log() {
  Log& log = the_log();
  if (!log.held.empty()) put(log.fd, log.held);
  log.held.clear();
}

}  // namespace berth::runtime
