#pragma once

namespace stamarker::h5 {

/// From now on this HDF5 reads datasets that h5py compressed by lzf, filter 32000 of The HDF
/// Group's register. It writes none.
void read_lzf();

}  // namespace stamarker::h5
