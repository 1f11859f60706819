#pragma once

#include <string>

#include "base/fd.h"
#include "container/lifecycle.h"
#include "criu/options.h"

namespace berth::runtime {

/// The names of the standard streams of the container's first process, beside CRIU's images: a JSON array of three, as
/// runc writes it.
inline constexpr const char* kDescriptorsFile = "descriptors.json";

/// The directories of one checkpoint or restore, held open.
class CriuDirectories {
 public:
  /// Opens them; makes them if they are missing. `seen_by`: the process that is CRIU. It mounts things in its work
  /// directory, which has to be in its own mount namespace. With a user namespace in `config` the images are read by
  /// one who is not root on the host. Throws SystemError.
  CriuDirectories(const CriuOptions& options, const oci::Config& config, const char* log_file, pid_t seen_by);

  /// Sets the places of `options`.
  void apply_to(criu::Options& options) const;
  /// The path of CRIU's log.
  std::string log() const { return log_directory_ + "/" + log_file_; }

 private:
  base::Fd images_;
  base::Fd work_;
  std::string log_directory_;
  std::string log_file_;
};

/// What both commands say alike.
criu::Options common_options(const CriuOptions& options, const oci::Config& config);

}  // namespace berth::runtime
