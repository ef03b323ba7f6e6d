#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace stamarker {

/// A count with its noun, "1 rank" or "2 ranks"; `plural` where it is not the noun and s.
std::string counted(std::int64_t n, std::string_view noun, std::string_view plural = {});

/// `text` for a terminal or a file of text: control characters and bytes outside UTF-8 become \xHH.
std::string readable(std::string_view text);

}  // namespace stamarker
