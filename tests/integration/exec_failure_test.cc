// Programs that the kernel does not execute: the error says what is missing or wrong.

#include <elf.h>
#include <gmock/gmock.h>
#include <sys/utsname.h>

#include <cstring>

#include "base/file.h"
#include "base/json.h"
#include "support/containers.h"
#include "support/programs.h"

namespace berth::test {
namespace {

using base::Json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class ExecFailureTest : public ContainerSandbox {
 protected:
  void TearDown() override {
    berth({"delete", "--force", "c"});
    ContainerSandbox::TearDown();
  }

  /// Puts files into a container's root, then starts `program` as its own and with `exec`.
  void expect_error(const std::vector<std::pair<std::string, std::string>>& files, const std::string& program,
                    const std::vector<std::string>& texts) {
    run_sleeper("c");
    const auto path = bundle({program}, {}, "c2");
    for (const auto& [name, content] : files) {
      for (const char* name_of_bundle : {"/c", "/c2"})
        base::write_file_atomic(scratch() + name_of_bundle + "/rootfs" + name, content, 0755);
    }
    const auto started = berth({"run", "--bundle", path, "c2"});
    EXPECT_EQ(255, started.exit_status) << started.error;
    const auto executed = berth({"exec", "c", program});
    EXPECT_EQ(255, executed.exit_status) << executed.error;
    for (auto text : texts) {
      EXPECT_THAT(started.error, HasSubstr(text));
      // In a line of the log quotes are escaped.
      for (size_t at = 0; (at = text.find('"', at)) != std::string::npos; at += 2) text.insert(at, "\\");
      EXPECT_THAT(executed.error, AllOf(HasSubstr("exec failed: "), HasSubstr(text)));
    }
    must_berth({"delete", "--force", "c"});
  }

  /// busybox with another machine's number in its header.
  static std::string built_for(uint16_t machine) {
    auto bytes = base::read_file("/bin/busybox");
    std::memcpy(bytes.data() + offsetof(Elf64_Ehdr, e_machine), &machine, sizeof machine);
    return bytes;
  }
};

TEST_F(ExecFailureTest, AMissingInterpreterIsNamed) {
  expect_error({{"/tmp/script", "#! /usr/bin/python3 -u\nprint(1)\n"}}, "/tmp/script",
               {"exec /tmp/script: no such file or directory",
                "the interpreter \"/usr/bin/python3\" of script \"/tmp/script\" is missing"});
}

TEST_F(ExecFailureTest, SoIsThatOfAScriptsInterpreter) {
  expect_error({{"/tmp/outer", "#!/tmp/inner\n"}, {"/tmp/inner", "#!/no/such\n"}}, "/tmp/outer",
               {"exec /tmp/outer: no such file or directory",
                "the interpreter \"/no/such\" of script \"/tmp/inner\" is missing"});
}

TEST_F(ExecFailureTest, ALineEndOfWindowsIsNamed) {
  expect_error({{"/tmp/script", "#!/bin/sh\r\necho\r\n"}}, "/tmp/script",
               {"exec /tmp/script: no such file or directory",
                "the first line of script \"/tmp/script\" ends with a carriage return"});
}

TEST_F(ExecFailureTest, AMissingDynamicLoaderIsNamed) {
  const auto program = base::read_file("/bin/ls");
  ASSERT_THAT(program, HasSubstr("/ld-linux"));
  expect_error({{"/tmp/ls", program}, {"/tmp/script", "#!/tmp/ls\n"}}, "/tmp/ls",
               {"exec /tmp/ls: no such file or directory", "the dynamic loader \"/lib", "of \"/tmp/ls\" is missing"});
  expect_error({{"/tmp/ls", program}, {"/tmp/script", "#!/tmp/ls\n"}}, "/tmp/script",
               {"exec /tmp/script: no such file or directory", "of \"/tmp/ls\" is missing"});
}

TEST_F(ExecFailureTest, AnotherMachineIsNamed) {
  utsname host{};
  ::uname(&host);
  const std::string here = std::string(", this machine is ") + host.machine;
  const uint16_t other = std::string(host.machine) == "aarch64" ? EM_X86_64 : EM_AARCH64;
  expect_error({{"/tmp/other", built_for(other)}}, "/tmp/other",
               {"exec /tmp/other: exec format error", "it was built for ", here});
  expect_error({{"/tmp/other", built_for(4242)}}, "/tmp/other", {"it was built for ELF machine 4242" + here});
}

/// The start script of an image for another machine.
TEST_F(ExecFailureTest, SoIsThatOfAScriptsInterpreterOfAnotherMachine) {
  utsname host{};
  ::uname(&host);
  const uint16_t other = std::string(host.machine) == "aarch64" ? EM_X86_64 : EM_AARCH64;
  expect_error({{"/tmp/sh", built_for(other)}, {"/tmp/start", "#!/tmp/sh -e\n"}}, "/tmp/start",
               {"exec /tmp/start: exec format error", "the interpreter \"/tmp/sh\" was built for ",
                std::string(", this machine is ") + host.machine});
}

TEST_F(ExecFailureTest, WhatIsNoProgramAtAllIsSaid) {
  expect_error({{"/tmp/empty", ""}}, "/tmp/empty", {"exec /tmp/empty: exec format error", "the file is empty"});
  expect_error({{"/tmp/text", "echo hello\n"}}, "/tmp/text",
               {"exec /tmp/text: exec format error", "neither an ELF executable nor a script that starts with #!"});
  expect_error(
      {{"/tmp/script", "#! \necho\n"}}, "/tmp/script",
      {"exec /tmp/script: exec format error", "the first line of script \"/tmp/script\" names no interpreter"});
}

TEST_F(ExecFailureTest, AnInterpreterWithoutTheRightToBeExecutedIsNamed) {
  expect_error({{"/tmp/script", "#!/etc/passwd\n"}}, "/tmp/script",
               {"exec /tmp/script: permission denied",
                "the interpreter \"/etc/passwd\" of script \"/tmp/script\" cannot be executed"});
  expect_error(
      {{"/tmp/script", "#!/etc\n"}}, "/tmp/script",
      {"exec /tmp/script: permission denied", "the interpreter \"/etc\" of script \"/tmp/script\" cannot be executed"});
}

TEST_F(ExecFailureTest, ControlCharactersOfTheImageReachNoTerminal) {
  run_sleeper("c");
  const auto path = bundle({"/tmp/script"}, {}, "c2");
  base::write_file_atomic(path + "/rootfs/tmp/script", "#!/\033[31mred\n", 0755);
  const auto result = berth({"run", "--bundle", path, "c2"});
  EXPECT_EQ(255, result.exit_status);
  EXPECT_THAT(result.error, AllOf(HasSubstr("\"/?[31mred\""), Not(HasSubstr("\033"))));
}

TEST_F(ExecFailureTest, AMemoryLimitThatIsTooLowToStartIsSaid) {
  const Json alone{{"limit", 4096}};
  const Json with_swap{{"limit", 4096}, {"swap", 4096}};
  for (const auto& [command, memory] : {std::pair{"create", alone}, {"run", alone}, {"run", with_swap}}) {
    const auto path = bundle({"true"}, [&](Json& spec) { spec["linux"]["resources"]["memory"] = memory; });
    const auto result = berth({command, "--bundle", path, "too-low"});
    EXPECT_EQ(1, result.exit_status);
    EXPECT_THAT(result.error,
                AllOf(HasSubstr("memory limit too low"), HasSubstr("linux.resources.memory.limit is 4096 bytes")));
    EXPECT_FALSE(exists("/run/berth/too-low"));
    EXPECT_THAT(cgroups_of("too-low"), ::testing::IsEmpty());
  }
}

}  // namespace
}  // namespace berth::test
