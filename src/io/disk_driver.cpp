#include "io/disk_driver.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <memory>

namespace stamarker::h5 {

namespace {

/// What the file access property list carries.
struct DiskOptions {
  int* first_error;
};

/// HDF5 sees the first member alone.
struct DiskFile {
  H5FD_t base{};
  int descriptor = -1;
  haddr_t end_of_allocation = 0;  // as HDF5 counts
  haddr_t end_of_file = 0;        // as far as something was written, or would have been
  int* first_error = nullptr;
  dev_t device = 0;
  ino_t inode = 0;
};

DiskFile* disk(H5FD_t* file) { return reinterpret_cast<DiskFile*>(file); }
const DiskFile* disk(const H5FD_t* file) { return reinterpret_cast<const DiskFile*>(file); }

void remember(DiskFile& file, int error) {
  if (*file.first_error == 0) *file.first_error = error;
}

H5FD_t* open_disk(const char* name, unsigned flags, hid_t access, haddr_t /*most*/) {
  int how = (flags & H5F_ACC_RDWR) != 0 ? O_RDWR : O_RDONLY;
  if ((flags & H5F_ACC_TRUNC) != 0) how |= O_TRUNC;
  if ((flags & H5F_ACC_CREAT) != 0) how |= O_CREAT;
  if ((flags & H5F_ACC_EXCL) != 0) how |= O_EXCL;
  const auto* options = static_cast<const DiskOptions*>(H5Pget_driver_info(access));
  if (options == nullptr) return nullptr;
  const int descriptor = ::open(name, how | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (descriptor < 0) return nullptr;
  struct stat status {};
  if (fstat(descriptor, &status) != 0) {
    ::close(descriptor);
    return nullptr;
  }
  auto file = std::make_unique<DiskFile>();
  file->descriptor = descriptor;
  file->end_of_file = static_cast<haddr_t>(status.st_size);
  file->first_error = options->first_error;
  file->device = status.st_dev;
  file->inode = status.st_ino;
  return &file.release()->base;
}

herr_t close_disk(H5FD_t* base) {
  const std::unique_ptr<DiskFile> file(disk(base));
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

herr_t read_disk(H5FD_t* base, H5FD_mem_t /*type*/, hid_t /*transfer*/, haddr_t address,
                 std::size_t size, void* into) {
  auto* to = static_cast<char*>(into);
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
    disk_class.read = read_disk;
    disk_class.write = write_disk;
    disk_class.truncate = truncate_disk;
    const H5FD_mem_t lists[H5FD_MEM_NTYPES] = H5FD_FLMAP_DICHOTOMY;
    std::copy(std::begin(lists), std::end(lists), std::begin(disk_class.fl_map));
    return checked(H5FDregister(&disk_class));
  }();
  return driver;
}

}  // namespace

Properties disk_access(int* first_error) {
  Properties access{H5Pcreate(H5P_FILE_ACCESS)};
  const DiskOptions options{first_error};
  check(H5Pset_driver(access, disk_driver(), &options));
  return access;
}

}  // namespace stamarker::h5
