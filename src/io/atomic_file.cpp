#include "io/atomic_file.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

#include "io/h5_parallel.hpp"

namespace stamarker {

namespace {

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
  close(file);
  // Some file systems cannot flush a folder; that does no harm.
  if (status != 0 && error != EINVAL && error != ENOTSUP) fail(for_path, error);
}

}  // namespace

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)), partial_(path_ + ".partial") {
  std::error_code ignored;
  std::filesystem::remove(partial_, ignored);
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

void write_file(const std::string& path, const std::function<void(hid_t file)>& fill) {
  AtomicFile file(path);
  writing(path, [&] {
    File opened = create(file.partial());
    fill(opened);
    close(std::move(opened));
  });
  file.commit();
}

void write_file_together(const Comm& comm, const std::string& path,
                         const std::function<void(hid_t file)>& fill) {
  std::optional<AtomicFile> file;  // on rank 0; it outlives the HDF5 file below
  if (comm.rank() == 0) file.emplace(path);
  const std::string partial = path + ".partial";
  {
    File opened = create_together(comm, partial);
    fill(opened);
    close_together(comm, std::move(opened), path);
  }
  comm.on_root([&] { file->commit(); });
}

}  // namespace h5
}  // namespace stamarker
