#include "base/text.hpp"

namespace stamarker {
namespace {

/// Bytes of the UTF-8 character that `text` begins with; 0: none, or a control character.
/// Reference: Unicode 15, table 3-7, without C0, DEL and C1.
std::size_t n_bytes_of_character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return first < 0x20 || first == 0x7f ? 0 : 1;
  const std::size_t n = first < 0xc2   ? 0
                        : first < 0xe0 ? 2
                        : first < 0xf0 ? 3
                        : first < 0xf5 ? 4
                                       : 0;
  if (n == 0 || text.size() < n) return 0;
  for (std::size_t i = 1; i < n; ++i)
    if (byte(i) < 0x80 || byte(i) > 0xbf) return 0;
  const unsigned char second = byte(1);
  const bool is_control = first == 0xc2 && second < 0xa0;
  const bool is_overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
  const bool is_surrogate = first == 0xed && second > 0x9f;
  const bool is_too_large = first == 0xf4 && second > 0x8f;
  return is_control || is_overlong || is_surrogate || is_too_large ? 0 : n;
}

}  // namespace

std::string counted(std::int64_t n, std::string_view noun, std::string_view plural) {
  std::string text = std::to_string(n) + ' ';
  if (n == 1 || plural.empty()) text += noun;
  if (n != 1) text += plural.empty() ? "s" : plural;
  return text;
}

std::string readable(std::string_view text) {
  constexpr const char* digits = "0123456789abcdef";
  std::string shown;
  while (!text.empty()) {
    const std::size_t n = n_bytes_of_character(text);
    if (n > 0) {
      shown += text.substr(0, n);
    } else {
      const auto byte = static_cast<unsigned char>(text.front());
      shown += {'\\', 'x', digits[byte / 16], digits[byte % 16]};
    }
    text.remove_prefix(n > 0 ? n : 1);
  }
  return shown;
}

}  // namespace stamarker
