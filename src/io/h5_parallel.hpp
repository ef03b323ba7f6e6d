#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "comm/comm.hpp"
#include "data/dataset.hpp"
#include "io/h5.hpp"

/// Rows of datasets that several ranks write together, into a file of write_file_together
/// (atomic_file.hpp): one rank has made the datasets, then each rank writes its own rows by
/// independent transfers of parallel HDF5. No rank waits for another while it writes, so that one
/// that fails keeps none. All functions with a Comm are collective: ranks without rows call them
/// too. Failures are agreed: if one rank cannot write, all throw the same InputError.
namespace stamarker::h5 {

/// Makes an empty dataset of the given shape, one to three dimensions, rows first, by one rank on
/// its own file. Its space is taken from the file at once, in one piece. Values not written later
/// are undefined.
void create_typed_rows(hid_t where, const std::string& name, hid_t type,
                       const std::vector<std::int64_t>& shape);
template <class T>
void create_rows(hid_t where, const std::string& name, const std::vector<std::int64_t>& shape) {
  create_typed_rows(where, name, native_type<T>(), shape);
}

/// Bytes that a rank hands to HDF5 at a time.
constexpr std::size_t written_at_once = std::size_t{1} << 26;

/// Writes rows [first_row, first_row + n) of an existing dataset, n = values / row length, possibly
/// 0. Rows of different ranks do not overlap. Values are converted to the file's type. Whole rows
/// of at most `most_bytes`, but one at least, are written at a time. Collective.
void write_typed_rows(const Comm& comm, hid_t where, const std::string& name, hid_t type,
                      std::int64_t first_row, std::span<const std::byte> values,
                      std::size_t most_bytes);
template <class T>
void write_rows(const Comm& comm, hid_t where, const std::string& name, std::int64_t first_row,
                std::span<const T> values, std::size_t most_bytes = written_at_once) {
  write_typed_rows(comm, where, name, native_type<T>(), first_row, std::as_bytes(values),
                   most_bytes);
}

/// Writes single rows of a two-dimensional dataset, wherever they are. rows: ascending,
/// distinct. values: [rows, n_cols]. Collective.
void write_typed_row_list(const Comm& comm, hid_t where, const std::string& name, hid_t type,
                          std::span<const std::int32_t> rows, std::span<const std::byte> values);
template <class T>
void write_row_list(const Comm& comm, hid_t where, const std::string& name,
                    std::span<const std::int32_t> rows, std::span<const T> values) {
  write_typed_row_list(comm, where, name, native_type<T>(), rows, std::as_bytes(values));
}

/// Rows [first_row, first_row + n) of a sparse matrix, as a view. Offsets may start anywhere, so
/// that a block of a whole matrix needs no copy.
struct SparseBlock {
  std::int64_t first_row = 0;
  std::int64_t n_cols = 0;                  // of the whole matrix, the same on all ranks
  std::span<const std::int64_t> row_start;  // [n + 1], or empty for no rows
  std::span<const std::int32_t> column;     // indexed by the values of row_start
  std::span<const float> value;             // likewise

  std::int64_t n_rows() const {
    return row_start.empty() ? 0 : static_cast<std::int64_t>(row_start.size()) - 1;
  }
  std::int64_t n_entries() const { return row_start.empty() ? 0 : row_start.back() - row_start[0]; }
};

/// The given rows of a matrix that this rank holds whole.
SparseBlock block_of_rows(const SparseRows& matrix, Block rows);

/// Makes the group of a CSR matrix as AnnData stores it: data, indices, indptr, attribute shape.
/// Index type int32, or int64 from 2^31 entries on, as scipy chooses. Used like create_rows.
void create_csr(hid_t where, const std::string& name, std::int64_t n_rows, std::int64_t n_cols,
                std::int64_t n_entries);
/// Writes this rank's rows of a matrix made by create_csr. Blocks tile the rows without gap, in any
/// order of ranks. Collective.
void write_csr(const Comm& comm, hid_t where, const std::string& name, const SparseBlock& mine);

}  // namespace stamarker::h5
