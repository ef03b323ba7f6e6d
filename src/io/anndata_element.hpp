#pragma once
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "io/frame.hpp"
#include "io/h5.hpp"

/// Elements of AnnData files: each object says what it is by the attributes encoding-type and
/// encoding-version (AnnData on-disk specification 0.1.0).
namespace stamarker::anndata {

void mark(hid_t object, const std::string& encoding_type, const std::string& encoding_version);
/// What an array of this type is called in today's encoding.
const char* array_encoding(hid_t type);
/// A new group marked `dict`.
h5::Group make_dict(hid_t where, const std::string& name);

/// Of both indices and indptr of a sparse matrix: scipy's compiled functions take no two types.
hid_t index_type(std::int64_t n_nonzeros);

/// h5py's type of truth values: an 8-bit enumeration of FALSE and TRUE.
h5::Type flag_type();

/// A one-dimensional dataset of numbers, text or truth values, or a `nullable-string-array`
/// (missing texts are empty); none if it is anything else. `length`: what it must have, unless it
/// is h5::any_length. Throws InputError: missing, damaged or of another length.
std::optional<Values> read_column_values(hid_t where, const std::string& name,
                                         std::int64_t length = h5::any_length);

/// Names of the members of a compound dataset. Throws InputError if it is none.
std::vector<std::string> member_names(hid_t file, const std::string& name);
/// The same for one member of a one-dimensional compound dataset.
std::optional<Values> read_member_values(hid_t where, const std::string& name,
                                         const std::string& member,
                                         std::int64_t length = h5::any_length);

/// Throws InputError if a dataset at or below `path` holds text that is not UTF-8: anndata refuses
/// the whole file then. Texts inside of records count too.
void expect_utf8(hid_t file, const std::string& path);

/// One-dimensional, marked `string-array` or `array`.
void write_values(hid_t where, const std::string& name, const Values& values);
/// Of any shape, marked `array`.
template <class T>
void write_array(hid_t where, const std::string& name, std::span<const T> values,
                 const std::vector<std::int64_t>& shape) {
  h5::write(where, name, values, shape);
  mark(h5::open_dataset(where, name), "array", "0.2.0");
}
void write_number(hid_t where, const std::string& name, double value);
void write_flag(hid_t where, const std::string& name, Flag value);
void write_string(hid_t where, const std::string& name, const std::string& text);

}  // namespace stamarker::anndata
