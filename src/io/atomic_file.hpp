#pragma once
#include <functional>
#include <string>

#include "comm/comm.hpp"
#include "io/h5.hpp"

namespace stamarker {

/// A file that is whole or absent: it is written as `<path>.partial` and takes its name at the end.
class AtomicFile {
 public:
  /// Removes what an earlier run left of `<path>.partial`. Throws InputError when that fails.
  explicit AtomicFile(std::string path);
  ~AtomicFile();  // removes `<path>.partial` unless committed
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  const std::string& path() const { return path_; }
  const std::string& partial() const { return partial_; }
  /// Flushes to the disk and renames. Throws InputError naming path and reason.
  void commit();

 private:
  std::string path_, partial_;
  bool is_committed_ = false;
};

/// Whether it is the `<path>.partial` of some path.
bool is_partial(const std::string& path);

/// `<path>` of `<path>.partial`; any other path as it is.
std::string path_of_partial(const std::string& partial);

/// Throws the InputError of a write of `path` that failed with the system's `error`.
[[noreturn]] void throw_not_written(const std::string& path, int error);

/// Writes a text file by AtomicFile. Throws InputError: no space, no permission.
void write_text_file(const std::string& path, const std::string& text);

namespace h5 {

/// Whether a file carries checksums of its contents (block_checksums.hpp), for open_verified
/// (disk_driver.hpp). To other readers of HDF5 it is the same.
enum class Checksums { none, of_blocks };

/// Creates an HDF5 file by AtomicFile, on this rank alone; `fill` writes its contents.
/// Throws InputError: no space, no permission; then nothing of the file is left.
void write_file(const std::string& path, const std::function<void(hid_t file)>& fill,
                Checksums checksums = Checksums::none);

/// The same by all ranks of `comm` into one file. Collective. First `make` runs on rank 0 alone: it
/// makes all groups and datasets and writes what is small; then the space of the file is reserved
/// on the disk, so that it cannot run out later; then `write` runs on every rank, with the file
/// open by MPI-IO, and writes rows by the functions of h5_parallel.hpp. It throws an InputError on
/// all ranks or on none (Comm::together). Any other exception leaves at once the rank that meets
/// it, for main to end the program. Either way nothing of the file is left.
void write_file_together(const Comm& comm, const std::string& path,
                         const std::function<void(hid_t file)>& make,
                         const std::function<void(hid_t file)>& write,
                         Checksums checksums = Checksums::none);

}  // namespace h5
}  // namespace stamarker
