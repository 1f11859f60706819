#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "commands/command.h"
#include "commands/command_line.h"

namespace berth::runtime {

int spec_command(const Globals& /*globals*/, const Words& words) {
  std::string bundle;
  bool rootless = false;
  CommandLine line({"berth spec", "create a new specification file", "",
                    "Writes config.json for a container that runs sh in ./rootfs."});
  line.value("bundle,b", bundle, "directory to write it in (default: the current directory)");
  line.flag("rootless", rootless, "for a container without root's rights on the host");
  line.parse(words, 0, 0);

  const auto path = bundle_directory(bundle) + "/config.json";
  const base::Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!file && errno == EEXIST) throw std::runtime_error("File config.json exists. Remove it first");
  if (!file) base::throw_errno("open " + path);
  base::write_all(file.get(), oci::default_spec(rootless), path);
  return 0;
}

}  // namespace berth::runtime
