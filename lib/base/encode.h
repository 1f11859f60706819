#pragma once

#include <string>
#include <string_view>

namespace berth::base {

/// Lower-case hexadecimal SHA-512 of the bytes of `text` (128 digits).
std::string sha512_hex(std::string_view text);

/// Base64 with padding (RFC 4648 section 4), and back. Decoding throws std::invalid_argument on malformed input.
std::string base64_encode(std::string_view bytes);
std::string base64_decode(std::string_view text);

/// `bytes` random bytes from the kernel, in lower-case hexadecimal.
std::string random_hex(size_t bytes);

}  // namespace berth::base
