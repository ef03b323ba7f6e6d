#include "io/atomic_file.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <system_error>

#include "io/block_checksums.hpp"
#include "io/descriptor.hpp"
#include "io/disk_driver.hpp"

namespace stamarker {

namespace {

namespace fs = std::filesystem;

constexpr const char* partial_ending = ".partial";

void check(int error, const std::string& path) {
  if (error != 0) throw_not_written(path, error);
}

/// Waits until a file, or the names in a folder, are on the disk.
void flush_to_disk(const std::string& path, const std::string& for_path) {
  const Descriptor file(path, O_RDONLY);
  check(file.is_open() ? file.flush() : errno, for_path);
}

}  // namespace

void throw_not_written(const std::string& path, int error) {
  if (error == ENOSPC || error == EDQUOT || error == EFBIG)
    throw InputError(fmt::format("no space left writing {}; free some and start again", path));
  throw InputError(fmt::format("{} cannot be written ({})", path, std::strerror(error)));
}

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
  if (!is_committed_) unlink(partial_.c_str());  // which needs no memory
}

void AtomicFile::commit() {
  flush_to_disk(partial_, path_);
  check(std::rename(partial_.c_str(), path_.c_str()) == 0 ? 0 : errno, path_);
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
  if (!out) throw_not_written(path, errno != 0 ? errno : EIO);
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
      if (id < 0) throw_not_written(path, errno != 0 ? errno : EIO);
      File file{id};
      work(file);
      close(std::move(file));
    });
  } catch (const std::exception&) {
    if (first_error == 0) throw;  // else it followed from the write that failed
  }
  stamarker::check(first_error, path);
}

void make_file(const std::string& path, const std::function<void(hid_t file)>& fill) {
  with_disk_file(
      path,
      [](const char* partial, hid_t access) {
        return H5Fcreate(partial, H5F_ACC_TRUNC, H5P_DEFAULT, access);
      },
      fill);
}

/// Bytes of `<path>.partial`.
std::int64_t size_of_partial(const std::string& path) {
  std::error_code failure;
  const auto size = static_cast<std::int64_t>(fs::file_size(path + partial_ending, failure));
  stamarker::check(failure.value(), path);
  return size;
}

/// Takes the space of n_bytes from the disk, so that none of the ranks runs out of it. Where the
/// file system cannot reserve, posix_fallocate writes into each block instead.
void reserve(const std::string& path, std::int64_t n_bytes) {
  const Descriptor file(path + partial_ending, O_RDWR | O_NOFOLLOW);
  stamarker::check(file.is_open() ? 0 : errno, path);
  stamarker::check(posix_fallocate(file.id(), 0, std::max<off_t>(n_bytes, 1)), path);
}

/// Runs `work` on `<path>.partial`.
template <class Work>
auto on_partial(const std::string& path, Work work) {
  try {
    return work(path + partial_ending);
  } catch (const std::system_error& error) {
    throw_not_written(path, error.code().value());
  }
}

std::vector<std::uint64_t> checksums_of_share(const std::string& path, std::int64_t n_bytes,
                                              int rank, int n_ranks) {
  const Block mine = block_of(rank, n_ranks, static_cast<int>(checked_blocks(n_bytes).n()));
  return on_partial(
      path, [&](const std::string& partial) { return checksums_of_part(partial, n_bytes, mine); });
}

void append(const std::string& path, std::int64_t n_bytes,
            const std::vector<std::uint64_t>& checksums) {
  on_partial(path,
             [&](const std::string& partial) { append_checksums(partial, n_bytes, checksums); });
}

/// What all ranks have written is read once more, by all, to get its checksums.
void append_together(const Comm& comm, const std::string& path, std::int64_t n_bytes) {
  comm.broadcast(std::span(&n_bytes, 1));
  std::vector<std::int64_t> mine;  // MPI's type; the bits are the same
  comm.together([&] {
    const auto checksums = checksums_of_share(path, n_bytes, comm.rank(), comm.size());
    mine.assign(checksums.begin(), checksums.end());
  });
  const std::vector<std::int64_t> all = comm.gather(std::span<const std::int64_t>(mine));
  comm.on_root([&] { append(path, n_bytes, {all.begin(), all.end()}); });
}

