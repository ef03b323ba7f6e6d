#include "kernels/cuda/block_memory.hpp"
#include "kernels/cuda/launch.hpp"
#include "kernels/cuda/mirror.hpp"

namespace stamarker {
namespace {

constexpr int tile = 32, tile_threads = 256;

/// One block a tile, through shared memory so that rows are read and written as rows.
__global__ void mirror_kernel(Matrix m) {
  if (blockIdx.y > blockIdx.x) return;  // of tiles on and above the diagonal
  BlockMemory memory;
  const Shared<float> values = memory.take<float>(tile * (tile + 1));
  const int lane = static_cast<int>(threadIdx.x) % tile,
            first = static_cast<int>(threadIdx.x) / tile;
  const int row0 = static_cast<int>(blockIdx.y) * tile,
            column0 = static_cast<int>(blockIdx.x) * tile;
  for (int r = first; r < tile; r += tile_threads / tile)
    if (row0 + r < m.n_rows && column0 + lane < m.n_cols)
      values[r * (tile + 1) + lane] =
          m.data[static_cast<std::size_t>(row0 + r) * m.n_cols + column0 + lane];
  __syncthreads();
  for (int c = first; c < tile; c += tile_threads / tile) {
    const int row = row0 + lane, column = column0 + c;
    if (row < column && column < m.n_cols)
      m.data[static_cast<std::size_t>(column) * m.n_cols + row] = values[lane * (tile + 1) + c];
  }
}

}  // namespace

void mirror_upper(Stream stream, Matrix m) {
  const int n_tiles = (m.n_cols + tile - 1) / tile;
  launch(stream,
         {.n_blocks = n_tiles,
          .n_blocks_y = n_tiles,
          .n_threads = tile_threads,
          .shared_bytes = shared_bytes<float>(tile * (tile + 1))},
         mirror_kernel, m);
}

}  // namespace stamarker
