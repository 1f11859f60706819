#include "container/state_json.h"

#include "base/json.h"
#include "oci/state.h"

namespace berth::runtime {

base::Json describe_container(const Store& store, const Record& record, const std::string& owner) {
  const auto status = status_of(store, record);
  base::Json json;
  json["ociVersion"] = oci::kSpecVersion;
  json["id"] = record.id;
  json["pid"] = status == "stopped" ? 0 : record.pid;
  json["status"] = status;
  json["bundle"] = record.bundle;
  json["rootfs"] = record.rootfs;
  json["created"] = record.created;
  if (!record.annotations.empty()) json["annotations"] = record.annotations;
  json["owner"] = owner;
  return json;
}

std::string state_json(const Store& store, const Record& record) {
  return describe_container(store, record, "").dump(2, ' ', false, base::Json::error_handler_t::replace);
}

}  // namespace berth::runtime
