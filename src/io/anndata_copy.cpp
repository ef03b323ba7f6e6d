#include "io/anndata_copy.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>
#include <utility>

#include "data/sparse_rows.hpp"
#include "io/anndata_frame.hpp"
#include "io/anndata_matrix.hpp"
#include "io/row_reader.hpp"

namespace stamarker::anndata {

namespace {

/// Values of any type as bytes, in the order of the file.
struct RawArray {
  h5::Type type;
  std::vector<std::int64_t> shape;
  std::vector<std::byte> bytes;

  std::size_t row_bytes() const {
    std::size_t n = H5Tget_size(type);
    for (std::size_t d = 1; d < shape.size(); ++d) n *= static_cast<std::size_t>(shape[d]);
    return n;
  }
};

std::size_t product(const std::vector<std::int64_t>& shape) {
  std::size_t n = 1;
  for (const std::int64_t length : shape) n *= static_cast<std::size_t>(length);
  return n;
}

bool holds_variable_length(hid_t type) {
  return H5Tdetect_class(type, H5T_VLEN) > 0 || H5Tis_variable_str(type) > 0 ||
         H5Tdetect_class(type, H5T_REFERENCE) > 0;
}

/// Runs `work`, which only reads; a refusal of HDF5 means that `what` is damaged.
template <class Work>
void reading(hid_t file, const std::string& what, Work work) {
  try {
    work();
  } catch (const LibraryError& error) {
    throw InputError(
        fmt::format("{}: {} cannot be read ({})", h5::file_name(file), what, error.what()));
  }
}

/// One member of a compound dataset of n_rows, as an array of its own.
RawArray read_raw_member(hid_t where, const std::string& name, const std::string& member,
                         std::int64_t n_rows) {
  const h5::DataSet set = h5::open_checked(where, name, {n_rows});
  const h5::Type compound{H5Dget_type(set)};
  const h5::Type whole{H5Tget_member_type(
      compound, static_cast<unsigned>(H5Tget_member_index(compound, member.c_str())))};
  RawArray array{h5::Type{H5Tcopy(whole)}, {n_rows}, {}};
  if (H5Tget_class(whole) == H5T_ARRAY) {
    std::vector<hsize_t> dims(static_cast<std::size_t>(H5Tget_array_ndims(whole)));
    H5Tget_array_dims2(whole, dims.data());
    array.shape.insert(array.shape.end(), dims.begin(), dims.end());
    array.type = h5::Type{H5Tget_super(whole)};
  }
  if (holds_variable_length(array.type))
    throw InputError(
        fmt::format("{}: {}/{} has values of variable length", h5::file_name(where), name, member));
  const h5::Type wanted{H5Tcreate(H5T_COMPOUND, H5Tget_size(whole))};
  h5::check(H5Tinsert(wanted, member.c_str(), 0, whole));
  array.bytes.resize(product(array.shape) * H5Tget_size(array.type));
  if (!array.bytes.empty())
    reading(where, name, [&] {
      h5::check(H5Dread(set, wanted, H5S_ALL, H5S_ALL, H5P_DEFAULT, array.bytes.data()));
    });
  return array;
}

void write_raw(hid_t where, const std::string& name, const RawArray& array) {
  h5::write_values(where, name, array.type, array.bytes.data(), product(array.shape), array.shape);
}

/// Items of equal size, picked one by one.
template <class Index>
std::vector<std::byte> picked(const std::vector<std::byte>& bytes, std::size_t item_bytes,
                              const std::vector<Index>& items) {
  std::vector<std::byte> some(items.size() * item_bytes);
  for (std::size_t k = 0; k < items.size(); ++k)
    std::memcpy(some.data() + k * item_bytes,
                bytes.data() + static_cast<std::size_t>(items[k]) * item_bytes, item_bytes);
  return some;
}

void keep_rows(RawArray& array, std::span<const std::int32_t> rows) {
  array.bytes =
      picked(array.bytes, array.row_bytes(), std::vector<std::int32_t>(rows.begin(), rows.end()));
  array.shape[0] = static_cast<std::int64_t>(rows.size());
}

/// Rows [first, first + n) of a dataset as bytes of its own type.
std::vector<std::byte> read_raw_rows(const h5::DataSet& set, const std::string& path, hid_t type,
                                     std::int64_t first, std::int64_t n) {
  const h5::Space in_file = h5::select_rows(set, first, n);
  const hssize_t n_values = H5Sget_select_npoints(in_file);
  std::vector<std::byte> bytes(static_cast<std::size_t>(n_values) * H5Tget_size(type));
  const h5::Space in_memory = h5::space_of({n_values});
  if (n_values > 0)
    reading(set, path,
            [&] { h5::check(H5Dread(set, type, in_memory, in_file, H5P_DEFAULT, bytes.data())); });
  return bytes;
}

/// The values of rows [first, first + n), of which there may be none.
void write_rows_at(hid_t set, std::int64_t first, std::int64_t n, hid_t type, const void* values) {
  if (n == 0) return;
  const h5::Space in_file = h5::select_rows(set, first, n);
  const h5::Space in_memory = h5::space_of({H5Sget_select_npoints(in_file)});
  h5::check(H5Dwrite(set, type, in_memory, in_file, H5P_DEFAULT, values));
}

/// Which values of a dense array are kept, block of rows by block of rows, so that no more than
/// about 32 MB are held.
void copy_dense_rows(const h5::DataSet& from, const std::string& path, hid_t to,
                     const Selection& selection, hid_t type,
                     const std::vector<std::int64_t>& shape) {
  std::vector<std::int64_t> kept_shape = shape;
  kept_shape[0] = static_cast<std::int64_t>(selection.rows.size());
  if (selection.on_both_axes) kept_shape[1] = kept_shape[0];
  h5::write_empty(to, path, type, kept_shape);
  const h5::DataSet target = h5::open_dataset(to, path);
  std::size_t row_values = 1;
  for (std::size_t d = 1; d < shape.size(); ++d) row_values *= static_cast<std::size_t>(shape[d]);
  const std::size_t row_bytes = row_values * H5Tget_size(type);
  const std::int64_t step =
      std::max<std::int64_t>(1, (std::int64_t{1} << 25) / static_cast<std::int64_t>(row_bytes + 1));
  auto next = selection.rows.begin();
  for (std::int64_t first = 0; first < shape[0]; first += step) {
    const std::int64_t last = std::min(first + step, shape[0]);
    std::vector<std::size_t> places;  // of kept values within the block
    const auto first_kept = next - selection.rows.begin();
    for (; next != selection.rows.end() && *next < last; ++next) {
      const std::size_t row = static_cast<std::size_t>(*next - first) * row_values;
      if (selection.on_both_axes) {
        for (const std::int32_t column : selection.rows)
          places.push_back(row + static_cast<std::size_t>(column));
      } else {
        for (std::size_t k = 0; k < row_values; ++k) places.push_back(row + k);
      }
    }
    if (places.empty()) continue;
    const auto bytes =
        picked(read_raw_rows(from, path, type, first, last - first), H5Tget_size(type), places);
    write_rows_at(target, first_kept, (next - selection.rows.begin()) - first_kept, type,
                  bytes.data());
  }
}

bool copy_dense(hid_t from, const std::string& path, hid_t to, const Selection& selection) {
  const std::vector<std::int64_t> shape = h5::shape_of(from, path);
  if (shape.empty() || shape[0] != selection.n_rows_before) return false;
  if (selection.on_both_axes && (shape.size() != 2 || shape[1] != shape[0])) return false;
  const h5::DataSet set = h5::open_for_runs(from, path, shape);
  const h5::Type type{H5Dget_type(set)};
  if (H5Tget_class(type) == H5T_STRING && shape.size() == 1) {
    const Values texts = h5::read_strings(from, path, shape);
    write_values(to, path, rows_of(texts, selection.rows));
    return true;
  }
  if (holds_variable_length(type)) return false;
  copy_dense_rows(set, path, to, selection, type, shape);
  mark(h5::open_dataset(to, path), array_encoding(type), "0.2.0");
  return true;
}

/// Of some lists of a compressed matrix (rows of CSR, columns of CSC) the entries that are kept.
struct KeptEntries {
  std::vector<std::int64_t> n_of_list;
  std::vector<std::int32_t> index;  // the new one
  std::vector<std::size_t> place;   // among all entries of these lists in the file
  std::int64_t first_in_file = 0, n_in_file = 0;
};

/// A compressed matrix in a file, some lists of which are kept, and of these some entries. Read a
/// few lists at a time, so that about 32 MB are held beside its offsets and a chunk of the file.
class CompressedMatrix {
 public:
  /// n_lists of n_places each, of which those in kept_lists are kept, or all. new_index: of each
  /// place along a list, -1: dropped; empty: all are kept. `what`: file and path, for messages.
  CompressedMatrix(hid_t group, std::string what, std::int64_t n_lists, std::int64_t n_places,
                   std::optional<std::vector<std::int32_t>> kept_lists,
                   std::vector<std::int32_t> new_index)
      : what_(std::move(what)),
        n_places_(n_places),
        new_index_(std::move(new_index)),
        offsets_(h5::read<std::int64_t>(group, "indptr", {n_lists + 1})),
        n_entries_(h5::length_of(group, "data")),
        indices_(group, "indices", {n_entries_}) {
    if (offsets_.front() < 0 || offsets_.back() > n_entries_ ||
        !std::is_sorted(offsets_.begin(), offsets_.end()))
      throw InputError(what_ + " is damaged: its offsets do not fit");
    if (kept_lists) {
      kept_ = std::move(*kept_lists);
    } else {
      kept_.resize(static_cast<std::size_t>(n_lists));
      std::iota(kept_.begin(), kept_.end(), 0);
    }
  }

