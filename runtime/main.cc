#include "commands/command.h"

int main(int argc, char** argv) {
  return berth::runtime::run_command_line(argc, argv);
}
