#include "io/lzf_filter.hpp"

#include <hdf5.h>
#include <lzf.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <limits>
#include <memory>
#include <vector>

#include "io/h5.hpp"

namespace stamarker::h5 {

namespace {

/// H5Z_func_t. `settings`, as h5py/lzf/lzf_filter.c writes them: versions of the filter and of
/// LibLZF, bytes of a chunk once it is decompressed. 0: failed, and HDF5 refuses to read; so also
/// where a chunk gives fewer bytes than that, for HDF5 would read beyond them.
std::size_t decompress(unsigned flags, std::size_t n_settings, const unsigned* settings,
                       std::size_t n_stored, std::size_t* buffer_size, void** buffer) noexcept {
  constexpr std::size_t most = std::numeric_limits<unsigned>::max();  // HDF5 has no larger chunks
  if ((flags & H5Z_FLAG_REVERSE) == 0 || n_stored > most) return 0;
  const std::size_t fewest = n_settings > 2 ? settings[2] : 0;
  std::size_t n_bytes = fewest > 0 ? fewest : *buffer_size;
  for (;;) {
    // The memory of a filter is HDF5's: it frees what it is handed.
    std::unique_ptr<void, decltype(&H5free_memory)> values(
        H5allocate_memory(n_bytes, /*clear=*/false), H5free_memory);
    if (values == nullptr) return 0;
    const unsigned n = lzf_decompress(*buffer, static_cast<unsigned>(n_stored), values.get(),
                                      static_cast<unsigned>(n_bytes));
    if (n > 0 && n < fewest) return 0;
    if (n > 0) {
      H5free_memory(*buffer);
      *buffer = values.release();
      *buffer_size = n_bytes;
      return n;
    }
    if (errno != E2BIG || n_bytes == most) return 0;  // damaged
    n_bytes = std::min(most, 2 * n_bytes);
  }
}

}  // namespace

bool lzf_gives(std::span<const std::byte> stored, std::size_t fewest) {
  constexpr std::size_t most_of_a_byte = 100;  // three bytes give at most 264
  std::vector<std::byte> values(stored.size() * most_of_a_byte);
  return lzf_decompress(stored.data(), static_cast<unsigned>(stored.size()), values.data(),
                        static_cast<unsigned>(values.size())) >= fewest;
}

void read_lzf() {
  constexpr unsigned encodes = 0, decodes = 1;
  static const H5Z_class2_t filter{H5Z_CLASS_T_VERS, lzf,     encodes,   decodes, "lzf",
                                   nullptr,          nullptr, decompress};
  static const herr_t done = H5Zregister(&filter);
  check(done);
}

}  // namespace stamarker::h5
