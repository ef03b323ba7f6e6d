#pragma once
#include <array>
#include <cstdint>
#include <limits>

namespace stamarker {

/// What a random number is for. Two purposes never share a number. The values are part of the
/// file format of a run: a changed value changes every result.
enum class Purpose : std::uint32_t {
  initial_weights = 1,
  neighbor = 2,    // the source each spot attends to, anew each step
  clustering = 3,  // starts of mclust, Louvain and Leiden
  classifier = 4,  // initial weights of the MLP
  held_out = 5,    // split of the classifier's training set
  batch = 6,       // mini-batches of the classifier
  simulation = 7,
};

/// Every random number of the program is a pure function of (seed, model, purpose, step, index):
/// Philox 4x32-10 with key (seed, model) and counter (index, step, purpose). So it depends on no
/// rank, thread, tile or order, and is the same in device code. Source: Salmon, Moraes, Dror and
/// Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
struct RandomKey {
  std::uint32_t seed = 0;
  std::uint32_t model = 0;
  Purpose purpose = Purpose::initial_weights;
};

/// Four independent 32-bit words for one index of one step.
constexpr std::array<std::uint32_t, 4> random_words(RandomKey key, std::uint32_t step,
                                                    std::uint64_t index) {
  std::uint32_t c0 = static_cast<std::uint32_t>(index);
  std::uint32_t c1 = static_cast<std::uint32_t>(index >> 32);
  std::uint32_t c2 = step, c3 = static_cast<std::uint32_t>(key.purpose);
  std::uint32_t k0 = key.seed, k1 = key.model;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t first = std::uint64_t{0xD2511F53u} * c0;
    const std::uint64_t second = std::uint64_t{0xCD9E8D57u} * c2;
    c0 = static_cast<std::uint32_t>(second >> 32) ^ c1 ^ k0;
    c1 = static_cast<std::uint32_t>(second);
    c2 = static_cast<std::uint32_t>(first >> 32) ^ c3 ^ k1;
    c3 = static_cast<std::uint32_t>(first);
    k0 += 0x9E3779B9u;  // the key's Weyl sequence
    k1 += 0xBB67AE85u;
  }
  return {c0, c1, c2, c3};
}

/// Uniform in (0, 1], never 0, so that its logarithm is finite.
constexpr double uniform_of(std::uint32_t word) { return (word + 1.0) * 0x1p-32; }

/// Uniform integer in 0 .. n - 1 by multiplication and shift (Lemire 2019, without rejection:
/// the bias is below n / 2^32). The same expression runs in device code.
constexpr std::uint32_t below(std::uint32_t word, std::uint32_t n) {
  return static_cast<std::uint32_t>((std::uint64_t{word} * n) >> 32);
}

/// Standard normal number by Box and Muller from the first two words of `index`.
double random_normal(RandomKey key, std::uint32_t step, std::uint64_t index);

/// The words of one step as a sequence, for sequential algorithms (shuffles, samples).
/// A UniformRandomBitGenerator.
class RandomSequence {
 public:
  using result_type = std::uint32_t;
  RandomSequence(RandomKey key, std::uint32_t step) : key_(key), step_(step) {}

  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }
  result_type operator()();

  double uniform() { return uniform_of((*this)()); }
  std::uint32_t below(std::uint32_t n) { return stamarker::below((*this)(), n); }

 private:
  RandomKey key_;
  std::uint32_t step_;
  std::uint64_t next_ = 0;
  std::array<std::uint32_t, 4> words_{};
};

}  // namespace stamarker
