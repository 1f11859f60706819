#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cni/client/client.h"

/// The result cache in the reference's format: CACHE_DIR/results/NETWORK-CONTAINERID-IFNAME, one JSON object of kind
/// "cniCacheV1", mode 0600 in a directory of mode 0700; written atomically.
namespace berth::cni::cache {

void write(const std::string& cache_directory, const NetworkList& list, const AttachmentConfig& attachment,
           const base::Json& result);

/// nullopt if there is no entry, or none that can be read: an unreadable one is as good as absent.
std::optional<Client::Cached> read(const std::string& cache_directory, const std::string& network,
                                   const std::string& container_id, const std::string& ifname);

std::vector<Client::Cached> read_all(const std::string& cache_directory);

void remove(const std::string& cache_directory, const std::string& network, const AttachmentConfig& attachment);

}  // namespace berth::cni::cache
