#include "io/disk_driver.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>

#include "io/block_checksums.hpp"

namespace stamarker::h5 {

namespace {

/// What the file access property list carries: of a file to be written, where the first error goes;
/// of one with checksums, where it goes why it cannot be opened.
struct DiskOptions {
  int* first_error;
  std::optional<DamagedFile>* damage;
};

/// HDF5 sees the first member alone.
struct DiskFile {
  H5FD_t base{};
  int descriptor = -1;
  haddr_t end_of_allocation = 0;  // as HDF5 counts
  haddr_t end_of_file = 0;        // as far as something was written, or would have been
  int* first_error = nullptr;
  std::unique_ptr<CheckedFile> checked;  // of a file with checksums, which has the descriptor
  std::optional<DamagedFile>* damage = nullptr;  // while HDF5 opens it, which may end its life
  dev_t device = 0;
  ino_t inode = 0;
};

DiskFile* disk(H5FD_t* file) { return reinterpret_cast<DiskFile*>(file); }
const DiskFile* disk(const H5FD_t* file) { return reinterpret_cast<const DiskFile*>(file); }

void remember(DiskFile& file, int error) {
  if (*file.first_error == 0) *file.first_error = error;
}

/// None where it cannot be opened. No exception may go through HDF5.
std::unique_ptr<CheckedFile> opened_checked(const char* name, std::optional<DamagedFile>& damage) {
  try {
    return std::make_unique<CheckedFile>(name);
  } catch (const DamagedFile& error) {
    damage = error;
  } catch (const std::exception&) {
    return nullptr;
  }
  return nullptr;
}

H5FD_t* open_disk(const char* name, unsigned flags, hid_t access, haddr_t /*most*/) {
  int how = (flags & H5F_ACC_RDWR) != 0 ? O_RDWR : O_RDONLY;
  if ((flags & H5F_ACC_TRUNC) != 0) how |= O_TRUNC;
  if ((flags & H5F_ACC_CREAT) != 0) how |= O_CREAT;
  if ((flags & H5F_ACC_EXCL) != 0) how |= O_EXCL;
  const auto* options = static_cast<const DiskOptions*>(H5Pget_driver_info(access));
  if (options == nullptr) return nullptr;
  std::unique_ptr<CheckedFile> checked;
  if (options->damage != nullptr) {
    checked = opened_checked(name, *options->damage);
    if (!checked) return nullptr;
  }
  const int descriptor =
      checked ? checked->descriptor().id() : ::open(name, how | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (descriptor < 0) return nullptr;
  struct stat status {};
  if (fstat(descriptor, &status) != 0) {
    if (!checked) ::close(descriptor);
    return nullptr;
  }
  auto file = std::make_unique<DiskFile>();
  file->descriptor = descriptor;
  file->end_of_file = static_cast<haddr_t>(checked ? checked->n_bytes() : status.st_size);
  file->checked = std::move(checked);
  file->damage = options->damage;
  file->first_error = options->first_error;
  file->device = status.st_dev;
  file->inode = status.st_ino;
  return &file.release()->base;
}

herr_t close_disk(H5FD_t* base) {
  const std::unique_ptr<DiskFile> file(disk(base));
  if (file->checked) return 0;
  if (fsync(file->descriptor) != 0 && errno != EINVAL) remember(*file, errno);
  if (::close(file->descriptor) != 0) remember(*file, errno);
  return 0;
}

int compare_disk(const H5FD_t* a, const H5FD_t* b) {
  if (disk(a)->device != disk(b)->device) return disk(a)->device < disk(b)->device ? -1 : 1;
  if (disk(a)->inode != disk(b)->inode) return disk(a)->inode < disk(b)->inode ? -1 : 1;
  return 0;
}

herr_t query_disk(const H5FD_t* /*file*/, unsigned long* flags) {
  *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
           H5FD_FEAT_AGGREGATE_SMALLDATA | H5FD_FEAT_DEFAULT_VFD_COMPATIBLE;
  return 0;
}

haddr_t get_allocated(const H5FD_t* file, H5FD_mem_t /*type*/) {
  return disk(file)->end_of_allocation;
}
herr_t set_allocated(H5FD_t* file, H5FD_mem_t /*type*/, haddr_t end) {
  disk(file)->end_of_allocation = end;
  return 0;
}
haddr_t get_end(const H5FD_t* file, H5FD_mem_t /*type*/) { return disk(file)->end_of_file; }

herr_t read_checked(DiskFile& file, haddr_t address, std::span<char> into) {
  try {
    if (file.checked->read(static_cast<std::int64_t>(address), into)) return 0;
    if (file.damage != nullptr) file.damage->emplace(file.checked->path(), file.checked->damage());
    return -1;
  } catch (const std::exception&) {  // no memory
    return -1;
  }
}

herr_t get_disk(H5FD_t* base, hid_t /*access*/, void** handle) {
  *handle = disk(base);
  return 0;
}

/// What get_disk gives for an open file.
DiskFile& disk_of(hid_t file) {
  void* handle = nullptr;
  check(H5Fget_vfd_handle(file, H5P_DEFAULT, &handle));
  return *static_cast<DiskFile*>(handle);
}

herr_t read_disk(H5FD_t* base, H5FD_mem_t /*type*/, hid_t /*transfer*/, haddr_t address,
                 std::size_t size, void* into) {
  auto* to = static_cast<char*>(into);
  if (disk(base)->checked) return read_checked(*disk(base), address, {to, size});
  while (size > 0) {
    const ssize_t n = pread(disk(base)->descriptor, to, size, static_cast<off_t>(address));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -1;
    if (n == 0) break;  // beyond the end HDF5 expects zeros
    to += n;
    address += static_cast<haddr_t>(n);
    size -= static_cast<std::size_t>(n);
  }
  std::memset(to, 0, size);
  return 0;
}

herr_t write_disk(H5FD_t* base, H5FD_mem_t /*type*/, hid_t /*transfer*/, haddr_t address,
                  std::size_t size, const void* values) {
  DiskFile& file = *disk(base);
  file.end_of_file = std::max(file.end_of_file, address + size);
  const auto* from = static_cast<const char*>(values);
  while (size > 0 && *file.first_error == 0) {
    const ssize_t n = pwrite(file.descriptor, from, size, static_cast<off_t>(address));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      remember(file, n < 0 ? errno : EIO);
      break;
    }
    from += n;
    address += static_cast<haddr_t>(n);
    size -= static_cast<std::size_t>(n);
  }
  return 0;
}

herr_t truncate_disk(H5FD_t* base, hid_t /*transfer*/, hbool_t /*is_closing*/) {
  DiskFile& file = *disk(base);
  if (file.end_of_allocation == file.end_of_file) return 0;
  if (ftruncate(file.descriptor, static_cast<off_t>(file.end_of_allocation)) != 0)
    remember(file, errno);
  file.end_of_file = file.end_of_allocation;
  return 0;
}

hid_t disk_driver() {
  static const hid_t driver = [] {
    static H5FD_class_t disk_class{};
#ifdef H5FD_CLASS_VERSION
    disk_class.version = H5FD_CLASS_VERSION;
#endif
    disk_class.name = "stamarker_disk";
    disk_class.maxaddr = static_cast<haddr_t>(std::numeric_limits<off_t>::max());
    disk_class.fc_degree = H5F_CLOSE_WEAK;
    disk_class.fapl_size = sizeof(DiskOptions);
    disk_class.open = open_disk;
    disk_class.close = close_disk;
    disk_class.cmp = compare_disk;
    disk_class.query = query_disk;
    disk_class.get_eoa = get_allocated;
    disk_class.set_eoa = set_allocated;
    disk_class.get_eof = get_end;
    disk_class.get_handle = get_disk;
    disk_class.read = read_disk;
    disk_class.write = write_disk;
    disk_class.truncate = truncate_disk;
    const H5FD_mem_t lists[H5FD_MEM_NTYPES] = H5FD_FLMAP_DICHOTOMY;
    std::copy(std::begin(lists), std::end(lists), std::begin(disk_class.fl_map));
    return checked(H5FDregister(&disk_class));
  }();
  return driver;
}

Properties access_by(const DiskOptions& options) {
  Properties access{H5Pcreate(H5P_FILE_ACCESS)};
  check(H5Pset_driver(access, disk_driver(), &options));
  return access;
}

}  // namespace

Properties disk_access(int* first_error) { return access_by({first_error, nullptr}); }

File open_verified(const std::string& path) {
  std::optional<DamagedFile> damage;
  try {
    File file = open_to_read(path, access_by({nullptr, &damage}));
    disk_of(file).damage = nullptr;
    return file;
  } catch (const InputError&) {
    if (damage) throw *damage;
    throw;
  }
}

void expect_undamaged(hid_t file) {
  const std::string& damage = disk_of(file).checked->damage();
  if (!damage.empty()) throw DamagedFile(file_name(file), damage);
}

}  // namespace stamarker::h5