  template <class Visit>
  void visit(Visit visit) {
    constexpr std::int64_t most = std::int64_t{1} << 20;
    for (auto next = kept_.begin(); next != kept_.end();) {
      auto last = next + 1;
      while (last != kept_.end() && offsets_[*last + 1] - offsets_[*next] <= most) ++last;
      visit(entries_of({next, last}));
      next = last;
    }
  }

 private:
  KeptEntries entries_of(std::span<const std::int32_t> lists) {
    KeptEntries kept;
    kept.first_in_file = offsets_[lists.front()];
    kept.n_in_file = offsets_[lists.back() + 1] - kept.first_in_file;
    std::vector<std::int32_t> index(static_cast<std::size_t>(kept.n_in_file));
    indices_.read(kept.first_in_file, kept.n_in_file, h5::native_type<std::int32_t>(),
                  index.data());
    for (const std::int32_t list : lists) {
      const std::size_t n_before = kept.index.size();
      for (std::int64_t e = offsets_[list]; e < offsets_[list + 1]; ++e) {
        const auto place = static_cast<std::size_t>(e - kept.first_in_file);
        if (index[place] < 0 || index[place] >= n_places_)
          throw InputError(what_ + " is damaged: its indices are out of range");
        const std::int32_t now = new_index_.empty() ? index[place] : new_index_[index[place]];
        if (now < 0) continue;
        kept.index.push_back(now);
        kept.place.push_back(place);
      }
      kept.n_of_list.push_back(static_cast<std::int64_t>(kept.index.size() - n_before));
    }
    return kept;
  }

