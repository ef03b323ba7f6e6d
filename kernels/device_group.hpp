#pragma once
#include <array>
#include <cstddef>
#include <memory>
#include <span>

#include "kernels/backend.hpp"

namespace stamarker {

/// Ranks, each with a device of its own, that pass device memory to each other without the host.
class DeviceGroup {
 public:
  /// What one rank makes and all join by.
  using Id = std::array<char, 128>;

  virtual ~DeviceGroup() = default;
  /// Enqueues: rank r's n_bytes[r] bytes at `mine` stand in `all` on every rank, in rank order.
  /// Collective.
  virtual void all_gather(const void* mine, std::span<const std::size_t> n_bytes, void* all) = 0;
};

/// Whether this rank can join groups with this backend: a CUDA device, and NCCL is on the machine.
bool can_join_groups(const Backend& backend);
DeviceGroup::Id new_group_id();
/// Collective over the ranks of the group. `stream` outlives it.
std::unique_ptr<DeviceGroup> join_group(Backend& stream, const DeviceGroup::Id& id, int rank,
                                        int n_ranks);

}  // namespace stamarker
