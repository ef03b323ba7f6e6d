#include <fmt/core.h>
#include <fmt/ranges.h>

#include <limits>

#include "io/h5.hpp"
#include "io/lzf_filter.hpp"

/// What a file says of a dataset, checked before memory is allocated for it.
namespace stamarker::h5 {

namespace {

constexpr std::size_t most_value_bytes = std::size_t{1} << 20;
/// Datasets of at most so many bytes may be all fill value, of which a file stores nothing.
constexpr std::size_t most_unstored_bytes = std::size_t{1} << 26;
constexpr std::size_t most_virtual_bytes = std::size_t{1} << 30;
/// deflate, the densest of the usual filters, makes 1032 bytes of one.
constexpr std::size_t most_of_one_byte = 1100;

std::vector<hsize_t> lengths_of(hid_t space) {
  std::vector<hsize_t> lengths(static_cast<std::size_t>(H5Sget_simple_extent_ndims(space)));
  check(H5Sget_simple_extent_dims(space, lengths.data(), nullptr));
  return lengths;
}

/// "2 x 5"; "one value" without dimensions, "n" for any_length.
template <class T>
std::string shape_text(const std::vector<T>& lengths) {
  std::vector<std::string> texts;
  texts.reserve(lengths.size());
  for (const T length : lengths)
    texts.push_back(length == static_cast<T>(any_length) ? "n" : std::to_string(length));
  return texts.empty() ? "of one value" : fmt::format("{}", fmt::join(texts, " x "));
}

/// value_bytes times all lengths, the largest number where that is more.
std::size_t bytes_of(const std::vector<hsize_t>& lengths, std::size_t value_bytes) {
  std::size_t bytes = value_bytes;
  for (const hsize_t length : lengths)
    if (length == 0) return 0;
  for (const hsize_t length : lengths)
    if (__builtin_mul_overflow(bytes, static_cast<std::size_t>(length), &bytes))
      return std::numeric_limits<std::size_t>::max();
  return bytes;
}

void expect_stored(const DataSet& set, std::size_t bytes, const char* what) {
  if (bytes <= most_unstored_bytes) return;
  const std::size_t stored = H5Dget_storage_size(set);
  if (bytes / most_of_one_byte <= stored) return;
  throw InputError(
      fmt::format("{} cannot be read: its {} take {:.3g} bytes by its header, but the file "
                  "stores {} bytes of it; the file is damaged",
                  place_of(set), what, static_cast<double>(bytes), stored));
}

/// Reads every chunk in order to see that lzf makes at least chunk_bytes of it.
void expect_whole_lzf(const DataSet& set, std::size_t chunk_bytes) {
  const Space space{H5Dget_space(set)};
  hsize_t n_chunks = 0;
  check(H5Dget_num_chunks(set, space, &n_chunks));
  std::vector<hsize_t> at(H5S_MAX_RANK);
  std::vector<std::byte> stored;
  for (hsize_t k = 0; k < n_chunks; ++k) {
    unsigned skipped = 0;
    hsize_t n_stored = 0;
    check(H5Dget_chunk_info(set, space, k, at.data(), &skipped, nullptr, &n_stored));
    if (n_stored > 2 * chunk_bytes) throw_damaged(place_of(set), "a chunk is too large");
    stored.resize(n_stored);
    std::uint32_t left_out = 0;
    check(H5Dread_chunk(set, H5P_DEFAULT, at.data(), &left_out, stored.data()));
    if (left_out != 0 ? n_stored < chunk_bytes : !lzf_gives(stored, chunk_bytes))
      throw_damaged(place_of(set), "a chunk of lzf gives less than its size");
  }
}

/// HDF5 reads a chunk's size behind a filter whatever it gave. lzf itself knows the size by its
/// settings, which text of variable length lacks: HDF5 lets no filter set itself for that.
void expect_lzf_fits(const DataSet& set, hid_t made, std::size_t n_chunk_values) {
  constexpr std::size_t text_bytes = 16;  // of a text's length and place in the file
  const Type type{H5Dget_type(set)};
  const bool is_text = H5Tis_variable_str(type) > 0;
  for (int k = 0; k < H5Pget_nfilters(made); ++k) {
    unsigned flags = 0, settings[3] = {};
    std::size_t n_settings = 3;
    const H5Z_filter_t filter = H5Pget_filter2(made, static_cast<unsigned>(k), &flags, &n_settings,
                                               settings, 0, nullptr, nullptr);
    if (filter != lzf) continue;
    if (is_text && k + 1 == H5Pget_nfilters(made))
      expect_whole_lzf(set, n_chunk_values * text_bytes);
    else if (!is_text && (n_settings < 3 || settings[2] < n_chunk_values * H5Tget_size(type)))
      throw_damaged(place_of(set), "the filter lzf is set for chunks of another size");
  }
}

}  // namespace

void expect_sound(const DataSet& set) {
  const Space space{H5Dget_space(set)};
  const std::size_t value_bytes = H5Tget_size(Type{H5Dget_type(set)});
  if (H5Sget_simple_extent_type(space) == H5S_NULL)
    throw InputError(place_of(set) + " is empty: a dataset without values");
  if (value_bytes > most_value_bytes)
    throw InputError(fmt::format("{} has values of {} bytes each; at most {} are supported",
                                 place_of(set), value_bytes, most_value_bytes));
  const Properties made{H5Dget_create_plist(set)};
  const std::size_t bytes = bytes_of(lengths_of(space), value_bytes);
  if (H5Pget_layout(made) == H5D_VIRTUAL) {  // stored elsewhere
    if (bytes > most_virtual_bytes)
      throw InputError(
          fmt::format("{} is a virtual dataset of {:.3g} bytes; at most {} are "
                      "supported: copy its values into one file",
                      place_of(set), static_cast<double>(bytes), most_virtual_bytes));
    return;
  }
  expect_stored(set, bytes, "values");
  if (H5Pget_layout(made) != H5D_CHUNKED) return;
  std::vector<hsize_t> chunk(H5S_MAX_RANK);
  chunk.resize(static_cast<std::size_t>(H5Pget_chunk(made, H5S_MAX_RANK, chunk.data())));
  const std::size_t chunk_bytes = bytes_of(chunk, value_bytes);
  expect_stored(set, chunk_bytes, "chunks");
  expect_lzf_fits(set, made, bytes_of(chunk, 1));
}

void expect_lengths(const DataSet& set, const Lengths& expected) {
  const Space space{H5Dget_space(set)};
  const std::vector<hsize_t> found = lengths_of(space);
  bool is_expected = found.size() == expected.size();
  for (std::size_t d = 0; is_expected && d < found.size(); ++d)
    is_expected = expected[d] == any_length || found[d] == static_cast<hsize_t>(expected[d]);
  if (!is_expected)
    throw InputError(fmt::format("{} has the shape {}, expected is {}; the file is damaged",
                                 place_of(set), shape_text(found), shape_text(expected)));
  expect_sound(set);
}

DataSet open_checked(hid_t where, const std::string& name, const Lengths& expected) {
  DataSet set = open_dataset(where, name);
  expect_lengths(set, expected);
  return set;
}

}  // namespace stamarker::h5
