#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace stamarker {

/// Values replaced by 0 .. n_values - 1 in the order of their first appearance.
struct Numbered {
  std::vector<std::int32_t> number;  // [n]
  std::int32_t n_values = 0;
};

Numbered numbered(std::span<const std::uint64_t> values);
Numbered numbered(std::span<const std::int32_t> values);

}  // namespace stamarker
