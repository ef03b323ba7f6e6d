#include <gtest/gtest.h>

#include <vector>

#include "base/random_run.hpp"

namespace stamarker::test {
namespace {

// Numbers of kat_vectors of Random123, the authors' own library: philox4x32 10.
TEST(RandomWords, AreThoseOfPhilox) {
  const RandomKey zero{0, 0, static_cast<Purpose>(0)};
  EXPECT_EQ(random_words(zero, 0, 0),
            (std::array<std::uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const RandomKey pi{0xa4093822, 0x299f31d0, static_cast<Purpose>(0x03707344)};
  EXPECT_EQ(random_words(pi, 0x13198a2e, 0x85a308d3243f6a88),
            (std::array<std::uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomWords, AreTheSameOneByOneAndInRuns) {
  const RandomKey key{5, 6, Purpose::simulation};
  for (const std::uint64_t first : {std::uint64_t{0}, (std::uint64_t{1} << 32) - 7})
    for (const std::size_t n_indices : {0U, 1U, 63U, 64U, 65U, 200U}) {
      std::vector<std::uint32_t> run(4 * n_indices), single;
      random_words(key, 3, first, run);
      for (std::size_t k = 0; k < n_indices; ++k) {
        const auto words = random_words(key, 3, first + k);
        single.insert(single.end(), words.begin(), words.end());
      }
      EXPECT_EQ(run, single) << n_indices << " indices from " << first;
    }
}

}  // namespace
}  // namespace stamarker::test
