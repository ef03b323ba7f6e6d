#include "io/h5.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <numeric>

#include "io/h5_errors.hpp"
#include "io/lzf_filter.hpp"
#include "io/row_reader.hpp"

namespace stamarker::h5 {

namespace {

/// HDF5 prints its own error stack unless told not to; our messages say what it means.
void silence() {
  static const herr_t done = H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  (void)done;
}

/// A refusal of HDF5 with its own words alone.
struct Refusal : LibraryError {
  Refusal(const std::string& why, Site where) : LibraryError("HDF5", why, where), reason(why) {}
  std::string reason;
};

Properties making_parents() {
  Properties links{H5Pcreate(H5P_LINK_CREATE)};
  check(H5Pset_create_intermediate_group(links, 1));
  return links;
}

/// Datasets without the time of their making, so that equal contents give equal bytes.
Properties without_times() {
  Properties how{H5Pcreate(H5P_DATASET_CREATE)};
  check(H5Pset_obj_track_times(how, false));
  return how;
}

/// Opens a file that another program holds open too, and one on a file system without locks.
Properties without_lock() {
  Properties access{H5Pcreate(H5P_FILE_ACCESS)};
#if H5_VERSION_GE(1, 10, 7)
  check(H5Pset_file_locking(access, /*use_file_locking=*/false, /*ignore_when_disabled=*/true));
#endif
  return access;
}

std::size_t n_points(hid_t space) {
  const hssize_t n = H5Sget_simple_extent_npoints(space);
  check(n < 0 ? -1 : 0);
  return static_cast<std::size_t>(n);
}

/// Of `name` in the group `where`; of `where` itself without a name.
std::string full_name(hid_t where, const std::string& name) {
  std::string group(static_cast<std::size_t>(std::max<ssize_t>(0, H5Iget_name(where, nullptr, 0))),
                    '\0');
  H5Iget_name(where, group.data(), group.size() + 1);
  if (group.empty() || (group.back() != '/' && !name.empty())) group += '/';
  return (group + name).substr(1);
}

/// The first filter of a dataset that this HDF5 has not; empty if none.
std::string missing_filter(hid_t where, const std::string& path) {
  const DataSet set{H5Dopen2(where, path.c_str(), H5P_DEFAULT)};
  const Properties made{H5Dget_create_plist(set)};
  for (int k = 0; k < H5Pget_nfilters(made); ++k) {
    unsigned flags = 0;
    std::size_t n_values = 0;
    char name[64] = "";
    const H5Z_filter_t filter = H5Pget_filter2(made, static_cast<unsigned>(k), &flags, &n_values,
                                               nullptr, sizeof(name), name, nullptr);
    if (filter >= 0 && H5Zfilter_avail(filter) == 0) return filter_name(filter, name);
  }
  return {};
}

/// Runs `work`, which reads `name`; a refusal of HDF5 becomes an InputError.
template <class Work>
auto reading(hid_t where, const std::string& name, Work work) {
  try {
    return work();
  } catch (const Refusal& refusal) {
    throw_unreadable(where, name, refusal.reason);
  }
}

/// Strings of a dataset or attribute, of fixed or variable length; `read_into` fills a buffer.
template <class Read>
std::vector<std::string> strings_of(hid_t file_type, hid_t space, Read read_into) {
  const std::size_t n = n_points(space);
  std::vector<std::string> texts(n);
  if (n == 0) return texts;
  if (H5Tis_variable_str(file_type) > 0) {
    const Type memory{H5Tcopy(H5T_C_S1)};
    check(H5Tset_size(memory, H5T_VARIABLE));
    check(H5Tset_cset(memory, H5Tget_cset(file_type)));
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

void check(herr_t status, Site where) {
  if (status < 0) throw Refusal(innermost_reason(), where);
}

hid_t checked(hid_t id, Site where) {
  if (id < 0) throw Refusal(innermost_reason(), where);
  return id;
}

File open_to_read(const std::string& path, hid_t access) {
  silence();
  read_lzf();
  namespace fs = std::filesystem;
  std::error_code ignored;
  if (!fs::exists(path, ignored)) throw InputError(path + " does not exist");
  if (fs::is_directory(path, ignored)) throw InputError(path + " is a folder, not a file");
  if (!fs::is_regular_file(path, ignored))  // opening a pipe would wait for its writer
    throw InputError(path + " is a pipe or device, not a file");
  auto name = std::make_unique<const FileBeingRead>(path);
  const Properties unlocked = without_lock();
  const hid_t id = H5Fopen(path.c_str(), H5F_ACC_RDONLY, access == H5P_DEFAULT ? unlocked : access);
  if (id >= 0) return File{id, std::move(name)};
  const std::string failure = open_failure(path);
  throw InputError(H5Fis_hdf5(path.c_str()) > 0 ? failure
                                                : path + " is not an HDF5 file, or not readable");
}

void close(File file) {
  check(H5Fflush(file, H5F_SCOPE_LOCAL));
  check(H5Fclose(file.release()));
}

std::string file_name(hid_t object) {
  std::string name(static_cast<std::size_t>(std::max<ssize_t>(0, H5Fget_name(object, nullptr, 0))),
                   '\0');
  H5Fget_name(object, name.data(), name.size() + 1);
  return name;
}

std::string place_of(hid_t object) { return file_name(object) + ": " + full_name(object, ""); }

void throw_damaged(const std::string& place, const std::string& reason) {
  throw InputError(fmt::format("{} cannot be read ({}): {}", place, reason, advice_for(reason)));
}

void throw_unreadable(hid_t where, const std::string& name, const std::string& reason) {
  const std::string path = full_name(where, name);
  std::string filter;
  try {
    filter = missing_filter(where, "/" + path);
  } catch (const Refusal&) {  // NOLINT(bugprone-empty-catch): so damaged that it tells no filters
  }
  if (!filter.empty())
    throw InputError(
        fmt::format("{}: {} is written with the filter {}, which this HDF5 has not; write the file "
                    "again with compression=\"gzip\", or let HDF5_PLUGIN_PATH name the folder of "
                    "the filter's plugin",
                    file_name(where), path, filter));
  throw_damaged(file_name(where) + ": " + path, reason);
}

void writing(const std::string& path, const std::function<void()>& work) {
  silence();
  try {
    work();
  } catch (const LibraryError& error) {
    const std::string reason = error.what();
    for (const char* full : {"No space left", "Disk quota exceeded", "File too large", "NO_SPACE",
                             "ERR_QUOTA", "no space"})
      if (reason.find(full) != std::string::npos)
        throw InputError(fmt::format("no space left writing {}; free some and start again", path));
    throw InputError(fmt::format("{} cannot be written ({})", path, reason));
  }
}

bool exists(hid_t where, const std::string& name) {
  for (std::size_t slash = name.find('/', 1);; slash = name.find('/', slash + 1)) {
    const std::string part = name.substr(0, slash);
    if (H5Lexists(where, part.c_str(), H5P_DEFAULT) <= 0) return false;
    if (slash == std::string::npos) return true;
  }
}

bool is_group(hid_t where, const std::string& name) {
  if (!exists(where, name)) return false;
  H5O_info_t info{};
  return H5Oget_info_by_name(where, name.c_str(), &info, H5P_DEFAULT) >= 0 &&
         info.type == H5O_TYPE_GROUP;
}

namespace {

std::vector<std::string> names_of_links(hid_t where) {
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

}  // namespace

std::vector<std::string> names_in(hid_t where) {
  return reading(where, "", [&] { return names_of_links(where); });
}

std::vector<std::string> names_in(hid_t where, const std::string& group) {
  if (!is_group(where, group)) return {};
  return names_in(open_group(where, group));
}

Group open_group(hid_t where, const std::string& name) {
  if (!is_group(where, name))
    throw InputError(fmt::format("{} has no group {}", file_name(where), full_name(where, name)));
  return reading(where, name, [&] { return Group{H5Gopen2(where, name.c_str(), H5P_DEFAULT)}; });
}

DataSet open_dataset(hid_t where, const std::string& name) {
  if (!exists(where, name) || is_group(where, name))
    throw InputError(fmt::format("{} has no dataset {}", file_name(where), full_name(where, name)));
  return reading(where, name, [&] { return DataSet{H5Dopen2(where, name.c_str(), H5P_DEFAULT)}; });
}

DataSet open_for_runs(hid_t where, const std::string& name, const Lengths& expected) {
  const Properties access{H5Pcreate(H5P_DATASET_ACCESS)};
  {
    const DataSet set = open_checked(where, name, expected);
    const Properties made{H5Dget_create_plist(set)};
    std::size_t bytes = 0;
    if (H5Pget_layout(made) == H5D_CHUNKED && H5Pget_nfilters(made) > 0) {
      std::vector<hsize_t> chunk(H5S_MAX_RANK);
      chunk.resize(static_cast<std::size_t>(H5Pget_chunk(made, H5S_MAX_RANK, chunk.data())));
      bytes = std::accumulate(chunk.begin(), chunk.end(), H5Tget_size(Type{H5Dget_type(set)}),
                              std::multiplies<>());
    }
    check(H5Pset_chunk_cache(access, /*slots=*/1, bytes, /*preemption=*/1));
  }
  return reading(where, name, [&] { return DataSet{H5Dopen2(where, name.c_str(), access)}; });
}

std::vector<std::int64_t> shape_of(hid_t where, const std::string& name) {
  const DataSet set = open_dataset(where, name);
  const Space space{H5Dget_space(set)};
  std::vector<hsize_t> dims(static_cast<std::size_t>(H5Sget_simple_extent_ndims(space)));
  check(H5Sget_simple_extent_dims(space, dims.data(), nullptr));
  return {dims.begin(), dims.end()};
}

H5T_class_t class_of(hid_t where, const std::string& dataset) {
  const DataSet set = open_dataset(where, dataset);
  const Type type{H5Dget_type(set)};
  return H5Tget_class(type);
}

Group make_group(hid_t where, const std::string& name) {
  return Group{H5Gcreate2(where, name.c_str(), making_parents(), H5P_DEFAULT, H5P_DEFAULT)};
}

/// HDF5 keeps large attributes apart from the object's header where that is of version 2, which an
/// order of creation asks for in files of any format. HDF5 1.8 and later read it.
Group make_group_of_large_attributes(hid_t where, const std::string& name) {
  const Properties how{H5Pcreate(H5P_GROUP_CREATE)};
  check(H5Pset_attr_creation_order(how, H5P_CRT_ORDER_TRACKED));
  check(H5Pset_obj_track_times(how, false));  // equal contents give equal bytes
  return Group{H5Gcreate2(where, name.c_str(), making_parents(), how, H5P_DEFAULT)};
}

std::int64_t length_of(hid_t where, const std::string& name) {
  return static_cast<std::int64_t>(n_values(open_checked(where, name, {any_length})));
}

std::size_t n_values(const DataSet& set) { return n_points(Space{H5Dget_space(set)}); }

namespace {

bool holds_numbers(hid_t type) {
  const H5T_class_t kind = H5Tget_class(type);
  return kind == H5T_INTEGER || kind == H5T_FLOAT || kind == H5T_ENUM;
}

void expect_numbers(hid_t set) {
  if (!holds_numbers(Type{H5Dget_type(set)}))
    throw InputError(place_of(set) + " does not hold numbers");
}

}  // namespace

void read_values(const DataSet& set, hid_t memory_type, void* values) {
  if (n_values(set) == 0) return;
  expect_numbers(set);
  auto chunks = CompressedChunks::of(set);
  if (chunks && chunks->gives(set, memory_type))
    return chunks->read(set, 0, chunks->n_rows(), memory_type, values);
  reading(set, "",
          [&] { check(H5Dread(set, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values)); });
}

void read_values(hid_t where, const std::string& name, const Lengths& expected, hid_t memory_type,
                 void* values) {
  expects(std::find(expected.begin(), expected.end(), any_length) == expected.end(),
          "as many values as there is memory for");
  read_values(open_checked(where, name, expected), memory_type, values);
}

void read_rows(hid_t where, const std::string& name, const Lengths& expected, std::int64_t first,
               std::int64_t n, hid_t memory_type, void* values) {
  RowReader(where, name, expected).read(first, n, memory_type, values);
}

void read_rows_by_hdf5(const DataSet& set, std::int64_t first, std::int64_t n, hid_t memory_type,
                       void* values) {
  expect_numbers(set);
  const Space in_file = select_rows(set, first, n);
  const hssize_t n_selected = H5Sget_select_npoints(in_file);
  if (n_selected == 0) return;
  const Space in_memory = space_of({n_selected});
  reading(set, "",
          [&] { check(H5Dread(set, memory_type, in_memory, in_file, H5P_DEFAULT, values)); });
}

namespace {

std::vector<std::string> read_strings(const DataSet& set) {
  const Type type{H5Dget_type(set)};
  if (H5Tget_class(type) != H5T_STRING) throw InputError(place_of(set) + " does not hold text");
  return reading(set, "", [&] {
    const Space space{H5Dget_space(set)};
    return strings_of(type, space, [&](hid_t memory, void* into) {
      return H5Dread(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, into);
    });
  });
}

}  // namespace

std::vector<std::string> read_strings(hid_t where, const std::string& name,
                                      const Lengths& expected) {
  return read_strings(open_checked(where, name, expected));
}

std::vector<std::string> read_strings(hid_t where, const std::string& name) {
  const DataSet set = open_dataset(where, name);
  expect_sound(set);
  return read_strings(set);
}

void write_values(hid_t where, const std::string& name, hid_t type, const void* values,
                  std::size_t n_values, const std::vector<std::int64_t>& shape) {
  const Space space = space_of(shape);
  expects(n_points(space) == n_values, "as many values as the shape says");
  const DataSet set{
      H5Dcreate2(where, name.c_str(), type, space, making_parents(), without_times(), H5P_DEFAULT)};
  if (n_values > 0) check(H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values));
}

void write_empty(hid_t where, const std::string& name, hid_t type,
                 const std::vector<std::int64_t>& shape) {
  const DataSet set{H5Dcreate2(where, name.c_str(), type, space_of(shape), making_parents(),
                               without_times(), H5P_DEFAULT)};
}

void write_strings(hid_t where, const std::string& name, const std::vector<std::string>& values) {
  std::vector<const char*> pointers;
  pointers.reserve(values.size());
  for (const std::string& value : values) pointers.push_back(value.c_str());
  write_values(where, name, text_type(), pointers.data(), pointers.size(),
               {static_cast<std::int64_t>(values.size())});
}

void write_text(hid_t where, const std::string& name, const std::string& text) {
  const char* pointer = text.c_str();
  write_values(where, name, text_type(), &pointer, 1, {});
}

bool has_attribute(hid_t object, const std::string& name) {
  return H5Aexists(object, name.c_str()) > 0;
}

std::vector<std::string> read_text_attributes(hid_t object, const std::string& name) {
  const Attribute attribute{H5Aopen(object, name.c_str(), H5P_DEFAULT)};
  const Space space{H5Aget_space(attribute)};
  const Type type{H5Aget_type(attribute)};
  if (n_points(space) == 0) return {};  // pandas' empty list is stored as an array of numbers
  if (H5Tget_class(type) != H5T_STRING)
    throw InputError(fmt::format("{}: attribute {} of {} is not text", file_name(object), name,
                                 full_name(object, "")));
  return reading(object, "", [&] {
    return strings_of(type, space,
                      [&](hid_t memory, void* into) { return H5Aread(attribute, memory, into); });
  });
}

std::string read_text_attribute(hid_t object, const std::string& name) {
  const std::vector<std::string> texts = read_text_attributes(object, name);
  return texts.empty() ? "" : texts.front();
}

std::string text_attribute_or_empty(hid_t object, const std::string& name) {
  if (!has_attribute(object, name)) return "";
  const Attribute attribute{H5Aopen(object, name.c_str(), H5P_DEFAULT)};
  if (H5Tget_class(Type{H5Aget_type(attribute)}) != H5T_STRING) return "";
  return read_text_attribute(object, name);
}

std::size_t n_attribute_values(hid_t object, const std::string& name) {
  constexpr std::size_t most = std::size_t{1} << 20;
  const Attribute attribute{H5Aopen(object, name.c_str(), H5P_DEFAULT)};
  const std::size_t n = n_points(Space{H5Aget_space(attribute)});
  if (n > most)
    throw InputError(
        fmt::format("{}: attribute {} of {} says that it holds {} values; at most {} "
                    "are read",
                    file_name(object), name, full_name(object, ""), n, most));
  return n;
}

void read_attribute_values(hid_t object, const std::string& name, hid_t type, void* values) {
  const Attribute attribute{H5Aopen(object, name.c_str(), H5P_DEFAULT)};
  if (n_points(Space{H5Aget_space(attribute)}) == 0) return;
  if (!holds_numbers(Type{H5Aget_type(attribute)}))
    throw InputError(fmt::format("{}: attribute {} of {} is not a number", file_name(object), name,
                                 full_name(object, "")));
  reading(object, "", [&] { check(H5Aread(attribute, type, values)); });
}

void write_attribute_values(hid_t object, const std::string& name, hid_t type, const void* values,
                            const std::vector<std::int64_t>& shape) {
  if (has_attribute(object, name)) check(H5Adelete(object, name.c_str()));
  const Space space = space_of(shape);
  const Attribute attribute{
      H5Acreate2(object, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT)};
  if (n_points(space) > 0) check(H5Awrite(attribute, type, values));
}

void write_attribute(hid_t object, const std::string& name, const std::string& text) {
  const char* pointer = text.c_str();
  write_attribute_values(object, name, text_type(), &pointer, {});
}

void write_attribute(hid_t object, const std::string& name, const std::vector<std::string>& texts) {
  std::vector<const char*> pointers;
  pointers.reserve(texts.size());
  for (const std::string& text : texts) pointers.push_back(text.c_str());
  write_attribute_values(object, name, text_type(), pointers.data(),
                         {static_cast<std::int64_t>(texts.size())});
}

Type text_type() {
  Type text{H5Tcopy(H5T_C_S1)};
  check(H5Tset_size(text, H5T_VARIABLE));
  check(H5Tset_cset(text, H5T_CSET_UTF8));
  return text;
}

Space select_rows(hid_t set, std::int64_t first, std::int64_t n) {
  Space space{H5Dget_space(set)};
  std::vector<hsize_t> count(static_cast<std::size_t>(H5Sget_simple_extent_ndims(space)));
  check(H5Sget_simple_extent_dims(space, count.data(), nullptr));
  expects(!count.empty() && first >= 0 && n >= 0 &&
              static_cast<hsize_t>(first) + static_cast<hsize_t>(n) <= count[0],
          "rows within the dataset");
  if (n == 0) {
    check(H5Sselect_none(space));
    return space;
  }
  std::vector<hsize_t> start(count.size(), 0);
  start[0] = static_cast<hsize_t>(first);
  count[0] = static_cast<hsize_t>(n);
  check(H5Sselect_hyperslab(space, H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr));
  return space;
}

Space space_of(const std::vector<std::int64_t>& shape) {
  if (shape.empty()) return Space{H5Screate(H5S_SCALAR)};
  const std::vector<hsize_t> dims(shape.begin(), shape.end());
  return Space{H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr)};
}

}  // namespace stamarker::h5
