#include "io/h5.hpp"

#include <algorithm>
#include <filesystem>

namespace stamarker::h5 {

void check(herr_t status, Site where) {
  if (status < 0) throw LibraryError("HDF5", "call failed", where);
}

hid_t checked(hid_t id, Site where) {
  if (id < 0) throw LibraryError("HDF5", "no handle", where);
  return id;
}

template <>
hid_t native_type<float>() {
  return H5T_NATIVE_FLOAT;
}
template <>
hid_t native_type<double>() {
  return H5T_NATIVE_DOUBLE;
}
template <>
hid_t native_type<std::int8_t>() {
  return H5T_NATIVE_INT8;
}
template <>
hid_t native_type<std::uint8_t>() {
  return H5T_NATIVE_UINT8;
}
template <>
hid_t native_type<std::int32_t>() {
  return H5T_NATIVE_INT32;
}
template <>
hid_t native_type<std::uint32_t>() {
  return H5T_NATIVE_UINT32;
}
template <>
hid_t native_type<std::int64_t>() {
  return H5T_NATIVE_INT64;
}
template <>
hid_t native_type<std::uint64_t>() {
  return H5T_NATIVE_UINT64;
}

namespace {

/// HDF5 prints its own error stack unless told not to; our messages say what it means.
void silence() {
  static const herr_t done = H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  (void)done;
}

Type variable_text() {
  Type text{H5Tcopy(H5T_C_S1)};
  check(H5Tset_size(text, H5T_VARIABLE));
  check(H5Tset_cset(text, H5T_CSET_UTF8));
  return text;
}

Properties making_parents() {
  Properties links{H5Pcreate(H5P_LINK_CREATE)};
  check(H5Pset_create_intermediate_group(links, 1));
  return links;
}

Space space_of(const std::vector<std::int64_t>& shape) {
  if (shape.empty()) return Space{H5Screate(H5S_SCALAR)};
  const std::vector<hsize_t> dims(shape.begin(), shape.end());
  return Space{H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr)};
}

std::size_t n_points(hid_t space) {
  return static_cast<std::size_t>(checked(H5Sget_simple_extent_npoints(space)));
}

/// Strings of a dataset or attribute, of fixed or variable length; `read` fills a buffer.
template <class Read>
std::vector<std::string> strings_of(hid_t file_type, hid_t space, Read read_into) {
  const std::size_t n = n_points(space);
  std::vector<std::string> texts(n);
  if (n == 0) return texts;
  if (H5Tis_variable_str(file_type) > 0) {
    const Type memory = [&] {
      Type text{H5Tcopy(H5T_C_S1)};
      check(H5Tset_size(text, H5T_VARIABLE));
      check(H5Tset_cset(text, H5Tget_cset(file_type)));
      return text;
    }();
    std::vector<char*> pointers(n, nullptr);
    check(read_into(memory, pointers.data()));
    for (std::size_t k = 0; k < n; ++k) texts[k] = pointers[k] != nullptr ? pointers[k] : "";
    check(H5Dvlen_reclaim(memory, space, H5P_DEFAULT, pointers.data()));
    return texts;
  }
  const std::size_t width = H5Tget_size(file_type);
  const Type memory{H5Tcopy(file_type)};
  std::vector<char> bytes(n * width);
  check(read_into(memory, bytes.data()));
  for (std::size_t k = 0; k < n; ++k) {
    const char* first = bytes.data() + k * width;
    std::size_t length = std::find(first, first + width, '\0') - first;
    if (H5Tget_strpad(file_type) == H5T_STR_SPACEPAD)
      while (length > 0 && first[length - 1] == ' ') --length;
    texts[k].assign(first, length);
  }
  return texts;
}

}  // namespace

File open_to_read(const std::string& path) {
  silence();
  namespace fs = std::filesystem;
  std::error_code ignored;
  if (!fs::exists(path, ignored)) throw InputError(path + " does not exist");
  if (fs::is_directory(path, ignored)) throw InputError(path + " is a folder, not a file");
  const hid_t id = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  if (id >= 0) return File{id};
  const bool is_hdf5 = H5Fis_hdf5(path.c_str()) > 0;
  throw InputError(path + (is_hdf5 ? " cannot be opened: truncated, damaged or locked; copy it again"
                                   : " is not an HDF5 file, or not readable"));
}

File create(const std::string& path) {
  silence();
  const hid_t id = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  if (id < 0) throw InputError(path + " cannot be created (check folder, permission and space)");
  return File{id};
}

bool exists(hid_t where, const std::string& name) {
  for (std::size_t slash = name.find('/', 1);; slash = name.find('/', slash + 1)) {
    const std::string part = name.substr(0, slash);
    if (H5Lexists(where, part.c_str(), H5P_DEFAULT) <= 0) return false;
    if (slash == std::string::npos) return true;
  }
}

std::vector<std::string> names_in(hid_t where) {
  H5G_info_t info{};
  check(H5Gget_info(where, &info));
  std::vector<std::string> names;
  for (hsize_t k = 0; k < info.nlinks; ++k) {
    const ssize_t length =
        H5Lget_name_by_idx(where, ".", H5_INDEX_NAME, H5_ITER_INC, k, nullptr, 0, H5P_DEFAULT);
    check(length < 0 ? -1 : 0);
    std::string name(static_cast<std::size_t>(length), '\0');
    check(H5Lget_name_by_idx(where, ".", H5_INDEX_NAME, H5_ITER_INC, k, name.data(),
                             name.size() + 1, H5P_DEFAULT) < 0
              ? -1
              : 0);
    names.push_back(std::move(name));
  }
  return names;
}

