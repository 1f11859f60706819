#include "protocol.h"

#include <utility>

#include "base/json.h"

namespace berth::dhcp {

using base::Json;
using base::JsonObject;

namespace {

constexpr int kVersion = 1;

constexpr std::pair<Ask::Method, const char*> kMethods[] = {
    {Ask::Method::kAllocate, "allocate"}, {Ask::Method::kQuery, "query"}, {Ask::Method::kRelease, "release"},
    {Ask::Method::kCollect, "collect"},   {Ask::Method::kPing, "ping"},
};

void require_version(const JsonObject& object) {
  const auto version = object.integer("version");
  if (version == kVersion) return;
  throw cni::Error(cni::Code::kInternal, "the DHCP plugin and its daemon are of different releases",
                   "version of the protocol: " + (version ? std::to_string(*version) : "none") + ", expected 1");
}

std::string line_of(const Json& object) {
  return object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Ask::Method method_named(const std::string& name) {
  for (const auto& [method, known] : kMethods) {
    if (name == known) return method;
  }
  throw base::JsonError("method: unknown: \"" + name + "\"");
}

const char* name_of(Ask::Method wanted) {
  for (const auto& [method, name] : kMethods) {
    if (method == wanted) return name;
  }
  return "";
}

}  // namespace

std::string Ask::encode() const {
  Json object = {{"version", kVersion},          {"method", name_of(method)}, {"network", key.network},
                 {"containerID", key.container}, {"ifname", key.ifname},      {"netns", netns},
                 {"wishes", wishes.to_json()}};
  object["valid"] = Json::array();
  for (const auto& attachment : valid) {
    object["valid"].push_back({{"containerID", attachment.container_id}, {"ifname", attachment.ifname}});
  }
  return line_of(object);
}

Ask Ask::decode(const std::string& line) {
  const Json value = base::parse_json(line);
  const JsonObject object(value);
  require_version(object);
  Ask ask;
  ask.method = method_named(object.required_string("method"));
  ask.key = {object.string("network").value_or(""), object.string("containerID").value_or(""),
             object.string("ifname").value_or("")};
  ask.netns = object.string("netns").value_or("");
  if (const auto* wishes = object.find("wishes")) ask.wishes = Wishes::from_json(*wishes, "wishes");
  for (const auto& entry : object.objects("valid")) {
    ask.valid.push_back({entry.required_string("containerID"), entry.required_string("ifname")});
  }
  return ask;
}

std::string Answer::encode() const {
  Json object = {{"version", kVersion}};
  if (pending) object["pending"] = true;
  if (lease) object["lease"] = lease->to_json();
  if (error) {
    object["error"] = {
        {"code", static_cast<unsigned>(error->code())}, {"msg", error->msg()}, {"details", error->details()}};
  }
  return line_of(object);
}

Answer Answer::decode(const std::string& line) {
  const Json value = base::parse_json(line);
  const JsonObject object(value);
  require_version(object);
  Answer answer;
  answer.pending = object.boolean("pending").value_or(false);
  if (const auto* lease = object.find("lease")) answer.lease = Lease::from_json(*lease, "lease");
  if (const auto* error = object.find("error")) answer.error = cni::Error::from_json(error->dump());
  return answer;
}

}  // namespace berth::dhcp
