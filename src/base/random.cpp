#include "base/random.hpp"

#include <Random123/philox.h>

#include <cmath>
#include <numbers>

namespace stamarker {

std::array<std::uint32_t, 4> random_words(RandomKey key, std::uint32_t step, std::uint64_t index) {
  const r123::Philox4x32::ctr_type counter{{static_cast<std::uint32_t>(index),
                                            static_cast<std::uint32_t>(index >> 32), step,
                                            static_cast<std::uint32_t>(key.purpose)}};
  const r123::Philox4x32::key_type philox_key{{key.seed, key.model}};
  const auto out = r123::Philox4x32{}(counter, philox_key);
  return {out[0], out[1], out[2], out[3]};
}

double random_normal(RandomKey key, std::uint32_t step, std::uint64_t index) {
  const auto words = random_words(key, step, index);
  return std::sqrt(-2 * std::log(uniform_of(words[0]))) *
         std::cos(2 * std::numbers::pi * uniform_of(words[1]));
}

RandomSequence::result_type RandomSequence::operator()() {
  const auto k = static_cast<unsigned>(next_ % 4);
  if (k == 0) words_ = random_words(key_, step_, next_ / 4);
  ++next_;
  return words_[k];
}

}  // namespace stamarker
