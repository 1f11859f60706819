#pragma once

#include "base/fd.h"

namespace berth::runtime {

/// Copies what is in directory `from` into directory `to`, with modes, owners, times and extended attributes, and gives
/// `to` those of `from`. Descriptors may be O_PATH. The source is hostile: nothing in it is followed, and devices,
/// fifos and sockets are made anew, not opened. Throws SystemError naming the file.
void copy_tree(const base::Fd& from, const base::Fd& to);

}  // namespace berth::runtime
