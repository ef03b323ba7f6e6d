#pragma once
#include "io/h5.hpp"

namespace stamarker::h5 {

/// File access by one rank whose failed writes are told at the end, not at once. HDF5 1.10 cannot
/// close a file when a write fails meanwhile (the disk is full): the file stays half open and the
/// library crashes at the end of the program. So this driver lets HDF5 go on, and puts the error
/// number of the first failure into `first_error`, which the caller looks at after closing.
/// `first_error` is 0 at first and outlives the file.
Properties disk_access(int* first_error);

/// Opens a file with checksums (block_checksums.hpp) for reading, by this rank alone. HDF5 gets no
/// byte of a block whose checksum does not match. Throws InputError: missing, not readable;
/// DamagedFile.
File open_verified(const std::string& path);
/// Throws DamagedFile if a read of this file, opened by open_verified, met a damaged block. To be
/// called after reading, since HDF5 takes some of what it cannot read for absent.
void expect_undamaged(hid_t file);

}  // namespace stamarker::h5
