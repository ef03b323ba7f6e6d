#include "io/compressed_chunks.hpp"

#include <fmt/core.h>
#include <libdeflate.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <limits>
#include <new>

namespace stamarker::h5 {

namespace {

constexpr std::int64_t most_band_bytes = std::int64_t{1} << 28;
constexpr std::int64_t most_bytes_at_once = std::int64_t{1} << 24;

/// Value k of a chunk; shuffle stores the first bytes of all n values, then their second bytes, ...
template <class T, bool is_shuffled>
T load(const std::byte* chunk, std::size_t n, std::size_t k) {
  if constexpr (is_shuffled) {
    using Bits = std::conditional_t<
        sizeof(T) == 1, std::uint8_t,
        std::conditional_t<sizeof(T) == 2, std::uint16_t,
                           std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>>>;
    Bits bits = 0;
    for (std::size_t b = 0; b < sizeof(T); ++b)
      bits = static_cast<Bits>(bits | static_cast<Bits>(chunk[b * n + k]) << (8 * b));
    return std::bit_cast<T>(bits);
  } else {
    T value;
    std::memcpy(&value, chunk + k * sizeof(T), sizeof(T));
    return value;
  }
}

/// As H5Dread converts: integers stop at the ends of the range, doubles become infinite there.
template <class To, class From>
To converted(From value) {
  using Limits = std::numeric_limits<To>;
  if constexpr (std::is_integral_v<To>) {
    if (std::cmp_less(value, Limits::min())) return Limits::min();
    if (std::cmp_greater(value, Limits::max())) return Limits::max();
  } else if constexpr (std::is_same_v<From, double> && std::is_same_v<To, float>) {
    if (value > Limits::max()) return Limits::infinity();
    if (value < Limits::lowest()) return -Limits::infinity();
  }
  return static_cast<To>(value);
}

template <class From, class To, bool is_shuffled>
void convert(const std::byte* chunk, std::size_t n_of_chunk, std::size_t first, std::size_t n,
             void* values, std::size_t at) {
  To* to = static_cast<To*>(values) + at;
  for (std::size_t k = 0; k < n; ++k)
    to[k] = converted<To>(load<From, is_shuffled>(chunk, n_of_chunk, first + k));
}

template <class T>
struct Tag {
  using type = T;
};

/// Calls visit(Tag<T>()) for that of the types Ts which HDF5 knows as `type`; false if there is
/// none.
template <class... Ts, class Visit>
bool with_type_of(hid_t type, Visit visit) {
  return ((H5Tequal(type, native_type<Ts>()) > 0 && (visit(Tag<Ts>()), true)) || ...);
}

/// The function that converts numbers as stored into `memory_type`; null if there is none.
auto converter(hid_t file_type, bool is_shuffled, hid_t memory_type) {
  decltype(&convert<float, float, false>) found = nullptr;
  const auto choose = [&](auto from, auto to) {
    using From = typename decltype(from)::type;
    using To = typename decltype(to)::type;
    if constexpr (std::is_integral_v<From> || std::is_floating_point_v<To>)
      found = is_shuffled ? convert<From, To, true> : convert<From, To, false>;
  };
  with_type_of<std::int8_t, std::uint8_t, std::int16_t, std::uint16_t, std::int32_t, std::uint32_t,
               std::int64_t, std::uint64_t, float, double>(file_type, [&](auto from) {
    with_type_of<float, double, std::int32_t, std::int64_t>(memory_type,
                                                            [&](auto to) { choose(from, to); });
  });
  return found;
}

/// Whether the filters are deflate, alone or after shuffle of whole values, and of all chunks.
bool are_gzip(hid_t made, std::size_t value_bytes, bool& is_shuffled) {
  const int n = H5Pget_nfilters(made);
  if (n < 1 || n > 2) return false;
  const auto filter = [&](int k, unsigned& first_value) {
    unsigned flags = 0;
    std::size_t n_values = 1;
    return H5Pget_filter2(made, static_cast<unsigned>(k), &flags, &n_values, &first_value, 0,
                          nullptr, nullptr);
  };
  unsigned level = 0, shuffled_bytes = 0;
  is_shuffled = n == 2;
  if (is_shuffled &&
      (filter(0, shuffled_bytes) != H5Z_FILTER_SHUFFLE || shuffled_bytes != value_bytes))
    return false;
  unsigned options = 0;
  check(H5Pget_chunk_opts(made, &options));
  return filter(n - 1, level) == H5Z_FILTER_DEFLATE &&
         (options & H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS) == 0;
}

std::unique_ptr<std::byte[]> some_bytes(std::size_t n) {
  return std::make_unique_for_overwrite<std::byte[]>(n);
}

}  // namespace

/// One chunk, as it is stored until a thread has inflated it. Threads may call all functions.
class CompressedChunks::Chunk {
 public:
  Chunk(std::int64_t first_row, std::int64_t first_col, std::unique_ptr<std::byte[]> stored,
        std::size_t n_stored, std::size_t n_bytes)
      : first_row_(first_row),
        first_col_(first_col),
        stored_(std::move(stored)),
        n_stored_(n_stored),
        values_(some_bytes(n_bytes)),
        n_bytes_(n_bytes) {}

