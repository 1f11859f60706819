#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/json.h"
#include "cni/request.h"

namespace berth::flannel {

/// The delegate's configuration of one attachment, on disk from before its ADD until its DEL. A container's first
/// attachment has the reference plugin's file, <dataDir>/<containerID>, so that either suite can delete it; further
/// ones have <dataDir>/<containerID>:<ifname>, a name that no container id can have. A key of our own, which delegates
/// pass over, says whose the file is.
struct Scratch {
  std::string path;
  base::Json config;
  std::optional<cni::Attachment> attachment;  ///< Unset: the reference plugin made the file, and does not say.
};

/// Writes the configuration down, durably. Returns what undoes it: removes the file, or puts back what an earlier ADD
/// of the same attachment wrote.
std::function<void()> save(const cni::Request& request, const base::Json& config);

/// What is on record of the attachment; nullopt if there is nothing. A file that cannot be made sense of is removed,
/// with a word on stderr: nobody could make use of it.
std::optional<Scratch> find(const cni::Request& request);

/// Removes what processes that were killed while they wrote a record have left of it.
void remove_unfinished(const cni::Request& request);

/// Calls `visit` with every file of the network, whoever made it.
void for_each(const cni::Request& request, const std::function<void(const Scratch&)>& visit);

}  // namespace berth::flannel
