#pragma once
#include <span>
#include <vector>

namespace stamarker {

/// Tiles begin .. end - 1 of a section.
struct TileRange {
  int begin = 0, end = 0;
  bool operator==(const TileRange&) const = default;

  int size() const { return end - begin; }
  TileRange first_half() const { return {begin, (begin + end) / 2}; }
  TileRange second_half() const { return {(begin + end) / 2, end}; }
};

/// The fixed binary tree along which sums over the tiles of a section are added: the sum of a range
/// of tiles is that of its first half plus that of its second half. The tree depends on the number
/// of tiles alone, so the sum is the same bits on any number of ranks.
///
/// Each rank owns a block of tiles and adds up the largest nodes of the tree that lie in it, its
/// parts: a single one where the number of ranks is a power of two that divides the number of
/// tiles, else about 2 log2(tiles / ranks) at most.
class TileTree {
 public:
  /// n_tiles is a multiple of n_ranks.
  TileTree(int n_tiles, int n_ranks);

  TileRange block_of(int rank) const { return {rank * n_mine_, (rank + 1) * n_mine_}; }
  int n_ranks() const { return static_cast<int>(n_parts_.size()); }
  /// Ascending.
  std::vector<TileRange> parts_of(int rank) const;
  /// How many parts each rank has [n_ranks].
  const std::vector<int>& n_parts() const { return n_parts_; }

  /// How the parts of all ranks, numbered one rank after another, become the whole sum: in this
  /// order, part `to` += part `from`; the sum is then part 0.
  struct Addition {
    int to, from;
  };
  const std::vector<Addition>& additions() const { return additions_; }

 private:
  int n_tiles_, n_mine_;
  std::vector<int> n_parts_;
  std::vector<Addition> additions_;
};

}  // namespace stamarker
