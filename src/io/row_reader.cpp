#include "io/row_reader.hpp"

namespace stamarker::h5 {

RowReader::RowReader(hid_t where, const std::string& name, const Lengths& expected)
    : set_(open_for_runs(where, name, expected)), chunks_(CompressedChunks::of(set_)) {}

CompressedChunks::Rows RowReader::begin(std::int64_t first, std::int64_t n, hid_t memory_type,
                                        void* values) {
  if (chunks_ && chunks_->gives(set_, memory_type))
    return chunks_->begin(set_, first, n, memory_type, values);
  read_rows_by_hdf5(set_, first, n, memory_type, values);
  return {};
}

void RowReader::read(std::int64_t first, std::int64_t n, hid_t memory_type, void* values) {
  if (chunks_ && chunks_->gives(set_, memory_type))
    chunks_->read(set_, first, n, memory_type, values);
  else
    read_rows_by_hdf5(set_, first, n, memory_type, values);
}

}  // namespace stamarker::h5
