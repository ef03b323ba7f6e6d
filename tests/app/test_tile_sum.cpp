#include <gtest/gtest.h>

#include <cmath>
#include <stdexcept>

#include "app/run/tile_sum.hpp"
#include "kernels/buffer.hpp"

namespace stamarker::test {
namespace {

constexpr int n_tiles = 6, width = 1000;  // on 1, 2 and 3 ranks

/// What tile t adds in column k: of many magnitudes, so that the order of additions shows.
template <class T>
T value(int t, int k) {
  return static_cast<T>(std::sin(1.0 + t * width + k) * std::pow(10.0, (t * 7 + k) % 9));
}

template <class T>
std::vector<T> sum_along_tree(TileRange tiles) {
  std::vector<T> sum(width);
  if (tiles.size() == 1) {
    for (int k = 0; k < width; ++k) sum[k] = value<T>(tiles.begin, k);
    return sum;
  }
  sum = sum_along_tree<T>(tiles.first_half());
  const std::vector<T> other = sum_along_tree<T>(tiles.second_half());
  for (int k = 0; k < width; ++k) sum[k] += other[k];
  return sum;
}

template <class T>
void expect_sum_of_all_tiles(const Comm& group, Backend& backend) {
  const TileTree tree(n_tiles, group.size());
  std::vector<T> parts;
  for (const TileRange part : tree.parts_of(group.rank())) {
    const std::vector<T> sum = sum_along_tree<T>(part);
    parts.insert(parts.end(), sum.begin(), sum.end());
  }
  Buffer<T> memory(backend, std::span<const T>(parts));
  TileSum sum(group, backend);

  sum.sum(backend, tree, memory.matrix(static_cast<int>(parts.size() / width), width));

  EXPECT_EQ(memory.to_host(0, width), sum_along_tree<T>({0, n_tiles}));
}

/// On every device, the emulated GPU among them, whose ranks share one.
TEST(TileSum, AddsAlongTheTreeOnAnyNumberOfRanks) {
  const Comm group(MPI_COMM_WORLD);
  ASSERT_GE(available_devices().size(), 2U);
  for (const Device device : available_devices()) {
    const auto backend = make_backend(device);
    expect_sum_of_all_tiles<float>(group, *backend);
    expect_sum_of_all_tiles<double>(group, *backend);
  }
}

/// A stream of another stream would be read before it is written.
TEST(TileSum, RefusesPartsOfAnotherQueueThanItsOwn) {
  const Comm group(MPI_COMM_WORLD);
  const auto own = make_backend(Device::cuda), other = make_backend(Device::cuda);
  const TileTree tree(n_tiles, group.size());
  const auto n_parts = tree.parts_of(group.rank()).size();
  Buffer<float> memory(*other, n_parts * width);
  TileSum sum(group, *own);
  const auto add = [&](Backend& stream) {
    sum.sum(stream, tree, memory.matrix(static_cast<int>(n_parts), width));
  };

  EXPECT_NO_THROW(add(*own));
  if (group.size() == 1)
    EXPECT_NO_THROW(add(*other));
  else
    EXPECT_THROW(add(*other), std::logic_error);
}

TEST(TileSum, FillsWhatOtherRanksHold) {
  const Comm group(MPI_COMM_WORLD);
  const auto backend = make_backend(Device::cpu);
  std::vector<float> values(3);
  values[group.rank()] = 1.0F + static_cast<float>(group.rank());
  TileSum sum(group, *backend);

  sum.fill(values);

  for (int r = 0; r < 3; ++r) EXPECT_EQ(values[r], r < group.size() ? 1.0F + r : 0.0F);
}

}  // namespace
}  // namespace stamarker::test
