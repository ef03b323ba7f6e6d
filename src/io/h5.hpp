#pragma once
#include <hdf5.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"

/// The only HDF5 calls of the program stand in this folder. Names are the library's own.
namespace stamarker::h5 {

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

 private:
  hid_t id_;
};
using File = Handle<H5Fclose>;
using Group = Handle<H5Gclose>;
using DataSet = Handle<H5Dclose>;
using Space = Handle<H5Sclose>;
using Type = Handle<H5Tclose>;
using Properties = Handle<H5Pclose>;
using Attribute = Handle<H5Aclose>;
using Object = Handle<H5Oclose>;

/// The memory type that matches T.
template <class T>
hid_t native_type();

/// Opens for reading, by this rank alone. Throws InputError: missing, a folder, not HDF5, truncated.
File open_to_read(const std::string& path);
/// Creates or replaces, by this rank alone. Throws InputError naming path and reason.
File create(const std::string& path);

bool exists(hid_t where, const std::string& name);          // a link of that path, at any depth
std::vector<std::string> names_in(hid_t where);             // links of a group, in name order
std::vector<std::int64_t> shape_of(hid_t where, const std::string& name);
Group make_group(hid_t where, const std::string& name);     // parents are made too

/// The whole dataset, converted to T by HDF5.
template <class T>
std::vector<T> read(hid_t where, const std::string& name);
std::vector<std::string> read_strings(hid_t where, const std::string& name);

/// A whole dataset, contiguous, in the file type that matches T; scalars have an empty shape.
template <class T>
void write(hid_t where, const std::string& name, std::span<const T> values,
           const std::vector<std::int64_t>& shape);
/// One-dimensional.
template <class T>
void write(hid_t where, const std::string& name, const std::vector<T>& values) {
  write(where, name, std::span<const T>(values), {static_cast<std::int64_t>(values.size())});
}
/// Variable-length UTF-8.
void write_strings(hid_t where, const std::string& name, const std::vector<std::string>& values);

bool has_attribute(hid_t object, const std::string& name);
std::string read_text_attribute(hid_t object, const std::string& name);
template <class T>
std::vector<T> read_attribute(hid_t object, const std::string& name);
void write_attribute(hid_t object, const std::string& name, const std::string& text);
template <class T>
void write_attribute(hid_t object, const std::string& name, T value);

}  // namespace stamarker::h5
