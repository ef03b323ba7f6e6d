#include "base/random_run.hpp"

#include <algorithm>
#include <array>

#include "base/error.hpp"
#include "base/instruction_sets.hpp"

namespace stamarker {
namespace {

constexpr int n_lanes = 64;  // indices at a time; GCC unrolls loops over 16 and keeps them scalar
using Lanes = std::array<std::uint32_t, n_lanes>;

/// random_words of n_lanes indices side by side, written so that compilers use vector registers.
STM_VECTOR_CLONES void philox(RandomKey key, std::uint32_t step, std::uint64_t first_index,
                              std::uint32_t* words) {
  Lanes a{}, b{}, c{}, d{};
  for (int k = 0; k < n_lanes; ++k) {
    a[k] = static_cast<std::uint32_t>(first_index + k);
    b[k] = static_cast<std::uint32_t>((first_index + k) >> 32);
    c[k] = step;
    d[k] = static_cast<std::uint32_t>(key.purpose);
  }
  std::uint32_t seed = key.seed, model = key.model;
  for (int round = 0; round < 10; ++round) {
    for (int k = 0; k < n_lanes; ++k) {
      const std::uint64_t of_a = std::uint64_t{0xD2511F53} * a[k];
      const std::uint64_t of_c = std::uint64_t{0xCD9E8D57} * c[k];
      a[k] = static_cast<std::uint32_t>(of_c >> 32) ^ b[k] ^ seed;
      b[k] = static_cast<std::uint32_t>(of_c);
      c[k] = static_cast<std::uint32_t>(of_a >> 32) ^ d[k] ^ model;
      d[k] = static_cast<std::uint32_t>(of_a);
    }
    seed += 0x9E3779B9;
    model += 0xBB67AE85;
  }
  for (int k = 0; k < n_lanes; ++k) {
    std::uint32_t* of_index = words + std::ptrdiff_t{4} * k;
    of_index[0] = a[k];
    of_index[1] = b[k];
    of_index[2] = c[k];
    of_index[3] = d[k];
  }
}

}  // namespace

void random_words(RandomKey key, std::uint32_t step, std::uint64_t first_index,
                  std::span<std::uint32_t> words) {
  expects(words.size() % 4 == 0, "four words for each index");
  constexpr std::size_t n = std::size_t{4} * n_lanes;
  std::size_t done = 0;
  for (; done + n <= words.size(); done += n)
    philox(key, step, first_index + done / 4, words.data() + done);
  if (done == words.size()) return;
  std::array<std::uint32_t, n> last{};
  philox(key, step, first_index + done / 4, last.data());
  std::copy_n(last.begin(), words.size() - done, words.begin() + static_cast<std::ptrdiff_t>(done));
}

}  // namespace stamarker
