#pragma once
#include <optional>
#include <string>

#include "io/compressed_chunks.hpp"
#include "io/h5.hpp"

namespace stamarker::h5 {

/// Reads one run of rows after another from a dataset of numbers of one or more dimensions, all of
/// each row, so that no chunk is inflated twice. The dataset must not be open already.
class RowReader {
 public:
  /// Throws InputError: there is none, it is damaged, its lengths are not the expected ones.
  RowReader(hid_t where, const std::string& name, const Lengths& expected);

  /// Begins to read rows [first, first + n), as CompressedChunks does where the dataset is of that
  /// kind; else they are in `values` at once. Throws InputError: damaged, no numbers.
  [[nodiscard]] CompressedChunks::Rows begin(std::int64_t first, std::int64_t n, hid_t memory_type,
                                             void* values);
  void read(std::int64_t first, std::int64_t n, hid_t memory_type, void* values);

 private:
  DataSet set_;
  std::optional<CompressedChunks> chunks_;
};

}  // namespace stamarker::h5