  std::int64_t first_row() const { return first_row_; }
  std::int64_t first_col() const { return first_col_; }
  /// Once is_whole() has said yes.
  const std::byte* values() const { return values_.get(); }

  /// Whether the caller is the first to ask, and so inflates it.
  bool is_mine() { return !is_taken_.exchange(true); }
  void inflate(libdeflate_decompressor* decompressor) {
    const bool is_well =
        libdeflate_zlib_decompress(decompressor, stored_.get(), n_stored_, values_.get(), n_bytes_,
                                   nullptr) == LIBDEFLATE_SUCCESS;
    stored_.reset();
    state_ = is_well ? State::whole : State::damaged;
    state_.notify_all();
  }
  /// Inflates it here and now, as the only user; false: it is damaged.
  bool inflates() {
    const std::unique_ptr<libdeflate_decompressor, decltype(&libdeflate_free_decompressor)> here(
        libdeflate_alloc_decompressor(), libdeflate_free_decompressor);
    if (!here) throw std::bad_alloc();
    inflate(here.get());
    return is_whole();
  }
  std::string damage() const {
    return fmt::format("the chunk at {}, {} does not inflate", first_row_, first_col_);
  }
  /// Waits until it is inflated; false: it is damaged.
  bool is_whole() const {
    state_.wait(State::stored);
    return state_ == State::whole;
  }

 private:
  enum class State { stored, whole, damaged };

