#pragma once
#include <memory>

#include "comm/comm.hpp"
#include "kernels/device_group.hpp"
#include "model/trainer.hpp"

namespace stamarker {

/// The ranks of a tile group. Where the backend's memory is the host's they sum it by MPI; where
/// each has a GPU to itself, by NCCL and on the device; where ranks share a GPU, through the host.
/// All ways add along the same tree.
class TileSum : public TileReduction {
 public:
  /// Collective over the group. In a group of several ranks every sum is of parts of `stream`,
  /// which outlives this; a rank alone has nothing to join, and may have any number of streams.
  TileSum(const Comm& group, Backend& stream);

  void reserve(const TileTree& tree, std::size_t n_bytes) override;
  void sum(Backend& stream, const TileTree& tree, DeviceMatrix<float> parts) override {
    combine(stream, tree, parts);
  }
  void sum(Backend& stream, const TileTree& tree, DeviceMatrix<double> parts) override {
    combine(stream, tree, parts);
  }
  void fill(std::span<float> values) override { group_.sum_in_rank_order(values); }

 private:
  template <class T>
  void combine(Backend& stream, const TileTree& tree, DeviceMatrix<T> parts);
  template <class T>
  void combine_on_device(const TileTree& tree, DeviceMatrix<T> parts);
  template <class T>
  void combine_on_host(const TileTree& tree, std::span<T> parts, std::size_t width) const;

  const Comm& group_;
  Backend& stream_;
  std::unique_ptr<DeviceGroup> devices_;
  Backend::Memory gathered_;  // parts of all ranks, on the device
  std::size_t n_gathered_bytes_ = 0;
};

}  // namespace stamarker
