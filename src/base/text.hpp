#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace stamarker {

/// A count with its noun, "1 rank" or "2 ranks"; `plural` where it is not the noun and s.
std::string counted(std::int64_t n, std::string_view noun, std::string_view plural = {});

/// `text` for a terminal or a file of text: control characters, those that turn the direction of
/// text, and bytes outside UTF-8 become \xHH.
std::string readable(std::string_view text);
/// The same for a text of several lines, whose ends stay. Names in it must be readable already.
std::string readable_lines(std::string_view text);

/// `text` with U+FFFD in the place of each byte outside UTF-8, as anndata can read it.
std::string repaired(std::string_view text);

}  // namespace stamarker
