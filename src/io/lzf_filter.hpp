#pragma once
#include <cstddef>
#include <span>

namespace stamarker::h5 {

/// Number of the filter in The HDF Group's register. Its third setting is a chunk's size in bytes.
constexpr int lzf = 32000;

/// From now on this HDF5 reads datasets that h5py compressed by lzf. It writes none.
void read_lzf();

/// Whether the chunk `stored` is whole and gives at least so many bytes.
bool lzf_gives(std::span<const std::byte> stored, std::size_t fewest);

}  // namespace stamarker::h5
