#pragma once
#include <hdf5.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/crash_report.hpp"
#include "base/error.hpp"

/// The only HDF5 calls of the program stand in this folder. Names are the library's own.
namespace stamarker::h5 {

/// Throw LibraryError with HDF5's own innermost reason.
void check(herr_t status, Site where = Site::current());
hid_t checked(hid_t id, Site where = Site::current());

/// An HDF5 id and the one function that may close it. Move-only.
template <herr_t (*Close)(hid_t)>
class Handle {
 public:
  explicit Handle(hid_t id, Site where = Site::current()) : id_(checked(id, where)) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    return *this;
  }
  ~Handle() {
    if (id_ >= 0) Close(id_);
  }
  operator hid_t() const { return id_; }
  /// The id, which the caller now closes.
  hid_t release() { return std::exchange(id_, H5I_INVALID_HID); }

 private:
  hid_t id_;
};
using Group = Handle<H5Gclose>;
using DataSet = Handle<H5Dclose>;
using Space = Handle<H5Sclose>;
using Type = Handle<H5Tclose>;
using Properties = Handle<H5Pclose>;
using Attribute = Handle<H5Aclose>;
using Object = Handle<H5Oclose>;

/// A file. One that is open to be read is named if the process crashes, also while closing it.
class File {
 public:
  explicit File(hid_t id, std::unique_ptr<const FileBeingRead> name = nullptr,
                Site where = Site::current())
      : name_(std::move(name)), handle_(id, where) {}
  operator hid_t() const { return handle_; }
  hid_t release() { return handle_.release(); }  // the caller now closes it

 private:
  std::unique_ptr<const FileBeingRead> name_;
  Handle<H5Fclose> handle_;
};

/// The memory type that matches T.
template <class T>
hid_t native_type() {
  if constexpr (std::is_same_v<T, float>)
    return H5T_NATIVE_FLOAT;
  else if constexpr (std::is_same_v<T, double>)
    return H5T_NATIVE_DOUBLE;
  else if constexpr (std::is_same_v<T, std::int8_t>)
    return H5T_NATIVE_INT8;
  else if constexpr (std::is_same_v<T, std::uint8_t>)
    return H5T_NATIVE_UINT8;
  else if constexpr (std::is_same_v<T, std::int16_t>)
    return H5T_NATIVE_INT16;
  else if constexpr (std::is_same_v<T, std::uint16_t>)
    return H5T_NATIVE_UINT16;
  else if constexpr (std::is_same_v<T, std::int32_t>)
    return H5T_NATIVE_INT32;
  else if constexpr (std::is_same_v<T, std::uint32_t>)
    return H5T_NATIVE_UINT32;
  else if constexpr (std::is_same_v<T, std::int64_t>)
    return H5T_NATIVE_INT64;
  else {
    static_assert(std::is_same_v<T, std::uint64_t>, "a number type that HDF5 knows");
    return H5T_NATIVE_UINT64;
  }
}

// Files. They are written by write_file and write_file_together (atomic_file.hpp).

/// Opens for reading, by this rank alone; without a lock unless `access` says how. Throws
/// InputError: missing, a folder, not HDF5, truncated, marked as open for writing.
File open_to_read(const std::string& path, hid_t access = H5P_DEFAULT);
/// Flushes and closes, so that errors of the disk are seen. No object of the file may be open.
void close(File file);
std::string file_name(hid_t object);
/// File and path of an object, "a.h5ad: X/data", for messages.
std::string place_of(hid_t object);
/// Throws the InputError of the dataset at `place` that cannot be read for `reason`.
[[noreturn]] void throw_damaged(const std::string& place, const std::string& reason);
/// Throws the InputError of a dataset `name` in `where` that HDF5 refuses to read for `reason`: it
/// is written with a filter that this HDF5 has not, or the file is damaged.
[[noreturn]] void throw_unreadable(hid_t where, const std::string& name, const std::string& reason);
/// Runs `work`; a LibraryError of it becomes an InputError that says `path` cannot be written and
/// why, first of all that no space is left.
void writing(const std::string& path, const std::function<void()>& work);

// Groups and what is in them.

bool exists(hid_t where, const std::string& name);    // a link of that path, at any depth
bool is_group(hid_t where, const std::string& name);  // false too if there is no such link
std::vector<std::string> names_in(hid_t where);       // links of a group, in name order
std::vector<std::string> names_in(hid_t where, const std::string& group);  // none: no such group
std::vector<std::int64_t> shape_of(hid_t where, const std::string& name);  // of a dataset
Group make_group(hid_t where, const std::string& name);                    // parents are made too
/// The same for attributes of any size: those of others hold 64 KB, which is 4000 texts.
Group make_group_of_large_attributes(hid_t where, const std::string& name);
/// Throw InputError naming file and path if it is not there.
Group open_group(hid_t where, const std::string& name);
DataSet open_dataset(hid_t where, const std::string& name);
H5T_class_t class_of(hid_t where, const std::string& dataset);

// What a file says of a dataset is checked before anything is allocated for it
// (dataset_checks.cpp).

/// The lengths of a dataset's dimensions that its reader expects.
using Lengths = std::vector<std::int64_t>;
constexpr std::int64_t any_length = -1;  // among Lengths: whatever the file says

