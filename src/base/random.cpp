#include "base/random.hpp"

#include <cmath>
#include <numbers>

namespace stamarker {

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
