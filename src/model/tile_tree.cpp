#include "model/tile_tree.hpp"

#include <functional>

#include "base/error.hpp"

namespace stamarker {
namespace {

/// Appends the largest nodes below `node` that lie in `block`.
void add_parts(TileRange node, TileRange block, std::vector<TileRange>& parts) {
  if (node.end <= block.begin || block.end <= node.begin) return;
  if (block.begin <= node.begin && node.end <= block.end) return parts.push_back(node);
  add_parts(node.first_half(), block, parts);
  add_parts(node.second_half(), block, parts);
}

}  // namespace

TileTree::TileTree(int n_tiles, int n_ranks) : n_tiles_(n_tiles), n_mine_(n_tiles / n_ranks) {
  expects(n_tiles > 0 && n_tiles % n_ranks == 0, "as many tiles on every tile rank");
  std::vector<TileRange> all;
  for (int rank = 0; rank < n_ranks; ++rank) {
    const std::vector<TileRange> parts = parts_of(rank);
    n_parts_.push_back(static_cast<int>(parts.size()));
    all.insert(all.end(), parts.begin(), parts.end());
  }
  int next = 0;  // part, in ascending order
  const std::function<int(TileRange)> gather = [&](TileRange node) {
    if (node == all[next]) return next++;
    const int to = gather(node.first_half());
    additions_.push_back({to, gather(node.second_half())});
    return to;
  };
  gather({0, n_tiles});
}

std::vector<TileRange> TileTree::parts_of(int rank) const {
  std::vector<TileRange> parts;
  add_parts({0, n_tiles_}, block_of(rank), parts);
  return parts;
}

}  // namespace stamarker
