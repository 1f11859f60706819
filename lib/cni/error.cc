#include "cni/error.h"

#include "base/json.h"

namespace berth::cni {

std::string Error::to_json(const std::string& cni_version) const {
  base::Json object;
  object["cniVersion"] = cni_version;
  object["code"] = static_cast<unsigned>(code_);
  object["msg"] = msg_;
  if (!details_.empty()) object["details"] = details_;
  return object.dump(4, ' ', false, base::Json::error_handler_t::replace);
}

Error Error::from_json(const std::string& text) {
  try {
    const base::Json value = base::parse_json(text);
    const base::JsonObject object(value);
    const auto code = object.unsigned_integer("code");
    if (code && *code != 0) {
      return {static_cast<Code>(*code), object.string("msg").value_or(""), object.string("details").value_or("")};
    }
  } catch (const base::JsonError&) {
    // Not an error object: the text itself is all there is to tell.
  }
  return {Code::kInternal, text};
}

}  // namespace berth::cni