/// Throws InputError naming file, path and both shapes unless `set` has these lengths; also where
/// one value takes more than 1 MiB, where the file cannot hold as many values as it says, or where
/// the settings of a filter do not fit the chunks.
void expect_lengths(const DataSet& set, const Lengths& expected);
/// The same but for the lengths.
void expect_sound(const DataSet& set);
/// Opens a dataset that expect_lengths accepts.
DataSet open_checked(hid_t where, const std::string& name, const Lengths& expected);
/// For reading one run of rows after another: of compressed chunks the last one is kept, others are
/// read straight into the caller's memory. The dataset must not be open already.
DataSet open_for_runs(hid_t where, const std::string& name, const Lengths& expected);
/// The length of a one-dimensional dataset. Throws InputError if it has not one dimension.
std::int64_t length_of(hid_t where, const std::string& name);
/// A sound dataset's values, over all its dimensions.
std::size_t n_values(const DataSet& set);

// Datasets. Reading throws InputError naming file and path: not there, damaged, not numbers, other
// lengths than expected.

/// values: as many as the expected lengths give; none of these is any_length.
void read_values(hid_t where, const std::string& name, const Lengths& expected, hid_t memory_type,
                 void* values);
/// The whole dataset into `values`, as many as n_values says.
void read_values(const DataSet& set, hid_t memory_type, void* values);
/// Rows [first, first + n) of a dataset of one or more dimensions, all of each row.
void read_rows(hid_t where, const std::string& name, const Lengths& expected, std::int64_t first,
               std::int64_t n, hid_t memory_type, void* values);
/// The same by H5Dread alone, where others inflate chunks by several threads.
void read_rows_by_hdf5(const DataSet& set, std::int64_t first, std::int64_t n, hid_t memory_type,
                       void* values);
/// The values of an open dataset, converted to T by HDF5, last dimension fastest.
template <class T>
std::vector<T> read(const DataSet& set) {
  std::vector<T> values(n_values(set));
  read_values(set, native_type<T>(), values.data());
  return values;
}
template <class T>
std::vector<T> read(hid_t where, const std::string& name, const Lengths& expected) {
  return read<T>(open_checked(where, name, expected));
}
/// The same of a dataset of any shape.
template <class T>
std::vector<T> read(hid_t where, const std::string& name) {
  const DataSet set = open_dataset(where, name);
  expect_sound(set);
  return read<T>(set);
}
std::vector<std::string> read_strings(hid_t where, const std::string& name,
                                      const Lengths& expected);
/// The same of a dataset of any shape.
std::vector<std::string> read_strings(hid_t where, const std::string& name);

void write_values(hid_t where, const std::string& name, hid_t type, const void* values,
                  std::size_t n_values, const std::vector<std::int64_t>& shape);
/// A dataset of zeros, whose rows may be written later.
void write_empty(hid_t where, const std::string& name, hid_t type,
                 const std::vector<std::int64_t>& shape);
/// A whole dataset, contiguous, in the file type that matches T; scalars have an empty shape.
template <class T>
void write(hid_t where, const std::string& name, std::span<const T> values,
           const std::vector<std::int64_t>& shape) {
  write_values(where, name, native_type<T>(), values.data(), values.size(), shape);
}
/// One-dimensional.
template <class T>
void write(hid_t where, const std::string& name, const std::vector<T>& values) {
  write(where, name, std::span<const T>(values), {static_cast<std::int64_t>(values.size())});
}
/// Variable-length UTF-8.
void write_strings(hid_t where, const std::string& name, const std::vector<std::string>& values);
/// One text without dimensions.
void write_text(hid_t where, const std::string& name, const std::string& text);

// Attributes.

bool has_attribute(hid_t object, const std::string& name);
/// Empty if there is none, or it is not text.
std::string text_attribute_or_empty(hid_t object, const std::string& name);
std::string read_text_attribute(hid_t object, const std::string& name);
std::vector<std::string> read_text_attributes(hid_t object, const std::string& name);
/// Throws InputError: no numbers.
void read_attribute_values(hid_t object, const std::string& name, hid_t type, void* values);
/// Throws InputError: more than an attribute can hold.
std::size_t n_attribute_values(hid_t object, const std::string& name);
template <class T>
std::vector<T> read_attribute(hid_t object, const std::string& name) {
  std::vector<T> values(n_attribute_values(object, name));
  read_attribute_values(object, name, native_type<T>(), values.data());
  return values;
}
/// These replace an attribute of the same name.
void write_attribute(hid_t object, const std::string& name, const std::string& text);
void write_attribute(hid_t object, const std::string& name, const std::vector<std::string>& texts);
void write_attribute_values(hid_t object, const std::string& name, hid_t type, const void* values,
                            const std::vector<std::int64_t>& shape);
template <class T>
requires std::is_arithmetic_v<T>
void write_attribute(hid_t object, const std::string& name, T value) {
  write_attribute_values(object, name, native_type<T>(), &value, {});
}
template <class T>
requires std::is_arithmetic_v<T>
void write_attribute(hid_t object, const std::string& name, const std::vector<T>& values) {
  write_attribute_values(object, name, native_type<T>(), values.data(),
                         {static_cast<std::int64_t>(values.size())});
}

/// A type of variable-length UTF-8 text.
Type text_type();
Space space_of(const std::vector<std::int64_t>& shape);
/// The dataspace of a dataset with rows [first, first + n) selected, all of each row.
Space select_rows(hid_t set, std::int64_t first, std::int64_t n);

}  // namespace stamarker::h5
