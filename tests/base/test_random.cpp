#include <Random123/philox.h>
#include <gtest/gtest.h>

#include "base/random.hpp"

namespace stamarker::test {
namespace {

constexpr auto purpose(std::uint32_t word) { return static_cast<Purpose>(word); }

}  // namespace

// The first and second of the known answers that Random123 publishes for philox4x32-10.
TEST(RandomWords, AreThePublishedOnes) {
  constexpr std::uint32_t ones = 0xffffffffu;
  constexpr std::array<std::uint32_t, 4> of_zero{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu,
                                                 0x9b00dbd8u};
  constexpr std::array<std::uint32_t, 4> of_ones{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u,
                                                 0x6d5451fdu};

  static_assert(random_words({0, 0, purpose(0)}, 0, 0) == of_zero);
  static_assert(random_words({ones, ones, purpose(ones)}, ones, ~std::uint64_t{0}) == of_ones);
}

TEST(RandomWords, AreRandom123s) {
  for (std::uint32_t k = 0; k < 1000; ++k) {
    const RandomKey key{k * 2654435761u, k, purpose(k % 7 + 1)};
    const std::uint64_t index = std::uint64_t{k} * 0x9E3779B97F4A7C15u;
    const r123::Philox4x32::ctr_type counter{{static_cast<std::uint32_t>(index),
                                              static_cast<std::uint32_t>(index >> 32), 3 * k,
                                              k % 7 + 1}};
    const auto expected = r123::Philox4x32{}(counter, {{key.seed, key.model}});

    const auto words = random_words(key, 3 * k, index);

    for (std::size_t w = 0; w < 4; ++w) ASSERT_EQ(words[w], expected[w]) << k;
  }
}

}  // namespace stamarker::test
