#include "base/encode.h"

#include <nettle/base64.h>
#include <nettle/sha2.h>
#include <sys/random.h>

#include <array>
#include <stdexcept>

#include "base/error.h"

namespace berth::base {

namespace {

std::string hex(const uint8_t* bytes, size_t count) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * count);
  for (size_t i = 0; i < count; ++i) {
    text += kDigits[bytes[i] >> 4];
    text += kDigits[bytes[i] & 15];
  }
  return text;
}

const uint8_t* as_bytes(std::string_view text) {
  return reinterpret_cast<const uint8_t*>(text.data());
}

}  // namespace

std::string sha512_hex(std::string_view text) {
  sha512_ctx context;
  ::sha512_init(&context);
  ::sha512_update(&context, text.size(), as_bytes(text));
  std::array<uint8_t, SHA512_DIGEST_SIZE> digest;
  ::sha512_digest(&context, digest.size(), digest.data());
  return hex(digest.data(), digest.size());
}

std::string base64_encode(std::string_view bytes) {
  std::string text(BASE64_ENCODE_RAW_LENGTH(bytes.size()), '\0');
  ::base64_encode_raw(text.data(), bytes.size(), as_bytes(bytes));
  return text;
}

std::string base64_decode(std::string_view text) {
  base64_decode_ctx context;
  ::base64_decode_init(&context);
  std::string bytes(BASE64_DECODE_LENGTH(text.size()), '\0');
  size_t size = bytes.size();
  const int ok =
      ::base64_decode_update(&context, &size, reinterpret_cast<uint8_t*>(bytes.data()), text.size(), text.data());
  if (ok == 0 || ::base64_decode_final(&context) == 0) throw std::invalid_argument("malformed base64");
  bytes.resize(size);
  return bytes;
}

std::string random_hex(size_t bytes) {
  std::array<uint8_t, 64> buffer;
  if (bytes > buffer.size()) throw std::invalid_argument("random_hex: too many bytes");
  if (::getrandom(buffer.data(), bytes, 0) != static_cast<ssize_t>(bytes)) throw_errno("get random bytes");
  return hex(buffer.data(), bytes);
}

}  // namespace berth::base
