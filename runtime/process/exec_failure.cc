#include "process/exec_failure.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstring>
#include <optional>

#include "base/fd.h"

namespace berth::runtime {

namespace {

/// The kernel follows no more scripts than this.
constexpr int kDeepest = 5;

/// What the kernel looks at to tell a script or an executable (BINPRM_BUF_SIZE).
constexpr size_t kStart = 256;

/// A regular file of the container: hostile, so nothing in it is trusted to be well-formed.
class Program {
 public:
  explicit Program(const std::string& path) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    struct stat info {};
    if (!fd_ || ::fstat(fd_.get(), &info) != 0 || !S_ISREG(info.st_mode)) fd_.reset();
  }

  explicit operator bool() const { return static_cast<bool>(fd_); }

  /// At most `size` bytes from `offset`; fewer at the end of the file.
  std::string read(uint64_t offset, size_t size) const {
    std::string bytes(size, '\0');
    const auto n = ::pread(fd_.get(), bytes.data(), size, static_cast<off_t>(offset));
    bytes.resize(n < 0 ? 0 : static_cast<size_t>(n));
    return bytes;
  }

  template <class Header>
  std::optional<Header> read_header(uint64_t offset) const {
    const auto bytes = read(offset, sizeof(Header));
    if (bytes.size() < sizeof(Header)) return std::nullopt;
    Header header;
    std::memcpy(&header, bytes.data(), sizeof header);
    return header;
  }

 private:
  base::Fd fd_;
};

/// The text comes from the image, and may end on a terminal.
std::string quoted(std::string path) {
  std::replace_if(
      path.begin(), path.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; }, '?');
  return "\"" + path + "\"";
}

bool exists(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

/// What "#!" of a script names; empty if it is no script.
std::string interpreter_of(const std::string& start) {
  if (!start.starts_with("#!")) return "";
  const auto line = start.substr(2, start.find('\n') - 2);
  const auto first = line.find_first_not_of(" \t");
  if (first == std::string::npos) return "";
  return line.substr(first, line.find_first_of(" \t", first) - first);
}

template <class Header, class Segment>
std::string loader_in(const Program& program) {
  const auto header = program.read_header<Header>(0);
  if (!header || header->e_phentsize != sizeof(Segment)) return "";
  for (unsigned i = 0; i < header->e_phnum; ++i) {
    const auto segment = program.read_header<Segment>(header->e_phoff + i * sizeof(Segment));
    if (!segment) return "";
    if (segment->p_type != PT_INTERP || segment->p_filesz > PATH_MAX) continue;
    const auto path = program.read(segment->p_offset, segment->p_filesz);
    return path.substr(0, path.find('\0'));
  }
  return "";
}

constexpr unsigned char kOurByteOrder = std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;

bool is_elf(const std::string& start) {
  return start.size() >= sizeof(Elf32_Ehdr) && start.compare(0, SELFMAG, ELFMAG) == 0;
}

std::string loader_of(const Program& program, const std::string& start) {
  if (!is_elf(start) || static_cast<unsigned char>(start[EI_DATA]) != kOurByteOrder) return "";
  return start[EI_CLASS] == ELFCLASS64 ? loader_in<Elf64_Ehdr, Elf64_Phdr>(program)
                                       : loader_in<Elf32_Ehdr, Elf32_Phdr>(program);
}

struct Machine {
  unsigned number;
  const char* name;
};

constexpr Machine kMachines[] = {
    {EM_386, "i386"},
    {EM_X86_64, "x86_64"},
    {EM_ARM, "arm"},
    {EM_AARCH64, "aarch64"},
    {EM_PPC, "ppc"},
    {EM_PPC64, "ppc64"},
    {EM_S390, "s390x"},
    {EM_RISCV, "riscv"},
    {EM_MIPS, "mips"},
    {EM_SPARCV9, "sparc"},
    {EM_LOONGARCH, "loongarch"},
    {EM_IA_64, "ia64"},
};

std::string machine_of(const std::string& start) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(start[offsetof(Elf32_Ehdr, e_machine) + i]); };
  const bool little = static_cast<unsigned char>(start[EI_DATA]) == ELFDATA2LSB;
  const unsigned number = little ? byte(0) | byte(1) << 8U : byte(1) | byte(0) << 8U;
  for (const auto& machine : kMachines) {
    if (machine.number == number) return machine.name;
  }
  return "ELF machine " + std::to_string(number);
}

/// What the kernel cannot load: the file, or the interpreter of a script, which may be a script in turn.
std::string explain_format(const std::string& path, int depth = 0) {
  const Program program(path);
  if (!program || depth > kDeepest) return "";
  const auto start = program.read(0, kStart);
  if (start.starts_with("#!")) {
    const auto interpreter = interpreter_of(start);
    if (interpreter.empty()) return "the first line of script " + quoted(path) + " names no interpreter";
    return explain_format(interpreter, depth + 1);
  }
  const auto subject = depth == 0 ? "it" : "the interpreter " + quoted(path);
  if (start.empty()) return (depth == 0 ? "the file" : subject) + " is empty";
  if (!is_elf(start)) return subject + " is neither an ELF executable nor a script that starts with #!";
  utsname host{};
  ::uname(&host);
  const auto machine = machine_of(start);
  if (machine == host.machine) return subject + " is not an executable that this kernel can load";
  return subject + " was built for " + machine + ", this machine is " + host.machine;
}

/// What the file needs besides itself, if that is missing. An interpreter may be a script in turn.
std::string explain_missing(const std::string& path, int depth = 0) {
  const Program program(path);
  if (!program) return "";
  const auto start = program.read(0, kStart);
  if (const auto interpreter = interpreter_of(start); !interpreter.empty()) {
    if (interpreter.ends_with('\r')) return "the first line of script " + quoted(path) + " ends with a carriage return";
    if (exists(interpreter)) return depth < kDeepest ? explain_missing(interpreter, depth + 1) : "";
    return "the interpreter " + quoted(interpreter) + " of script " + quoted(path) + " is missing";
  }
  const auto loader = loader_of(program, start);
  if (loader.empty() || exists(loader)) return "";
  return "the dynamic loader " + quoted(loader) + " of " + quoted(path) + " is missing";
}

bool is_executable(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && ::access(path.c_str(), X_OK) == 0;
}

/// What the file needs besides itself, if that must not be executed.
std::string explain_denial(const std::string& path, int depth = 0) {
  const Program program(path);
  if (!program || depth > kDeepest) return "";
  const auto start = program.read(0, kStart);
  const auto interpreter = interpreter_of(start);
  const auto next = interpreter.empty() ? loader_of(program, start) : interpreter;
  if (next.empty()) return "";
  if (is_executable(next)) return explain_denial(next, depth + 1);
  return (interpreter.empty() ? "the dynamic loader " + quoted(next) + " of "
                              : "the interpreter " + quoted(next) + " of script ") +
         quoted(path) + " cannot be executed";
}

}  // namespace

std::string explain_exec_failure(const std::string& program, int error) {
  switch (error) {
    case ENOENT:
      return explain_missing(program);
    case ENOEXEC:
      return explain_format(program);
    case EACCES:
      return explain_denial(program);
    case ENOMEM:
      return "the memory limit may be too low";
    default:
      return "";
  }
}

}  // namespace berth::runtime
