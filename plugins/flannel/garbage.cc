#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "base/json.h"
#include "base/rollback.h"
#include "cni/error.h"
#include "cni/plugin/delegate.h"
#include "flannel/config.h"
#include "flannel/flannel.h"
#include "flannel/scratch.h"

namespace berth::flannel {

namespace {

using base::Json;
using cni::Request;
using Attachments = std::vector<cni::Attachment>;

/// A file of the reference plugin says no more than the container's id, in its name.
bool is_valid(const Scratch& scratch, const Attachments& valid) {
  return std::any_of(valid.begin(), valid.end(), [&](const cni::Attachment& attachment) {
    if (scratch.attachment) return attachment == *scratch.attachment;
    return attachment.container_id == std::filesystem::path(scratch.path).filename();
  });
}

void delete_attachment(const Request& request, const Scratch& scratch) {
  cni::delegate::call(request, delegate_type(scratch.config), "DEL", scratch.config.dump(),
                      {{"CNI_CONTAINERID", scratch.attachment->container_id},
                       {"CNI_IFNAME", scratch.attachment->ifname},
                       {"CNI_NETNS", ""}});
}

/// The list of valid attachments, under both of its names.
void pass_attachments(const Request& request, Json& config) {
  for (const char* key : {"cni.dev/valid-attachments", "cni.dev/attachments"}) {
    if (const Json* list = base::JsonObject(request.config()).find(key)) set_key(config, key, *list);
  }
}

}  // namespace

void FlannelPlugin::gc(const Request& request) {
  const auto valid = request.valid_attachments();
  if (!valid) return;
  base::BestEffort cleanup;
  cleanup.attempt("remove unfinished records", [&] { remove_unfinished(request); });
  Json config = nullptr;  // the delegate's for the network as a whole
  std::vector<std::string> silent;
  for_each(request, [&](const Scratch& scratch) {
    config = scratch.config;
    if (is_valid(scratch, *valid)) return;
    if (!scratch.attachment) return silent.push_back(scratch.path);
    cleanup.attempt("delete " + scratch.attachment->ifname + " of " + scratch.attachment->container_id, [&] {
      delete_attachment(request, scratch);
      base::remove_if_present(scratch.path);
    });
  });
  cleanup.attempt("collect garbage of the delegate", [&] {
    // The subnet may have changed since; without one, a kept configuration tells the delegate where to look.
    try {
      config = make_delegate_config(request);
    } catch (const cni::Error& error) {
      if (error.code() != cni::Code::kTryAgainLater) throw;
    }
    if (config.is_null()) return;
    pass_attachments(request, config);
    cni::delegate::call(request, delegate_type(config), "GC", config.dump());
    for (const auto& path : silent) base::remove_if_present(path);
  });
  cleanup.finish();
}

}  // namespace berth::flannel
