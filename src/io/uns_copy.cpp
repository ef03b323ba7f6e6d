#include <fmt/core.h>

#include "io/anndata_copy.hpp"
#include "io/anndata_element.hpp"
#include "io/anndata_matrix.hpp"

namespace stamarker::anndata {

namespace {

void add_encodings(hid_t group);

void add_encoding_of_dataset(hid_t set) {
  if (h5::has_attribute(set, "encoding-type")) return;
  const h5::Type type{H5Dget_type(set)};
  const h5::Space space{H5Dget_space(set)};
  const bool is_text = H5Tget_class(type) == H5T_STRING;
  switch (H5Sget_simple_extent_type(space)) {
    case H5S_SCALAR:
      if (H5Tget_class(type) != H5T_COMPOUND)
        mark(set, is_text ? "string" : "numeric-scalar", "0.2.0");
      return;
    case H5S_SIMPLE:
      // One fixed-length text in one dimension was a single text to old anndata, and still is to
      // today's if it is left as it is.
      if (is_text && H5Tis_variable_str(type) <= 0 && H5Sget_simple_extent_npoints(space) == 1)
        return;
      mark(set, array_encoding(type), "0.2.0");
      return;
    default:
      return;
  }
}

void add_encoding_of_group(hid_t group) {
  if (h5::has_attribute(group, "h5sparse_format") && !h5::has_attribute(group, "encoding-type")) {
    const SparseHeader header = sparse_header(group, "uns");
    mark(group, header.is_csc ? "csc_matrix" : "csr_matrix", "0.1.0");
    h5::write_attribute(group, "shape", std::vector<std::int64_t>{header.n_rows, header.n_cols});
    for (const std::string& name : h5::names_in(group))
      mark(h5::open_dataset(group, name), "array", "0.2.0");
    return;
  }
  const std::string encoding = h5::text_attribute_or_empty(group, "encoding-type");
  if (!encoding.empty() && encoding != "dict") return;
  mark(group, "dict", "0.1.0");
  add_encodings(group);
}

void add_encodings(hid_t group) {
  for (const std::string& name : h5::names_in(group)) {
    if (h5::is_group(group, name)) {
      add_encoding_of_group(h5::open_group(group, name));
    } else {
      add_encoding_of_dataset(h5::open_dataset(group, name));
    }
  }
}

/// A group's own attribute, of any type but references, which mean nothing in another file.
void copy_attribute(hid_t from, hid_t to, const std::string& name) {
  constexpr std::size_t most_bytes = std::size_t{1} << 20;
  const h5::Attribute attribute{H5Aopen(from, name.c_str(), H5P_DEFAULT)};
  const h5::Type stored{H5Aget_type(attribute)};
  const h5::Type type{H5Tcopy(stored)};
  const h5::Space space{H5Aget_space(attribute)};
  if (H5Tdetect_class(type, H5T_REFERENCE) > 0) return;
  const std::size_t n = h5::n_attribute_values(from, name), width = H5Tget_size(type);
  if (n > most_bytes / width)
    throw InputError(fmt::format("attribute {} takes more than {} bytes", name, most_bytes));
  std::vector<std::byte> values(n * width);
  if (n > 0) h5::check(H5Aread(attribute, type, values.data()));
  const h5::Attribute copy{H5Acreate2(to, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT)};
  if (n == 0) return;
  h5::check(H5Awrite(copy, type, values.data()));
  h5::check(H5Dvlen_reclaim(type, space, H5P_DEFAULT, values.data()));
}

std::vector<std::string> attribute_names(hid_t object) {
  std::vector<std::string> names;
  const auto add = [](hid_t, const char* name, const H5A_info_t*, void* to) -> herr_t {
    static_cast<std::vector<std::string>*>(to)->emplace_back(name);
    return 0;
  };
  h5::check(H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_INC, nullptr, add, &names));
  return names;
}

}  // namespace

UnsCopy::UnsCopy(hid_t from, hid_t to, std::vector<std::string>& left_out)
    : from_(from), to_(to), left_out_(left_out) {
  for (const char* above : {"/", "/uns"}) {
    H5O_info_t info{};
    if (H5Oget_info_by_name(from, above, &info, H5P_DEFAULT) >= 0)
      seen_.insert({info.fileno, info.addr});
  }
}

void UnsCopy::copy(const std::string& key) {
  const std::string path = "uns/" + key;
  copy_object(path, 1);
  if (!h5::exists(to_, path)) return;
  if (h5::is_group(to_, path)) {
    add_encoding_of_group(h5::open_group(to_, path));
  } else {
    add_encoding_of_dataset(h5::open_dataset(to_, path));
  }
}

void UnsCopy::leave_out(const std::string& path, const std::string& reason) {
  left_out_.push_back(fmt::format("{} ({})", path, reason));
  if (h5::exists(to_, path)) h5::check(H5Ldelete(to_, path.c_str(), H5P_DEFAULT));
}

void UnsCopy::copy_object(const std::string& path, int depth) {
  constexpr int most_groups = 200;
  H5O_info_t info{};
  if (H5Oget_info_by_name(from_, path.c_str(), &info, H5P_DEFAULT) < 0)
    return leave_out(path, "a link to nowhere");
  if (!seen_.insert({info.fileno, info.addr}).second)
    return leave_out(path, "a link to what is copied already, or to a group above");
  if (depth > most_groups)
    return leave_out(path, fmt::format("more than {} groups one in another", most_groups));
  if (info.type == H5O_TYPE_GROUP) return copy_group(path, depth);
  if (info.type == H5O_TYPE_DATASET) return copy_dataset(path);
  leave_out(path, "neither a group nor a dataset");
}

void UnsCopy::copy_group(const std::string& path, int depth) {
  std::vector<std::string> names;
  const h5::Group copy = h5::make_group(to_, path);
  try {
    const h5::Group group = h5::open_group(from_, path);
    for (const std::string& name : attribute_names(group)) copy_attribute(group, copy, name);
    names = h5::names_in(group);
  } catch (const std::exception& error) {
    return leave_out(path, error.what());
  }
  for (const std::string& name : names) copy_object(fmt::format("{}/{}", path, name), depth + 1);
}

void UnsCopy::copy_dataset(const std::string& path) {
  try {
    const h5::DataSet set = h5::open_dataset(from_, path);
    const bool is_null = H5Sget_simple_extent_type(h5::Space{H5Dget_space(set)}) == H5S_NULL;
    if (!is_null) h5::expect_sound(set);  // anndata's None is null
  } catch (const InputError& error) {
    return leave_out(path, error.what());
  }
  // A failure to write shows again at the next write; here it means a source that is damaged.
  if (H5Ocopy(from_, path.c_str(), to_, path.c_str(), H5P_DEFAULT, H5P_DEFAULT) < 0)
    leave_out(path, "damaged");
}

}  // namespace stamarker::anndata
