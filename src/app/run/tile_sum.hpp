#pragma once
#include "comm/comm.hpp"
#include "model/trainer.hpp"

namespace stamarker {

/// The ranks of a tile group, with backends whose memory is the host's.
class TileSum : public TileReduction {
 public:
  explicit TileSum(const Comm& group) : group_(group) {}
  void sum(const TileTree& tree, DeviceMatrix<float> parts) override { combine(tree, parts); }
  void sum(const TileTree& tree, DeviceMatrix<double> parts) override { combine(tree, parts); }
  void fill(std::span<float> values) override { group_.sum_in_rank_order(values); }

 private:
  template <class T>
  void combine(const TileTree& tree, DeviceMatrix<T> parts) {
    if (group_.size() == 1) return;
    group_.combine_rows<T>(std::span<T>(parts.data, parts.size()),
                           static_cast<std::size_t>(parts.n_cols), tree.n_parts(),
                           [&](std::span<T> all, std::size_t width) {
                             for (const auto& [to, from] : tree.additions())
                               for (std::size_t k = 0; k < width; ++k)
                                 all[to * width + k] += all[from * width + k];
                           });
  }

  const Comm& group_;
};

}  // namespace stamarker
