#pragma once

namespace stamarker {

/// First and one-past-last of the contiguous items that one rank owns.
struct Block {
  int begin = 0, end = 0;
  int size() const { return end - begin; }
};

/// Those of `rank`; the sizes of any two ranks differ by one at most.
constexpr Block block_of(int rank, int n_ranks, int n_items) {
  const auto edge = [=](long long r) { return static_cast<int>(r * n_items / n_ranks); };
  return {edge(rank), edge(rank + 1LL)};
}

}  // namespace stamarker
