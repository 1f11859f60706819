#pragma once

#include <string>

/// The runtime's log, in the formats that clients of container runtimes read (runc's text and JSON records).
/// A record that cannot be written is lost: nothing here but open_log throws.
namespace berth::runtime {

enum class LogFormat { kText, kJson };

/// Where records go: a file that is appended to, or stderr if `file` is empty. Throws base::SystemError.
void open_log(const std::string& file, LogFormat format, bool debug);

/// The command failed. Writes one record with level error; if the log is a file, stderr gets the plain message too.
/// Clients read a JSON log as one object, so warnings held back until now are dropped from it.
void log_error(const std::string& message);

/// Something the user should know. In a JSON log it is held back until finish_log, see log_error.
void log_warning(const std::string& message);

/// Written only with --debug.
void log_debug(const std::string& message);

/// The command succeeded: writes what was held back.
void finish_log();

/// One record without line break. `seconds` since the epoch.
std::string format_record(LogFormat format, const char* level, const std::string& message, int64_t seconds);

}  // namespace berth::runtime