std::vector<std::int64_t> shape_of(hid_t where, const std::string& name) {
  const DataSet set{H5Dopen2(where, name.c_str(), H5P_DEFAULT)};
  const Space space{H5Dget_space(set)};
  std::vector<hsize_t> dims(static_cast<std::size_t>(H5Sget_simple_extent_ndims(space)));
  check(H5Sget_simple_extent_dims(space, dims.data(), nullptr));
  return {dims.begin(), dims.end()};
}

Group make_group(hid_t where, const std::string& name) {
  return Group{
      H5Gcreate2(where, name.c_str(), making_parents(), H5P_DEFAULT, H5P_DEFAULT)};
}

template <class T>
std::vector<T> read(hid_t where, const std::string& name) {
  const DataSet set{H5Dopen2(where, name.c_str(), H5P_DEFAULT)};
  const Space space{H5Dget_space(set)};
  std::vector<T> values(n_points(space));
  if (!values.empty())
    check(H5Dread(set, native_type<T>(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()));
  return values;
}

std::vector<std::string> read_strings(hid_t where, const std::string& name) {
  const DataSet set{H5Dopen2(where, name.c_str(), H5P_DEFAULT)};
  const Space space{H5Dget_space(set)};
  const Type type{H5Dget_type(set)};
  return strings_of(type, space, [&](hid_t memory, void* into) {
    return H5Dread(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, into);
  });
}

template <class T>
void write(hid_t where, const std::string& name, std::span<const T> values,
           const std::vector<std::int64_t>& shape) {
  const Space space = space_of(shape);
  expects(n_points(space) == values.size(), "as many values as the shape says");
  const DataSet set{H5Dcreate2(where, name.c_str(), native_type<T>(), space, making_parents(),
                               H5P_DEFAULT, H5P_DEFAULT)};
  if (!values.empty())
    check(H5Dwrite(set, native_type<T>(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()));
}

void write_strings(hid_t where, const std::string& name, const std::vector<std::string>& values) {
  const Type text = variable_text();
  const Space space = space_of({static_cast<std::int64_t>(values.size())});
  const DataSet set{H5Dcreate2(where, name.c_str(), text, space, making_parents(), H5P_DEFAULT,
                               H5P_DEFAULT)};
  std::vector<const char*> pointers;
  pointers.reserve(values.size());
  for (const std::string& value : values) pointers.push_back(value.c_str());
  if (!values.empty())
    check(H5Dwrite(set, text, H5S_ALL, H5S_ALL, H5P_DEFAULT, pointers.data()));
}

bool has_attribute(hid_t object, const std::string& name) {
  return H5Aexists(object, name.c_str()) > 0;
}

std::string read_text_attribute(hid_t object, const std::string& name) {
  const Attribute attribute{H5Aopen(object, name.c_str(), H5P_DEFAULT)};
  const Space space{H5Aget_space(attribute)};
  const Type type{H5Aget_type(attribute)};
  if (H5Tget_class(type) != H5T_STRING) throw InputError("attribute " + name + " is not text");
  const auto texts = strings_of(
      type, space, [&](hid_t memory, void* into) { return H5Aread(attribute, memory, into); });
  return texts.empty() ? "" : texts.front();
}

template <class T>
std::vector<T> read_attribute(hid_t object, const std::string& name) {
  const Attribute attribute{H5Aopen(object, name.c_str(), H5P_DEFAULT)};
  const Space space{H5Aget_space(attribute)};
  std::vector<T> values(n_points(space));
  if (!values.empty()) check(H5Aread(attribute, native_type<T>(), values.data()));
  return values;
}

void write_attribute(hid_t object, const std::string& name, const std::string& text) {
  const Type type = variable_text();
  const Space space{H5Screate(H5S_SCALAR)};
  const Attribute attribute{
      H5Acreate2(object, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT)};
  const char* pointer = text.c_str();
  check(H5Awrite(attribute, type, &pointer));
}

template <class T>
void write_attribute(hid_t object, const std::string& name, T value) {
  const Space space{H5Screate(H5S_SCALAR)};
  const Attribute attribute{
      H5Acreate2(object, name.c_str(), native_type<T>(), space, H5P_DEFAULT, H5P_DEFAULT)};
  check(H5Awrite(attribute, native_type<T>(), &value));
}

#define STM_INSTANTIATE(T)                                                                 \
  template std::vector<T> read(hid_t, const std::string&);                                 \
  template void write(hid_t, const std::string&, std::span<const T>,                       \
                      const std::vector<std::int64_t>&);                                   \
  template std::vector<T> read_attribute(hid_t, const std::string&);                       \
  template void write_attribute(hid_t, const std::string&, T);
STM_INSTANTIATE(float)
STM_INSTANTIATE(double)
STM_INSTANTIATE(std::int8_t)
STM_INSTANTIATE(std::uint8_t)
STM_INSTANTIATE(std::int32_t)
STM_INSTANTIATE(std::uint32_t)
STM_INSTANTIATE(std::int64_t)
STM_INSTANTIATE(std::uint64_t)
#undef STM_INSTANTIATE

}  // namespace stamarker::h5