  std::string what_;
  std::int64_t n_places_;
  std::vector<std::int32_t> kept_, new_index_;
  std::vector<std::int64_t> offsets_;
  std::int64_t n_entries_;
  h5::RowReader indices_;
};

/// data, indices and indptr of the kept entries of `matrix`, which is that of `source`.
void write_selected(hid_t source, const std::string& path, CompressedMatrix& matrix,
                    const std::vector<std::int64_t>& offsets, const h5::Group& group) {
  const h5::DataSet values = h5::open_for_runs(source, "data", {h5::any_length});
  const h5::Type type{H5Dget_type(values)};
  h5::write_empty(group, "data", type, {offsets.back()});
  const hid_t index = index_type(offsets.back());
  h5::write_empty(group, "indices", index, {offsets.back()});
  const h5::DataSet data = h5::open_dataset(group, "data");
  const h5::DataSet indices = h5::open_dataset(group, "indices");
  std::int64_t at = 0;
  matrix.visit([&](const KeptEntries& kept) {
    const auto n = static_cast<std::int64_t>(kept.index.size());
    const auto bytes = picked(read_raw_rows(values, path, type, kept.first_in_file, kept.n_in_file),
                              H5Tget_size(type), kept.place);
    write_rows_at(data, at, n, type, bytes.data());
    write_rows_at(indices, at, n, h5::native_type<std::int32_t>(), kept.index.data());
    at += n;
  });
  const auto n_offsets = static_cast<std::int64_t>(offsets.size());
  h5::write_empty(group, "indptr", index, {n_offsets});
  write_rows_at(h5::open_dataset(group, "indptr"), 0, n_offsets, h5::native_type<std::int64_t>(),
                offsets.data());
}

bool copy_sparse(hid_t from, const std::string& path, hid_t to, const std::string& to_path,
                 const Selection& selection) {
  const h5::Group source = h5::open_group(from, path);
  const SparseHeader header = sparse_header(source, path);
  if (header.n_rows != selection.n_rows_before ||
      (selection.on_both_axes && header.n_cols != header.n_rows))
    return false;
  check_size(header.n_rows, header.n_cols, h5::file_name(from) + ": " + path);
  const std::vector<std::int32_t> rows(selection.rows.begin(), selection.rows.end());
  const std::vector<std::int32_t> new_rows =
      places_of(rows, static_cast<int>(selection.n_rows_before));
  std::optional<std::vector<std::int32_t>> kept_lists;
  if (!header.is_csc || selection.on_both_axes) kept_lists = rows;
  CompressedMatrix matrix(
      source, h5::file_name(from) + ": " + path, header.is_csc ? header.n_cols : header.n_rows,
      header.is_csc ? header.n_rows : header.n_cols, std::move(kept_lists),
      header.is_csc || selection.on_both_axes ? new_rows : std::vector<std::int32_t>());
  std::vector<std::int64_t> offsets{0};
  matrix.visit([&](const KeptEntries& kept) {
    for (const std::int64_t n : kept.n_of_list) offsets.push_back(offsets.back() + n);
  });

  const h5::Group group = h5::make_group(to, to_path);
  write_selected(source, path, matrix, offsets, group);
  mark(group, header.is_csc ? "csc_matrix" : "csr_matrix", "0.1.0");
  const auto n_rows = static_cast<std::int64_t>(rows.size());
  h5::write_attribute(
      group, "shape",
      std::vector<std::int64_t>{n_rows, selection.on_both_axes ? n_rows : header.n_cols});
  return true;
}

bool copy_table(hid_t from, const std::string& path, hid_t to, const Selection& selection,
                std::vector<std::string>& left_out) {
  const Frame frame = read_frame(from, path, left_out);
  if (frame.n_rows() != selection.n_rows_before) return false;
  write_frame(to, path, rows_of(frame, selection.rows));
  return true;
}

/// True: copied. False: of a kind or shape that we do not carry over.
bool try_to_copy(hid_t from, hid_t to, const std::string& group, const std::string& name,
                 const Selection& selection, std::vector<std::string>& left_out) {
  const std::string path = group + "/" + name;
  if (!h5::is_group(from, group)) {  // before anndata 0.7
    RawArray array = read_raw_member(from, group, name, selection.n_rows_before);
    keep_rows(array, selection.rows);
    write_raw(to, path, array);
    mark(h5::open_dataset(to, path), "array", "0.2.0");
    return true;
  }
  if (!h5::is_group(from, path)) return copy_dense(from, path, to, selection);
  if (is_sparse(from, path)) return copy_sparse(from, path, to, path, selection);
  const h5::Group element = h5::open_group(from, path);
  if (h5::text_attribute_or_empty(element, "encoding-type") == "dataframe" &&
      !selection.on_both_axes)
    return copy_table(from, path, to, selection, left_out);
  return false;
}

}  // namespace

std::vector<std::string> element_names(hid_t file, const std::string& name) {
  if (!h5::exists(file, name)) return {};
  if (h5::is_group(file, name)) return h5::names_in(file, name);
  return member_names(file, name);
}

void copy_element(hid_t from, hid_t to, const std::string& group, const std::string& name,
                  const Selection& selection, std::vector<std::string>& left_out) {
  expects(std::is_sorted(selection.rows.begin(), selection.rows.end()), "an ascending selection");
  expects(selection.rows.empty() || selection.rows.back() < selection.n_rows_before,
          "a selection of rows that are there");
  if (!try_to_copy(from, to, group, name, selection, left_out))
    left_out.push_back(group + "/" + name);
}

std::vector<std::string> graphs_in_uns(hid_t file) {
  std::vector<std::string> names;
  for (const char* name : {"connectivities", "distances"})
    if (is_sparse(file, std::string("uns/neighbors/") + name)) names.emplace_back(name);
  return names;
}

void move_graph(hid_t from, hid_t to, const std::string& name, const Selection& pairs,
                std::vector<std::string>& left_out) {
  const std::string in_uns = "uns/neighbors/" + name, in_obsp = "obsp/" + name;
  if (h5::exists(to, in_uns)) h5::check(H5Ldelete(to, in_uns.c_str(), H5P_DEFAULT));
  if (!h5::exists(to, in_obsp) && !copy_sparse(from, in_uns, to, in_obsp, pairs))
    left_out.push_back(in_uns);
}

}  // namespace stamarker::anndata
