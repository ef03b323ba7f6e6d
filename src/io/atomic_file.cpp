#include "io/atomic_file.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

#include "io/disk_driver.hpp"

namespace stamarker {

namespace {

constexpr const char* partial_ending = ".partial";

[[noreturn]] void fail(const std::string& path, int error) {
  if (error == ENOSPC || error == EDQUOT || error == EFBIG)
    throw InputError(fmt::format("no space left writing {}; free some and start again", path));
  throw InputError(fmt::format("{} cannot be written ({})", path, std::strerror(error)));
}

/// Waits until a file, or the names in a folder, are on the disk.
void flush_to_disk(const std::string& path, const std::string& for_path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) fail(for_path, errno);
  const int status = fsync(file);
  const int error = errno;
  ::close(file);
  // Some file systems cannot flush a folder; that does no harm.
  if (status != 0 && error != EINVAL && error != ENOTSUP) fail(for_path, error);
}

}  // namespace

AtomicFile::AtomicFile(std::string path)
    : path_(std::move(path)), partial_(path_ + partial_ending) {
  std::error_code failure;
  std::filesystem::remove(partial_, failure);  // of a symbolic link, the link
  if (failure)
    throw InputError(
        fmt::format("{} cannot be written: {} is in the way and cannot be deleted ({})", path_,
                    partial_, failure.message()));
}

AtomicFile::~AtomicFile() {
  if (is_committed_) return;
  std::error_code ignored;
  std::filesystem::remove(partial_, ignored);
}

void AtomicFile::commit() {
  flush_to_disk(partial_, path_);
  if (std::rename(partial_.c_str(), path_.c_str()) != 0) fail(path_, errno);
  is_committed_ = true;
  const std::string folder = std::filesystem::path(path_).parent_path();
  flush_to_disk(folder.empty() ? "." : folder, path_);
}

bool is_partial(const std::string& path) { return path.ends_with(partial_ending); }

std::string path_of_partial(const std::string& partial) {
  if (!is_partial(partial)) return partial;
  return partial.substr(0, partial.size() - std::string_view(partial_ending).size());
}

void write_text_file(const std::string& path, const std::string& text) {
  AtomicFile file(path);
  errno = 0;
  std::ofstream out(file.partial(), std::ios::binary);
  out << text;
  out.close();
  if (!out) fail(path, errno != 0 ? errno : EIO);
  file.commit();
}

namespace h5 {

namespace {

/// Opens, works and closes, and tells at the end which write failed first.
void with_disk_file(const std::string& path,
                    const std::function<hid_t(const char* partial, hid_t access)>& open_file,
                    const std::function<void(hid_t file)>& work) {
  int first_error = 0;
  const std::string partial = path + partial_ending;
  try {
    writing(path, [&] {
      errno = 0;
      const hid_t id = open_file(partial.c_str(), disk_access(&first_error));
      if (id < 0) fail(path, errno != 0 ? errno : EIO);
      File file{id};
      work(file);
      close(std::move(file));
    });
  } catch (const std::exception&) {
    if (first_error == 0) throw;  // else it followed from the write that failed
  }
  if (first_error != 0) fail(path, first_error);
}

void make_file(const std::string& path, const std::function<void(hid_t file)>& fill) {
  with_disk_file(
      path,
      [](const char* partial, hid_t access) {
        return H5Fcreate(partial, H5F_ACC_TRUNC, H5P_DEFAULT, access);
      },
      fill);
}

/// Takes the space of the whole file from the disk. Needed because MPI-IO does not always tell of
/// a write that a full disk cut short (Open MPI 4.1.4, three ranks). Where the file system cannot
/// reserve, posix_fallocate writes into each block instead.
void reserve(const std::string& path) {
  const std::string partial = path + partial_ending;
  const int file = open(partial.c_str(), O_RDWR | O_CLOEXEC);
  if (file < 0) fail(path, errno);
  const auto size = static_cast<off_t>(std::filesystem::file_size(partial));
  const int error = posix_fallocate(file, 0, std::max<off_t>(size, 1));
  ::close(file);
  if (error != 0) fail(path, error);
}

/// Opens by MPI-IO, works and closes. A failure to open or close is agreed by all ranks.
void with_shared_file(const Comm& comm, const std::string& path,
                      const std::function<void(hid_t file)>& work) {
  hid_t id = H5I_INVALID_HID;
  comm.together([&] {
    writing(path, [&] {
      const Properties access{H5Pcreate(H5P_FILE_ACCESS)};
      check(H5Pset_fapl_mpio(access, comm.get(), MPI_INFO_NULL));
      id = checked(H5Fopen((path + partial_ending).c_str(), H5F_ACC_RDWR, access));
    });
  });
  File file{id};
  try {
    work(file);
  } catch (const InputError&) {
    throw;  // of all ranks, which now close the file together
  } catch (...) {
    file.release();  // of this rank alone: to close it would wait for the others
    throw;
  }
  comm.together([&] { writing(path, [&] { close(std::move(file)); }); });
}

}  // namespace

void write_file(const std::string& path, const std::function<void(hid_t file)>& fill) {
  AtomicFile file(path);
  make_file(path, fill);
  file.commit();
}

void write_file_together(const Comm& comm, const std::string& path,
                         const std::function<void(hid_t file)>& make,
                         const std::function<void(hid_t file)>& write) {
  std::optional<AtomicFile> file;  // on rank 0; it outlives the HDF5 file
  comm.on_root([&] {
    file.emplace(path);
    make_file(path, make);
    reserve(path);
  });
  if (comm.size() > 1) {
    with_shared_file(comm, path, write);
  } else {  // some file systems lack MPI-IO, and one rank does not need it
    with_disk_file(
        path,
        [](const char* partial, hid_t access) { return H5Fopen(partial, H5F_ACC_RDWR, access); },
        write);
  }
  comm.on_root([&] { file->commit(); });
}

}  // namespace h5
}  // namespace stamarker
