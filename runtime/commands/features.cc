#include "features_document.h"

#include "commands/command.h"
#include "commands/command_line.h"

namespace berth::runtime {

int features_command(const Globals& /*globals*/, const Words& words) {
  CommandLine line({"berth features", "show the enabled features", "",
                    "The output is the features document of the OCI runtime specification, as JSON."});
  line.parse(words, 0, 0);
  print(features_json());
  return 0;
}

}  // namespace berth::runtime
