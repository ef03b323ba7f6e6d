#include "io/anndata_element.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <limits>

#include "base/text.hpp"

namespace stamarker::anndata {

namespace {

/// Values of a file type, which `read_into(memory_type, buffer)` fetches. None: not a column.
template <class T, class Read>
std::optional<Values> fetch(std::size_t n, Read read_into) {
  std::vector<T> values(n);
  if (n > 0) h5::check(read_into(h5::native_type<T>(), values.data()));
  return values;
}

template <class Read>
std::optional<Values> fetch_integers(hid_t type, std::size_t n, Read read_into) {
  const bool is_signed = H5Tget_sign(type) == H5T_SGN_2;
  switch (H5Tget_size(type)) {
    case 1:
      return is_signed ? fetch<std::int8_t>(n, read_into) : fetch<std::uint8_t>(n, read_into);
    case 2:
      return is_signed ? fetch<std::int16_t>(n, read_into) : fetch<std::uint16_t>(n, read_into);
    case 4:
      return is_signed ? fetch<std::int32_t>(n, read_into) : fetch<std::uint32_t>(n, read_into);
    case 8:
      return is_signed ? fetch<std::int64_t>(n, read_into) : fetch<std::uint64_t>(n, read_into);
    default:
      return std::nullopt;
  }
}

/// h5py stores truth values as an enumeration of two members, FALSE and TRUE.
bool is_flag(hid_t type) {
  if (H5Tget_class(type) != H5T_ENUM || H5Tget_nmembers(type) != 2 || H5Tget_size(type) != 1)
    return false;
  std::int8_t value = -1;
  return H5Tenum_valueof(type, "TRUE", &value) >= 0 && value == 1;
}

/// A member of a compound type as a memory type of its own, so that it is read alone.
h5::Type alone(hid_t memory, const std::string& member) {
  h5::Type compound{H5Tcreate(H5T_COMPOUND, H5Tget_size(memory))};
  h5::check(H5Tinsert(compound, member.c_str(), 0, memory));
  return compound;
}

std::vector<std::string> fetch_texts(hid_t set, hid_t type, std::size_t n,
                                     const std::string& member) {
  const h5::Space space{H5Dget_space(set)};
  const h5::Type memory{H5Tcopy(type)};
  const h5::Type wanted = member.empty() ? h5::Type{H5Tcopy(memory)} : alone(memory, member);
  std::vector<std::string> texts(n);
  if (n == 0) return texts;
  const auto read = [&](void* into) {
    h5::check(H5Dread(set, wanted, H5S_ALL, H5S_ALL, H5P_DEFAULT, into));
  };
  if (H5Tis_variable_str(type) > 0) {
    std::vector<char*> pointers(n, nullptr);
    read(pointers.data());
    for (std::size_t k = 0; k < n; ++k) texts[k] = pointers[k] != nullptr ? pointers[k] : "";
    h5::check(H5Dvlen_reclaim(wanted, space, H5P_DEFAULT, pointers.data()));
    return texts;
  }
  const std::size_t width = H5Tget_size(type);
  std::vector<char> bytes(n * width);
  read(bytes.data());
  for (std::size_t k = 0; k < n; ++k) {
    const char* first = bytes.data() + k * width;
    texts[k].assign(first, std::find(first, first + width, '\0'));
  }
  return texts;
}

/// A whole dataset, or one member of a compound one.
std::optional<Values> fetch_any(hid_t set, hid_t type, std::size_t n, const std::string& member) {
  const auto read_into = [&](hid_t memory, void* into) {
    const h5::Type wanted = member.empty() ? h5::Type{H5Tcopy(memory)} : alone(memory, member);
    return H5Dread(set, wanted, H5S_ALL, H5S_ALL, H5P_DEFAULT, into);
  };
  switch (H5Tget_class(type)) {
    case H5T_INTEGER:
      return fetch_integers(type, n, read_into);
    case H5T_FLOAT:
      return H5Tget_size(type) <= 4 ? fetch<float>(n, read_into) : fetch<double>(n, read_into);
    case H5T_STRING:
      return fetch_texts(set, type, n, member);
    case H5T_ENUM: {
      if (!is_flag(type)) return std::nullopt;
      std::vector<Flag> flags(n);
      if (n > 0) h5::check(read_into(type, flags.data()));
      return flags;
    }
    default:
      return std::nullopt;
  }
}

}  // namespace

void mark(hid_t object, const std::string& encoding_type, const std::string& encoding_version) {
  h5::write_attribute(object, "encoding-type", encoding_type);
  h5::write_attribute(object, "encoding-version", encoding_version);
}

const char* array_encoding(hid_t type) {
  if (H5Tget_class(type) == H5T_COMPOUND) return "rec-array";
  return H5Tget_class(type) == H5T_STRING ? "string-array" : "array";
}

h5::Group make_dict(hid_t where, const std::string& name) {
  h5::Group group = h5::make_group(where, name);
  mark(group, "dict", "0.1.0");
  return group;
}

hid_t index_type(std::int64_t n_nonzeros) {
  return n_nonzeros > std::numeric_limits<std::int32_t>::max() ? H5T_NATIVE_INT64
                                                               : H5T_NATIVE_INT32;
}

h5::Type flag_type() {
  h5::Type flag{H5Tenum_create(H5T_STD_I8LE)};
  const std::int8_t no = 0, yes = 1;
  h5::check(H5Tenum_insert(flag, "FALSE", &no));
  h5::check(H5Tenum_insert(flag, "TRUE", &yes));
  return flag;
}

std::vector<std::string> member_names(hid_t file, const std::string& name) {
  const h5::DataSet set = h5::open_dataset(file, name);
  const h5::Type type{H5Dget_type(set)};
  if (H5Tget_class(type) != H5T_COMPOUND || H5Tget_nmembers(type) < 1)
    throw InputError(fmt::format("{}: {} is neither a group nor a table; not an AnnData file",
                                 h5::file_name(file), name));
  std::vector<std::string> names;
  for (int k = 0; k < H5Tget_nmembers(type); ++k) {
    char* member = H5Tget_member_name(type, static_cast<unsigned>(k));
    names.emplace_back(member);
    H5free_memory(member);
  }
  return names;
}

std::optional<Values> read_member_values(hid_t where, const std::string& name,
                                         const std::string& member, std::int64_t length) {
  const h5::DataSet set = h5::open_dataset(where, name);
  const h5::Type whole{H5Dget_type(set)};
  const h5::Type type =
      member.empty()
          ? h5::Type{H5Tcopy(whole)}
          : h5::Type{H5Tget_member_type(
                whole, static_cast<unsigned>(H5Tget_member_index(whole, member.c_str())))};
  if (H5Sget_simple_extent_ndims(h5::Space{H5Dget_space(set)}) != 1) return std::nullopt;
  h5::expect_lengths(set, {length});
  try {
    return fetch_any(set, type, h5::n_values(set), member);
  } catch (const LibraryError& error) {
    h5::throw_unreadable(where, name, error.what());
  }
}

std::optional<Values> read_column_values(hid_t where, const std::string& name,
                                         std::int64_t length) {
  if (!h5::is_group(where, name)) return read_member_values(where, name, "", length);
  // Text of recent pandas; missing ones are stored as empty.
  const h5::Group group = h5::open_group(where, name);
  if (h5::text_attribute_or_empty(group, "encoding-type") != "nullable-string-array")
    return std::nullopt;
  return read_member_values(group, "values", "", length);
}

void expect_utf8(hid_t file, const std::string& path) {
  std::vector<std::string> names;  // below `path`; each object once, itself as "."
  const auto take = [](hid_t, const char* name, const H5O_info_t* info, void* list) -> herr_t {
    if (info->type == H5O_TYPE_DATASET)
      static_cast<std::vector<std::string>*>(list)->emplace_back(name);
    return 0;
  };
  h5::check(
      H5Ovisit_by_name(file, path.c_str(), H5_INDEX_NAME, H5_ITER_INC, take, &names, H5P_DEFAULT));
  const auto expect = [](const std::vector<std::string>& texts, const std::string& where) {
    for (const std::string& text : texts)
      if (repaired(text) != text)
        throw InputError(fmt::format("{} holds '{}', which is not UTF-8", where, readable(text)));
  };
  for (const std::string& name : names) {
    const std::string set = name == "." ? path : fmt::format("{}/{}", path, name);
    const H5T_class_t kind = h5::class_of(file, set);
    if (kind == H5T_STRING) expect(h5::read_strings(file, set), set);
    if (kind != H5T_COMPOUND) continue;
    for (const std::string& member : member_names(file, set))
      if (const auto values = read_member_values(file, set, member);
          values && std::holds_alternative<std::vector<std::string>>(*values))
        expect(std::get<std::vector<std::string>>(*values), fmt::format("{}, {}", set, member));
  }
}

void write_values(hid_t where, const std::string& name, const Values& values) {
  std::visit(
      [&](const auto& all) {
        using Element = typename std::remove_cvref_t<decltype(all)>::value_type;
        if constexpr (std::is_same_v<Element, std::string>) {
          h5::write_strings(where, name, all);
        } else if constexpr (std::is_same_v<Element, Flag>) {
          const h5::Type flag = flag_type();
          h5::write_values(where, name, flag, all.data(), all.size(),
                           {static_cast<std::int64_t>(all.size())});
        } else {
          h5::write(where, name, all);
        }
      },
      values);
  const bool is_text = std::holds_alternative<std::vector<std::string>>(values);
  mark(h5::open_dataset(where, name), is_text ? "string-array" : "array", "0.2.0");
}

void write_number(hid_t where, const std::string& name, double value) {
  h5::write(where, name, std::span<const double>(&value, 1), {});
  mark(h5::open_dataset(where, name), "numeric-scalar", "0.2.0");
}

void write_flag(hid_t where, const std::string& name, Flag value) {
  h5::write_values(where, name, flag_type(), &value, 1, {});
  mark(h5::open_dataset(where, name), "numeric-scalar", "0.2.0");
}

void write_string(hid_t where, const std::string& name, const std::string& text) {
  h5::write_text(where, name, text);
  mark(h5::open_dataset(where, name), "string", "0.2.0");
}

}  // namespace stamarker::anndata
