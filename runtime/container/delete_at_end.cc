#include "container/delete_at_end.h"

#include "container/lifecycle.h"
#include "log.h"

namespace berth::runtime {

DeleteAtEnd::~DeleteAtEnd() {
  if (!armed_) return;
  try {
    for (const auto& warning : delete_container(store_, id_, true)) log_warning(warning);
  } catch (const std::exception& error) {
    log_warning("delete container " + id_ + ": " + error.what());
  }
}

}  // namespace berth::runtime
