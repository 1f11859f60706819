#include "tap/labelled.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>

#include "base/error.h"
#include "base/fd.h"
#include "base/process.h"
#include "cni/error.h"

namespace berth::tap {

namespace {

constexpr const char* kSelinuxFs = "/sys/fs/selinux/enforce";
constexpr const char* kExecLabel = "/proc/thread-self/attr/exec";
constexpr const char* kCommand = "create-tap";
constexpr int kArguments = 8;
constexpr const char* kNone = "-";

/// The label of programs that this thread executes while this object lives (proc_pid_attr(5)).
class ExecLabel {
 public:
  explicit ExecLabel(const std::string& label) : file_(base::open_file(kExecLabel, O_WRONLY)) {
    const auto written = ::write(file_.get(), label.data(), label.size());
    if (written < 0 && errno == EINVAL)
      throw cni::Error(cni::Code::kInvalidNetworkConfig, "invalid selinuxContext \"" + label + "\"",
                       "the policy of this host does not know it");
    base::check(written, "set the SELinux label of programs to", label);
  }
  /// What is executed next, IPAM for one, is none of its business.
  ~ExecLabel() { [[maybe_unused]] const auto written = ::write(file_.get(), "", 0); }
  ExecLabel(const ExecLabel&) = delete;
  ExecLabel& operator=(const ExecLabel&) = delete;

 private:
  base::Fd file_;
};

base::CommandResult run_labelled(const base::Command& command, const std::string& label) {
  const ExecLabel labelled(label);
  try {
    return base::run_command(command);
  } catch (const base::SystemError& error) {
    throw base::SystemError("run this program as " + label, error.code());
  }
}

std::string text_of(bool flag) {
  return flag ? "1" : "0";
}

std::string text_of(const std::optional<uint32_t>& id) {
  return id ? std::to_string(*id) : kNone;
}

bool flag_of(const char* text) {
  return text[0] == '1';
}

std::optional<uint32_t> id_of(const std::string& text) {
  if (text == kNone) return std::nullopt;
  return static_cast<uint32_t>(std::strtoul(text.c_str(), nullptr, 10));
}

}  // namespace

void require_selinux(const std::string& label) {
  if (::access(kSelinuxFs, F_OK) == 0) return;
  throw cni::Error(cni::Code::kUnsupportedField, "selinuxContext: \"" + label + "\" is not supported here",
                   "this host has no SELinux");
}

void create_labelled(const net::NewTap& tap, const std::string& label) {
  base::Command command;
  command.path = "/proc/self/exe";
  command.argv = {"tap",
                  kCommand,
                  tap.name,
                  text_of(tap.multi_queue),
                  text_of(tap.vnet_header),
                  text_of(tap.packet_information),
                  text_of(tap.owner),
                  text_of(tap.group)};
  const auto result = run_labelled(command, label);
  if (result.ok()) return;
  throw base::SystemError("create tap " + tap.name + " as " + label, result.exit_status.value_or(ECHILD), result.error);
}

bool has_parent(int argc, char** argv) {
  return argc == kArguments && std::string_view(argv[1]) == kCommand;
}

int create_for_parent(char** argv) {
  net::NewTap tap;
  tap.name = argv[2];
  tap.multi_queue = flag_of(argv[3]);
  tap.vnet_header = flag_of(argv[4]);
  tap.packet_information = flag_of(argv[5]);
  tap.owner = id_of(argv[6]);
  tap.group = id_of(argv[7]);
  try {
    net::create_tap(tap);
    return 0;
  } catch (const base::SystemError& error) {
    std::fputs(error.what(), stderr);
    return error.code();
  } catch (const std::exception& error) {
    std::fputs(error.what(), stderr);
    return EIO;
  }
}

}  // namespace berth::tap
