#include "support/syscall_program.h"

#include <elf.h>
#include <sys/syscall.h>

#include "base/file.h"

namespace berth::test {

namespace {

template <class Value>
void append(std::string& bytes, const Value& value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

std::string code_of(const SyscallProgram& program) {
  std::string code("\xb8", 1);  // mov $number, %eax
  append(code, program.number);
  // mov $argument, %rdi, %rsi, %rdx; i386 has them in %ebx, %ecx, %edx
  const char* registers[] = {program.by_interrupt ? "\x48\xbb" : "\x48\xbf",
                             program.by_interrupt ? "\x48\xb9" : "\x48\xbe", "\x48\xba"};
  for (size_t i = 0; i < program.arguments.size(); ++i) {
    code += registers[i];
    append(code, program.arguments[i]);
  }
  code += program.by_interrupt ? "\xcd\x80" : "\x0f\x05";  // int $0x80, syscall
  code += "\x31\xff";                                      // xor %edi, %edi
  code += "\x85\xc0";                                      // test %eax, %eax
  code += "\x79\x04";                                      // jns over the next two
  code += "\xf7\xd8\x89\xc7";                              // neg %eax; mov %eax, %edi
  code += '\xb8';                                          // mov $exit, %eax
  append(code, static_cast<uint32_t>(SYS_exit));
  code += "\x0f\x05";
  return code;
}

}  // namespace

void SyscallProgram::write(const std::string& path) const {
  constexpr uint64_t kBase = 0x400000;
  const auto code = code_of(*this);
  Elf64_Ehdr header{};
  Elf64_Phdr segment{};
  constexpr uint64_t kStart = sizeof header + sizeof segment;
  const unsigned char ident[] = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT};
  std::copy(std::begin(ident), std::end(ident), header.e_ident);
  header.e_type = ET_EXEC;
  header.e_machine = EM_X86_64;
  header.e_version = EV_CURRENT;
  header.e_entry = kBase + kStart;
  header.e_phoff = sizeof header;
  header.e_ehsize = sizeof header;
  header.e_phentsize = sizeof segment;
  header.e_phnum = 1;
  segment.p_type = PT_LOAD;
  segment.p_flags = PF_R | PF_X;
  segment.p_vaddr = segment.p_paddr = kBase;
  segment.p_filesz = segment.p_memsz = kStart + code.size();
  segment.p_align = 0x1000;
  std::string file;
  append(file, header);
  append(file, segment);
  base::write_file_atomic(path, file + code, 0755);
}

}  // namespace berth::test
