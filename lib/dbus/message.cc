#include "dbus/message.h"

#include <dbus/dbus.h>

#include <new>
#include <stdexcept>

namespace berth::dbus {

namespace {

/// libdbus fails only for want of memory, where what it is given is right.
void require(dbus_bool_t done) {
  if (done == FALSE) throw std::bad_alloc();
}

/// Appends values at one place of a message: its arguments, or the inside of an array, a struct or a variant.
class Writer {
 public:
  explicit Writer(DBusMessage* message) { dbus_message_iter_init_append(message, &place_); }

  void append(bool value) { basic(DBUS_TYPE_BOOLEAN, dbus_bool_t{value ? 1U : 0U}); }
  void append(int32_t value) { basic(DBUS_TYPE_INT32, value); }
  void append(uint32_t value) { basic(DBUS_TYPE_UINT32, value); }
  void append(int64_t value) { basic(DBUS_TYPE_INT64, value); }
  void append(uint64_t value) { basic(DBUS_TYPE_UINT64, value); }
  void append(double value) { basic(DBUS_TYPE_DOUBLE, value); }
  void append(uint8_t value) { basic(DBUS_TYPE_BYTE, value); }
  void append(const std::string& text) {
    if (dbus_validate_utf8(text.c_str(), nullptr) == FALSE || text.find('\0') != std::string::npos) {
      throw std::invalid_argument("not UTF-8 text: " + text);
    }
    basic(DBUS_TYPE_STRING, text.c_str());
  }
  template <class Element>
  void append(const std::vector<Element>& elements) {
    within(DBUS_TYPE_ARRAY, signature(Element()).c_str(), [&](Writer& inner) {
      for (const auto& element : elements) inner.append(element);
    });
  }
  template <class First, class Second>
  void append(const std::pair<First, Second>& pair) {
    within(DBUS_TYPE_STRUCT, nullptr, [&](Writer& inner) {
      inner.append(pair.first);
      inner.append(pair.second);
    });
  }
  void append(const Value& value) {
    std::visit(
        [&](const auto& held) {
          within(DBUS_TYPE_VARIANT, signature(held).c_str(), [&](Writer& inner) { inner.append(held); });
        },
        value);
  }
  void append_nothing_of(const char* element_type) {
    within(DBUS_TYPE_ARRAY, element_type, [](Writer&) {});
  }

 private:
  Writer() = default;

  static std::string signature(bool) { return "b"; }
  static std::string signature(int32_t) { return "i"; }
  static std::string signature(uint32_t) { return "u"; }
  static std::string signature(int64_t) { return "x"; }
  static std::string signature(uint64_t) { return "t"; }
  static std::string signature(double) { return "d"; }
  static std::string signature(uint8_t) { return "y"; }
  static std::string signature(const std::string&) { return "s"; }
  static std::string signature(const Value&) { return "v"; }
  template <class Element>
  static std::string signature(const std::vector<Element>&) {
    return "a" + signature(Element());
  }
  template <class First, class Second>
  static std::string signature(const std::pair<First, Second>&) {
    return "(" + signature(First()) + signature(Second()) + ")";
  }

  template <class Basic>
  void basic(int type, Basic value) {
    require(dbus_message_iter_append_basic(&place_, type, &value));
  }

  template <class Work>
  void within(int type, const char* content, const Work& work) {
    Writer inner;
    require(dbus_message_iter_open_container(&place_, type, content, &inner.place_));
    try {
      work(inner);
    } catch (...) {
      dbus_message_iter_abandon_container(&place_, &inner.place_);
      throw;
    }
    require(dbus_message_iter_close_container(&place_, &inner.place_));
  }

  DBusMessageIter place_{};
};

template <class Number>
std::string number_text(DBusMessageIter& place) {
  Number number{};
  dbus_message_iter_get_basic(&place, &number);
  return std::to_string(number);
}

std::string text_at(DBusMessageIter& place) {
  switch (dbus_message_iter_get_arg_type(&place)) {
    case DBUS_TYPE_STRING:
    case DBUS_TYPE_OBJECT_PATH: {
      const char* text = nullptr;
      dbus_message_iter_get_basic(&place, static_cast<void*>(&text));
      return text;
    }
    case DBUS_TYPE_BOOLEAN: {
      dbus_bool_t value = FALSE;
      dbus_message_iter_get_basic(&place, &value);
      return value == TRUE ? "true" : "false";
    }
    case DBUS_TYPE_INT32:
      return number_text<dbus_int32_t>(place);
    case DBUS_TYPE_UINT32:
      return number_text<dbus_uint32_t>(place);
    case DBUS_TYPE_UINT64:
      return number_text<dbus_uint64_t>(place);
    case DBUS_TYPE_VARIANT: {
      DBusMessageIter inner{};
      dbus_message_iter_recurse(&place, &inner);
      return text_at(inner);
    }
    default:
      return "";
  }
}

}  // namespace

void Message::Release::operator()(DBusMessage* message) const {
  dbus_message_unref(message);
}

Message::Message(const Target& target, const std::string& method)
    : message_(dbus_message_new_method_call(target.service.empty() ? nullptr : target.service.c_str(),
                                            target.path.c_str(), target.interface.c_str(), method.c_str())) {
  if (!message_) throw std::bad_alloc();
}

Message& Message::add(const std::string& text) {
  Writer(get()).append(text);
  return *this;
}

Message& Message::add(bool value) {
  Writer(get()).append(value);
  return *this;
}

Message& Message::add(const std::vector<uint32_t>& numbers) {
  Writer(get()).append(numbers);
  return *this;
}

Message& Message::add(const Properties& properties) {
  Writer(get()).append(properties);
  return *this;
}

Message& Message::add_nothing_of(const char* element_type) {
  Writer(get()).append_nothing_of(element_type);
  return *this;
}

bool Message::is_signal(const std::string& interface, const std::string& member) const {
  return dbus_message_is_signal(get(), interface.c_str(), member.c_str()) == TRUE;
}

std::vector<std::string> Message::texts() const {
  std::vector<std::string> result;
  DBusMessageIter place{};
  if (dbus_message_iter_init(get(), &place) == FALSE) return result;
  do {
    result.push_back(text_at(place));
  } while (dbus_message_iter_next(&place) == TRUE);
  return result;
}

std::string Message::name() const {
  const char* service = dbus_message_get_destination(get());
  const char* member = dbus_message_get_member(get());
  return std::string(service == nullptr ? "?" : service) + " " + (member == nullptr ? "?" : member);
}

}  // namespace berth::dbus
