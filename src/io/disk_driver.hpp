#pragma once
#include "io/h5.hpp"

namespace stamarker::h5 {

/// File access by one rank whose failed writes are told at the end, not at once. HDF5 1.10 cannot
/// close a file when a write fails meanwhile (the disk is full): the file stays half open and the
/// library crashes at the end of the program. So this driver lets HDF5 go on, and puts the error
/// number of the first failure into `first_error`, which the caller looks at after closing.
/// `first_error` is 0 at first and outlives the file.
Properties disk_access(int* first_error);

}  // namespace stamarker::h5
