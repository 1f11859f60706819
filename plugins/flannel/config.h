#pragma once

#include <string>

#include "base/json_fwd.h"
#include "cni/request.h"

namespace berth::flannel {

/// Where flanneld writes what it knows of this node: the `subnetFile` key.
std::string subnet_file_of(const cni::Request& request);
/// Where scratch files are kept: the `dataDir` key.
std::string data_dir_of(const cni::Request& request);

/// The configuration for the delegate: `delegate` with what is missing filled in from subnet.env, and `ipam` with this
/// node's ranges and a route to every network of the cluster.
/// Throws cni::Error or base::JsonError naming key and value; kTryAgainLater if subnet.env cannot be read.
base::Json make_delegate_config(const cni::Request& request);

/// The delegate of a configuration: its `type`.
std::string delegate_type(const base::Json& config);

/// Sets a key in the place of all its spellings.
void set_key(base::Json& object, const std::string& key, base::Json value);

}  // namespace berth::flannel
