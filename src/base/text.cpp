#include "base/text.hpp"

namespace stamarker {
namespace {

/// Bytes of the UTF-8 character that `text` begins with; 0: none. Reference: Unicode 15, table 3-7.
std::size_t n_bytes_of_character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t n = first < 0xc2   ? 0
                        : first < 0xe0 ? 2
                        : first < 0xf0 ? 3
                        : first < 0xf5 ? 4
                                       : 0;
  if (n == 0 || text.size() < n) return 0;
  for (std::size_t i = 1; i < n; ++i)
    if (byte(i) < 0x80 || byte(i) > 0xbf) return 0;
  const unsigned char second = byte(1);
  const bool is_overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
  const bool is_surrogate = first == 0xed && second > 0x9f;
  const bool is_too_large = first == 0xf4 && second > 0x8f;
  return is_overlong || is_surrogate || is_too_large ? 0 : n;
}

/// C0, DEL and C1; ends of lines and paragraphs, and the directional formatting characters, which
/// let a name change how the rest of its line is shown.
bool is_control(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return first < 0x20 || first == 0x7f;
  if (character.size() == 2)
    return first == 0xc2 && static_cast<unsigned char>(character[1]) < 0xa0;
  return (character >= "\u2028" && character <= "\u202e") ||
         (character >= "\u2066" && character <= "\u2069");
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
    const std::string_view character = text.substr(0, n > 0 ? n : 1);
    text.remove_prefix(character.size());
    if (n > 0 && !is_control(character)) {
      shown += character;
      continue;
    }
    for (const char c : character) {
      const auto byte = static_cast<unsigned char>(c);
      shown += {'\\', 'x', digits[byte / 16], digits[byte % 16]};
    }
  }
  return shown;
}

std::string readable_lines(std::string_view text) {
  std::string shown;
  for (std::size_t end = 0; (end = text.find('\n')) != text.npos; text.remove_prefix(end + 1))
    shown += readable(text.substr(0, end)) + '\n';
  return shown + readable(text);
}

std::string repaired(std::string_view text) {
  std::string valid;
  while (!text.empty()) {
    const std::size_t n = n_bytes_of_character(text);
    valid += n > 0 ? text.substr(0, n) : "\ufffd";
    text.remove_prefix(n > 0 ? n : 1);
  }
  return valid;
}

}  // namespace stamarker
