#include "commands/version.h"

#include <cstdlib>
#include <cstring>

#include "oci/state.h"

#ifndef BERTH_COMMIT
#define BERTH_COMMIT "unknown"
#endif

namespace berth::runtime {

std::string version_text(const char* called_as) {
  const char* slash = std::strrchr(called_as, '/');
  const char* compat = std::getenv("BERTH_COMPAT_VERSION");
  const bool as_runc = compat != nullptr || std::strcmp(slash == nullptr ? called_as : slash + 1, "runc") == 0;
  const bool named = compat != nullptr && *compat >= '0' && *compat <= '9' && std::strchr(compat, '.') != nullptr;
  // dockerd takes the last line with the word "version": it must be the first one only.
  return std::string(as_runc ? "runc" : "berth") + " version " + (named ? compat : BERTH_VERSION) +
         "\ncommit: " BERTH_COMMIT "\nspec: " + oci::kSpecVersion + "\n";
}

}  // namespace berth::runtime
