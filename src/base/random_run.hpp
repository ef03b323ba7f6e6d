#pragma once
#include <cstdint>
#include <span>

#include "base/random.hpp"

namespace stamarker {

/// The words of random_words(key, step, index) for a run of indices, several at a time: those of
/// first_index, then of first_index + 1, ... words.size() is a multiple of 4.
void random_words(RandomKey key, std::uint32_t step, std::uint64_t first_index,
                  std::span<std::uint32_t> words);

}  // namespace stamarker