/// Runs `call`, in which MPI-IO makes all ranks wait for each other. A failure of all ranks is
/// agreed. A rank that fails alone (it has no memory) throws a LibraryError after `patience_s`, for
/// main to end the job, in which the others wait for it. Collective.
void call_together(const Comm& comm, const std::string& path, const std::function<void()>& call) {
  constexpr double patience_s = 10;
  std::string failure;
  try {
    writing(path, call);
  } catch (const InputError& error) {
    failure = error.what();
  }
  if (!comm.all_arrive(failure.empty() ? std::numeric_limits<double>::infinity() : patience_s))
    throw LibraryError("MPI-IO", failure, Site::current());
  comm.agree(failure);
}

/// Throws InputError where this process can take no more address space. Open MPI's MPI-IO crashes
/// then, or leaves the other ranks waiting.
void expect_address_space(const std::string& path) {
  constexpr std::size_t bytes = std::size_t{64} << 20;
  void* const taken =
      mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (taken == MAP_FAILED)
    throw InputError(
        fmt::format("no memory left writing {} (64 MB of address space on every rank; "
                    "raise its limit or use fewer ranks)",
                    path));
  munmap(taken, bytes);
}

/// Each rank opens what rank 0 has made by MPI-IO and writes its rows.
void write_on_all(const Comm& comm, const std::string& path,
                  const std::function<void(hid_t file)>& write) {
  if (comm.size() == 1)  // some file systems lack MPI-IO, and one rank does not need it
    return with_disk_file(
        path,
        [](const char* partial, hid_t access) { return H5Fopen(partial, H5F_ACC_RDWR, access); },
        write);
  comm.together([&] { expect_address_space(path); });
  std::optional<File> file;
  call_together(comm, path, [&] {
    const Properties access{H5Pcreate(H5P_FILE_ACCESS)};
    check(H5Pset_fapl_mpio(access, comm.get(), MPI_INFO_NULL));
    file.emplace(H5Fopen((path + partial_ending).c_str(), H5F_ACC_RDWR, access));
  });
  try {
    write(*file);
  } catch (const InputError&) {
    throw;  // of all ranks, which now close the file together
  } catch (...) {
    file->release();  // of this rank alone: to close it would wait for the others
    throw;
  }
  call_together(comm, path, [&] { close(std::move(*file)); });
  comm.together([&] { flush_to_disk(path + partial_ending, path); });
}

}  // namespace

void write_file(const std::string& path, const std::function<void(hid_t file)>& fill,
                Checksums checksums) {
  AtomicFile file(path);
  make_file(path, fill);
  if (checksums == Checksums::of_blocks) {
    const std::int64_t n_bytes = size_of_partial(path);
    append(path, n_bytes, checksums_of_share(path, n_bytes, 0, 1));
  }
  file.commit();
}

void write_file_together(const Comm& comm, const std::string& path,
                         const std::function<void(hid_t file)>& make,
                         const std::function<void(hid_t file)>& write, Checksums checksums) {
  const std::string partial = path + partial_ending;
  std::optional<AtomicFile> file;  // on rank 0
  std::int64_t n_bytes = 0;        // likewise
  try {
    comm.on_root([&] {
      file.emplace(path);
      make_file(path, make);
      n_bytes = size_of_partial(path);
      reserve(path, n_bytes + (checksums == Checksums::none ? 0 : bytes_of_checksums(n_bytes)));
    });
    write_on_all(comm, path, write);
    if (checksums == Checksums::of_blocks) append_together(comm, path, n_bytes);
    comm.on_root([&] { file->commit(); });
  } catch (const InputError&) {
    throw;  // of all ranks: rank 0 removes the file
  } catch (...) {
    unlink(partial.c_str());  // of this rank alone: main ends the others
    throw;
  }
}

}  // namespace h5
}  // namespace stamarker