  std::int64_t first_row_, first_col_;
  std::unique_ptr<std::byte[]> stored_;
  std::size_t n_stored_;
  std::unique_ptr<std::byte[]> values_;
  std::size_t n_bytes_;
  std::atomic<bool> is_taken_ = false;
  std::atomic<State> state_ = State::stored;
};

std::optional<CompressedChunks> CompressedChunks::of(const DataSet& set) {
  const Properties made{H5Dget_create_plist(set)};
  const Space space{H5Dget_space(set)};
  const Type type{H5Dget_type(set)};
  const int n_dims = H5Sget_simple_extent_ndims(space);
  if (H5Pget_layout(made) != H5D_CHUNKED || n_dims < 1 || n_dims > 2 ||
      std::endian::native != std::endian::little)  // load() puts bytes together so
    return {};
  hsize_t dims[2] = {0, 1}, chunk[2] = {0, 1};
  check(H5Sget_simple_extent_dims(space, dims, nullptr));
  check(H5Pget_chunk(made, 2, chunk));
  Layout layout{static_cast<std::int64_t>(dims[0]),
                static_cast<std::int64_t>(dims[1]),
                static_cast<std::int64_t>(chunk[0]),
                static_cast<std::int64_t>(chunk[1]),
                H5Tget_size(type),
                /*is_shuffled=*/false,
                place_of(set)};
  if (dims[1] == 0 || !are_gzip(made, layout.value_bytes, layout.is_shuffled)) return {};
  CompressedChunks chunks(std::move(layout));
  const bool is_narrow = chunk[1] >= dims[1];
  if (!chunks.gives(set, H5T_NATIVE_DOUBLE) ||
      (!is_narrow && chunks.band_bytes() > most_band_bytes))
    return {};
  return chunks;
}

bool CompressedChunks::gives(const DataSet& set, hid_t memory_type) const {
  return converter(Type{H5Dget_type(set)}, layout_.is_shuffled, memory_type) != nullptr;
}

std::int64_t CompressedChunks::band_bytes() const {
  const std::int64_t n_chunks = (layout_.n_cols + layout_.chunk_cols - 1) / layout_.chunk_cols;
  return n_chunks * layout_.chunk_cols * layout_.chunk_rows *
         static_cast<std::int64_t>(layout_.value_bytes);
}

/// Appends the chunks of rows band * chunk_rows, ...; false if one of them is not as the rest.
/// Throws InputError where HDF5 would read beyond what is stored of one.
bool CompressedChunks::get_chunks(const DataSet& set, std::int64_t band,
                                  std::vector<std::shared_ptr<Chunk>>& chunks) {
  if (band != last_band_) {
    last_band_ = -1;
    last_chunks_.clear();
    const std::size_t n_bytes = static_cast<std::size_t>(layout_.chunk_rows) *
                                static_cast<std::size_t>(layout_.chunk_cols) * layout_.value_bytes;
    const std::size_t most_stored = n_bytes + n_bytes / 8 + 1024;  // deflate adds less
    for (std::int64_t col = 0; col < layout_.n_cols; col += layout_.chunk_cols) {
      const std::int64_t row = band * layout_.chunk_rows;
      const hsize_t at[2] = {static_cast<hsize_t>(row), static_cast<hsize_t>(col)};
      hsize_t n_stored = 0;
      std::uint32_t left_out = 0;
      if (H5Dget_chunk_storage_size(set, at, &n_stored) < 0 || n_stored == 0) return false;
      if (n_stored > most_stored)
        throw_damaged(layout_.place,
                      fmt::format("the chunk at {}, {} takes {} bytes of the file, "
                                  "more than its {} values",
                                  row, col, n_stored, n_bytes / layout_.value_bytes));
      std::unique_ptr<std::byte[]> stored = some_bytes(n_stored);
      if (H5Dread_chunk(set, H5P_DEFAULT, at, &left_out, stored.get()) < 0) return false;
      auto chunk = std::make_shared<Chunk>(row, col, std::move(stored), n_stored, n_bytes);
      if (left_out != 0) {  // some of its filters, deflate being the last
        const std::uint32_t deflate = layout_.is_shuffled ? 2 : 1;
        const bool is_whole = (left_out & deflate) != 0 ? n_stored == n_bytes : chunk->inflates();
        if (!is_whole) throw_damaged(layout_.place, chunk->damage());
        return false;
      }
      last_chunks_.push_back(std::move(chunk));
    }
    last_band_ = band;
  }
  chunks.insert(chunks.end(), last_chunks_.begin(), last_chunks_.end());
  return true;
}

CompressedChunks::Rows CompressedChunks::begin(const DataSet& set, std::int64_t first,
                                               std::int64_t n, hid_t memory_type, void* values) {
  expects(first >= 0 && n >= 0 && first + n <= layout_.n_rows, "rows within the dataset");
  Rows rows;
  if (n == 0) return rows;
  rows.convert_ = converter(Type{H5Dget_type(set)}, layout_.is_shuffled, memory_type);
  expects(rows.convert_ != nullptr, "a type that gives() names");
  rows.layout_ = layout_;
  rows.first_ = first;
  rows.end_ = first + n;
  rows.values_ = values;
  for (std::int64_t band = first / layout_.chunk_rows; band * layout_.chunk_rows < rows.end_;
       ++band)
    if (!get_chunks(set, band, rows.chunks_)) {
      read_rows_by_hdf5(set, first, n, memory_type, values);
      return {};
    }
  return rows;
}

void CompressedChunks::read(const DataSet& set, std::int64_t first, std::int64_t n,
                            hid_t memory_type, void* values) {
  const std::int64_t n_bands = std::max<std::int64_t>(1, most_bytes_at_once / band_bytes());
  const std::size_t row_bytes = static_cast<std::size_t>(layout_.n_cols) * H5Tget_size(memory_type);
  auto* to = static_cast<std::byte*>(values);
  for (const std::int64_t end = first + n; first < end;) {
    const std::int64_t last =
        std::min(end, (first / layout_.chunk_rows + n_bands) * layout_.chunk_rows);
    begin(set, first, last - first, memory_type, to).finish();
    to += static_cast<std::size_t>(last - first) * row_bytes;
    first = last;
  }
}

void CompressedChunks::Rows::inflate() const {
  std::unique_ptr<libdeflate_decompressor, decltype(&libdeflate_free_decompressor)> decompressor(
      nullptr, libdeflate_free_decompressor);
  for (const std::shared_ptr<Chunk>& chunk : chunks_) {
    if (!chunk->is_mine()) continue;
    if (!decompressor) decompressor.reset(libdeflate_alloc_decompressor());
    if (!decompressor) throw std::bad_alloc();
    chunk->inflate(decompressor.get());
  }
}

void CompressedChunks::Rows::copy(const Chunk& chunk) const {
  const auto n_cols = layout_.n_cols, width = layout_.chunk_cols;
  const std::int64_t begin = std::max(first_, chunk.first_row());
  const std::int64_t end = std::min(end_, chunk.first_row() + layout_.chunk_rows);
  const std::int64_t n_together = width == n_cols ? end - begin : 1;  // rows without gaps
  const std::int64_t n = n_together * std::min(width, n_cols - chunk.first_col());
  const auto size = [](std::int64_t value) { return static_cast<std::size_t>(value); };
  for (std::int64_t row = begin; row < end; row += n_together)
    convert_(chunk.values(), size(layout_.chunk_rows * width),
             size((row - chunk.first_row()) * width), size(n), values_,
             size((row - first_) * n_cols + chunk.first_col()));
}

void CompressedChunks::Rows::finish() const {
  if (chunks_.empty()) return;
  const auto n = static_cast<std::int64_t>(chunks_.size());
#pragma omp parallel
  inflate();
  for (const std::shared_ptr<Chunk>& chunk : chunks_)
    if (!chunk->is_whole()) throw_damaged(layout_.place, chunk->damage());
#pragma omp parallel for schedule(static)
  for (std::int64_t k = 0; k < n; ++k) copy(*chunks_[static_cast<std::size_t>(k)]);
}

}  // namespace stamarker::h5
