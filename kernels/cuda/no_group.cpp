#include <stdexcept>

#include "kernels/device_group.hpp"

// For builds without CUDA, and for the emulation, whose device memory is the host's.
namespace stamarker {

bool can_join_groups(const Backend&) { return false; }

DeviceGroup::Id new_group_id() { throw std::logic_error("a group of devices that cannot be"); }

std::unique_ptr<DeviceGroup> join_group(Backend&, const DeviceGroup::Id&, int, int) {
  throw std::logic_error("a group of devices that cannot be");
}

}  // namespace stamarker
