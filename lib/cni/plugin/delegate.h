#pragma once

#include <string>

#include "base/rollback.h"
#include "cni/request.h"
#include "cni/result.h"

namespace berth::cni {

/// The IPAM plugin named by the configuration's ipam.type, called as the spec's section 4 says: same stdin, same
/// environment, other CNI_COMMAND. An error object of the delegate is thrown as it is.
namespace ipam {

/// True if the configuration names an IPAM plugin.
bool configured(const Request& request);

/// Runs ADD; registers DEL as the undo. Routes and DNS come with the addresses; `interfaces` is empty.
Result add(const Request& request, base::Rollback& rollback);
void del(const Request& request);
void check(const Request& request);
void gc(const Request& request);
void status(const Request& request);

}  // namespace ipam
}  // namespace berth::cni
