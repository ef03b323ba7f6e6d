#pragma once
#include "comm/comm.hpp"
#include "model/trainer.hpp"

namespace stamarker {

/// Sums over the ranks of a tile group, added in rank order, in host memory.
class TileSum : public TileReduction {
 public:
  explicit TileSum(const Comm& group) : group_(group) {}
  void sum(DeviceSpan<float> values) override {
    group_.sum_in_rank_order(std::span<float>(values.data, values.size));
  }
  void sum(DeviceSpan<double> values) override {
    group_.sum_in_rank_order(std::span<double>(values.data, values.size));
  }

 private:
  const Comm& group_;
};

}  // namespace stamarker
