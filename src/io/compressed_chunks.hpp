#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/h5.hpp"

namespace stamarker::h5 {

/// Reads a dataset of numbers whose chunks are compressed by gzip, with several threads: HDF5,
/// which inflates one chunk after another, hands them over as they are stored, and threads inflate
/// them.
class CompressedChunks {
  class Chunk;
  struct Layout {
    std::int64_t n_rows, n_cols, chunk_rows, chunk_cols;  // of one dimension: columns are 1
    std::size_t value_bytes;
    bool is_shuffled;
    std::string place;  // for messages
  };
  /// Values first, first + 1, ... of a chunk become values at, at + 1, ...
  using Convert = void (*)(const std::byte* chunk, std::size_t n_of_chunk, std::size_t first,
                           std::size_t n, void* values, std::size_t at);

 public:
  /// None where H5Dread is the only way: other filters than deflate, alone or after shuffle;
  /// numbers that are not the integers, float and double of this machine; more than two dimensions;
  /// rows of several chunks that together take more than 256 MiB.
  static std::optional<CompressedChunks> of(const DataSet& set);

  /// Whether values can be had in this type of memory: float and double, of integers also 32 and 64
  /// bits with a sign. Calls HDF5.
  bool gives(const DataSet& set, hid_t memory_type) const;
  std::int64_t n_rows() const { return layout_.n_rows; }
  /// Rows of one chunk: those that are inflated together.
  std::int64_t chunk_rows() const { return layout_.chunk_rows; }
  /// What these take, inflated.
  std::int64_t band_bytes() const;

  /// Rows on their way into memory, perhaps all there already.
  class Rows {
   public:
    Rows() = default;
    /// Inflates those chunks that no other thread has begun. Does not call HDF5.
    void inflate() const;
    /// Inflates what is left and writes the values, by all threads of OpenMP where none are at work
    /// yet. Does not call HDF5. Throws InputError: damaged.
    void finish() const;

   private:
    friend CompressedChunks;
    void copy(const Chunk& chunk) const;

    Layout layout_{};
    std::int64_t first_ = 0, end_ = 0;
    std::vector<std::shared_ptr<Chunk>> chunks_;  // which rows begun before and after may share
    Convert convert_ = nullptr;
    void* values_ = nullptr;
  };
  /// Gets what is stored of rows [first, first + n) of the dataset, in a type that gives() names.
  /// `values` is filled by Rows::finish. Chunks that are stored in another way than the rest, or
  /// not at all, are read by H5Dread at once. Calls HDF5, so one thread at a time; what was got
  /// last is kept for rows that follow. Throws InputError: damaged.
  [[nodiscard]] Rows begin(const DataSet& set, std::int64_t first, std::int64_t n,
                           hid_t memory_type, void* values);
  /// The same at once, 16 MiB or one chunk at a time.
  void read(const DataSet& set, std::int64_t first, std::int64_t n, hid_t memory_type,
            void* values);

 private:
  explicit CompressedChunks(Layout layout) : layout_(std::move(layout)) {}
  bool get_chunks(const DataSet& set, std::int64_t band,
                  std::vector<std::shared_ptr<Chunk>>& chunks);

  Layout layout_;
  std::int64_t last_band_ = -1;
  std::vector<std::shared_ptr<Chunk>> last_chunks_;
};

}  // namespace stamarker::h5
