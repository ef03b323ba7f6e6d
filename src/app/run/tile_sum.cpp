#include "app/run/tile_sum.hpp"

#include <algorithm>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include "app/run/machine.hpp"
#include "base/error.hpp"

namespace stamarker {
namespace {

/// Whether no two ranks of the group use the same device.
bool each_has_its_own(const Comm& group, const std::string& device) {
  const auto mine = static_cast<std::int64_t>(std::hash<std::string>()(host_name() + ' ' + device));
  std::vector<std::int64_t> all = group.all_gather(std::span<const std::int64_t>(&mine, 1));
  std::ranges::sort(all);
  return std::ranges::adjacent_find(all) == all.end();
}

std::unique_ptr<DeviceGroup> group_of_devices(const Comm& group, Backend& stream) {
  if (group.size() == 1 || stream.device_id().empty()) return nullptr;
  const bool can_all = group.max(can_join_groups(stream) ? 0 : 1) == 0;
  if (!each_has_its_own(group, stream.device_id()) || !can_all) return nullptr;
  DeviceGroup::Id id{};
  if (group.rank() == 0) id = new_group_id();
  group.broadcast(std::span<char>(id));
  return join_group(stream, id, group.rank(), group.size());
}

std::size_t n_parts_of_all(const TileTree& tree) {
  return std::accumulate(tree.n_parts().begin(), tree.n_parts().end(), std::size_t{0});
}

}  // namespace

TileSum::TileSum(const Comm& group, Backend& stream)
    : group_(group),
      stream_(stream),
      devices_(group_of_devices(group, stream)),
      gathered_(stream.allocate(0)) {}

void TileSum::reserve(const TileTree& tree, std::size_t n_bytes) {
  if (!devices_) return;
  const std::size_t n_all = n_bytes * n_parts_of_all(tree);
  if (n_all <= n_gathered_bytes_) return;
  gathered_ = stream_.allocate(n_all);
  n_gathered_bytes_ = n_all;
}

template <class T>
void TileSum::combine(Backend& stream, const TileTree& tree, DeviceMatrix<T> parts) {
  if (group_.size() == 1) return;
  expects(&stream == &stream_, "parts of the stream that the group's exchange works behind");
  const auto width = static_cast<std::size_t>(parts.n_cols);
  if (devices_) return combine_on_device(tree, parts);
  if (stream_.device_id().empty())
    return combine_on_host(tree, std::span<T>(parts.data, parts.size()), width);
  std::vector<T> host(parts.size());
  stream_.synchronize();
  stream_.download(parts.data, host.data(), host.size() * sizeof(T));
  combine_on_host(tree, std::span<T>(host), width);
  stream_.upload(host.data(), parts.data, width * sizeof(T));
}

template <class T>
void TileSum::combine_on_host(const TileTree& tree, std::span<T> parts, std::size_t width) const {
  group_.combine_rows<T>(parts, width, tree.n_parts(), [&](std::span<T> all, std::size_t n) {
    for (const auto& [to, from] : tree.additions())
      for (std::size_t k = 0; k < n; ++k) all[to * n + k] += all[from * n + k];
  });
}

// Every rank gets all parts and adds them itself: no sum then depends on how NCCL routes it. A
// gradient is some 7 MB a rank, far less time on NVLink than an epoch of a section that needs
// tiles.
template <class T>
void TileSum::combine_on_device(const TileTree& tree, DeviceMatrix<T> parts) {
  const auto width = static_cast<std::size_t>(parts.n_cols);
  std::vector<std::size_t> n_bytes;
  for (const int n : tree.n_parts()) n_bytes.push_back(n * width * sizeof(T));
  reserve(tree, width * sizeof(T));
  T* all = static_cast<T*>(gathered_.get());
  devices_->all_gather(parts.data, n_bytes, all);
  const auto part = [&](int k) { return DeviceSpan<T>(all + k * width, width); };
  for (const auto& [to, from] : tree.additions()) stream_.add(part(from), part(to));
  stream_.clear(parts.data, width * sizeof(T));
  stream_.add(part(0), DeviceSpan<T>(parts.data, width));
}

template void TileSum::combine(Backend&, const TileTree&, DeviceMatrix<float>);
template void TileSum::combine(Backend&, const TileTree&, DeviceMatrix<double>);

}  // namespace stamarker
