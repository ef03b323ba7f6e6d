#include <fmt/core.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>
#include <thread>

#include "io/compressed_chunks.hpp"
#include "io/row_reader.hpp"
#include "support/message_of.hpp"

namespace stamarker::h5 {
namespace {

namespace fs = std::filesystem;

/// How a dataset is stored. Of one dimension if n_cols is 0.
struct Stored {
  hsize_t n_rows = 0, n_cols = 0, chunk_rows = 1, chunk_cols = 1;
  int level = 4;
  bool is_shuffled = false, is_growing = false;
};

template <class T>
struct Numbers {
  std::mt19937_64 random{7};

  /// Of few different values, as counts are, and now and then an extreme one.
  T next() {
    using Limits = std::numeric_limits<T>;
    const auto pick = random() % 64;
    if (pick == 0) return Limits::max();
    if (pick == 1) return Limits::lowest();
    if constexpr (std::is_floating_point_v<T>) {
      if (pick == 2) return Limits::infinity();
      if (pick == 3) return -Limits::infinity();
      if (pick == 4) return Limits::quiet_NaN();
      if (pick == 5) return Limits::denorm_min();
      if (pick == 6) return T(1) / 3;
      if (pick == 7) return T(std::numeric_limits<float>::max()) * T(1.00000001);
    }
    if (pick < 12) return static_cast<T>(random());
    return static_cast<T>(random() % 5);
  }
};

/// The parameter is the version of the file format, which tells how chunks are found.
class CompressedChunksTest : public ::testing::TestWithParam<H5F_libver_t> {
 protected:
  CompressedChunksTest()
      : path_(fs::temp_directory_path() / fmt::format("stamarker_chunks_{}.h5", getpid())),
        file_(H5Fcreate(path_.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, of_version(GetParam()))) {
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  }
  ~CompressedChunksTest() override { fs::remove(path_); }

  static Properties of_version(H5F_libver_t version) {
    Properties access{H5Pcreate(H5P_FILE_ACCESS)};
    check(H5Pset_libver_bounds(access, version, H5F_LIBVER_LATEST));
    return access;
  }

  static Properties properties(const Stored& how) {
    Properties made{H5Pcreate(H5P_DATASET_CREATE)};
    const hsize_t chunk[] = {how.chunk_rows, how.chunk_cols};
    check(H5Pset_chunk(made, how.n_cols > 0 ? 2 : 1, chunk));
    if (how.is_shuffled) check(H5Pset_shuffle(made));
    if (how.level >= 0) check(H5Pset_deflate(made, static_cast<unsigned>(how.level)));
    return made;
  }

  DataSet create(const std::string& name, hid_t type, const Stored& how, hid_t made) const {
    const hsize_t dims[] = {how.n_rows, how.n_cols}, most[] = {H5S_UNLIMITED, H5S_UNLIMITED};
    const Space space{
        H5Screate_simple(how.n_cols > 0 ? 2 : 1, dims, how.is_growing ? most : nullptr)};
    return DataSet{H5Dcreate2(file_, name.c_str(), type, space, H5P_DEFAULT, made, H5P_DEFAULT)};
  }

  template <class T>
  void write(const std::string& name, const Stored& how) {
    const DataSet set = create(name, native_type<T>(), how, properties(how));
    std::vector<T> values(how.n_rows * std::max<hsize_t>(1, how.n_cols));
    Numbers<T> numbers{std::mt19937_64(random_())};
    for (T& value : values) value = numbers.next();
    check(H5Dwrite(set, native_type<T>(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()));
  }

  /// As HDF5 itself reads them.
  template <class T>
  static std::vector<T> wanted(const DataSet& set) {
    std::vector<T> values(
        static_cast<std::size_t>(H5Sget_simple_extent_npoints(Space{H5Dget_space(set)})));
    check(H5Dread(set, native_type<T>(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()));
    return values;
  }

  /// At once, and in random runs that threads finish in any order.
  template <class T>
  void expect_same(const std::string& name) {
    const DataSet set = open_dataset(file_, name);
    auto chunks = CompressedChunks::of(set);
    ASSERT_TRUE(chunks);
    if (!chunks->gives(set, native_type<T>())) return;
    const std::vector<T> all = wanted<T>(set);
    const auto n_rows = chunks->n_rows();
    const std::size_t n_cols = all.size() / static_cast<std::size_t>(n_rows);

    std::vector<T> got(all.size());
    chunks->read(set, 0, n_rows, native_type<T>(), got.data());
    EXPECT_EQ(std::memcmp(got.data(), all.data(), all.size() * sizeof(T)), 0);

    got.assign(all.size(), T(99));
    std::vector<CompressedChunks::Rows> runs;
    for (std::int64_t first = 0; first < n_rows;) {
      const auto most = static_cast<std::uint64_t>(n_rows - first);
      const auto n = static_cast<std::int64_t>(random_() % (most / (1 + random_() % 4) + 1));
      runs.push_back(chunks->begin(set, first, n, native_type<T>(),
                                   got.data() + static_cast<std::size_t>(first) * n_cols));
      first += n;
    }
    std::shuffle(runs.begin(), runs.end(), random_);
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < 3; ++t)
      threads.emplace_back([&runs, t] {
        for (std::size_t k = t; k < runs.size(); k += 3) {
          if (k % 2 == 0) runs[k].inflate();
          runs[k].finish();
        }
      });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(std::memcmp(got.data(), all.data(), all.size() * sizeof(T)), 0);
  }
  void expect_same_in_all_types(const std::string& name) {
    expect_same<float>(name);
    expect_same<double>(name);
    expect_same<std::int32_t>(name);
    expect_same<std::int64_t>(name);
  }

  Stored any() {
    const auto below = [&](std::uint64_t end) { return static_cast<hsize_t>(random_() % end); };
    Stored how;
    how.n_rows = 1 + below(random_() % 2 == 0 ? 40 : 1000);
    how.chunk_rows =
        1 + below(random_() % 3 == 0 ? how.n_rows : std::min<hsize_t>(how.n_rows, 100));
    if (random_() % 3 == 0) {
      how.n_rows = 1 + how.n_rows % 90;
      how.chunk_rows = 1 + how.chunk_rows % how.n_rows;
      how.n_cols = 1 + below(70);
      how.chunk_cols = random_() % 3 == 0 ? how.n_cols : 1 + below(how.n_cols);
    }
    how.is_growing = random_() % 3 == 0;
    if (how.is_growing) {  // chunks may be larger than the dataset
      how.chunk_rows += below(20);
      if (how.n_cols > 0) how.chunk_cols += below(20);
    }
    how.level = static_cast<int>(random_() % 10);
    how.is_shuffled = random_() % 2 == 0;
    return how;
  }

  template <class T>
  void compare_random_datasets() {
    for (int k = 0; k < 12; ++k) {
      const Stored how = any();
      SCOPED_TRACE(fmt::format("{} x {} in chunks of {} x {}, gzip {}, shuffle {}", how.n_rows,
                               how.n_cols, how.chunk_rows, how.chunk_cols, how.level,
                               how.is_shuffled));
      const std::string name = fmt::format("{}_{}", sizeof(T), ++n_sets_);
      write<T>(name, how);
      expect_same_in_all_types(name);
      if (HasFailure()) return;
    }
  }

  bool is_read_here(const std::string& name) const {
    return CompressedChunks::of(open_dataset(file_, name)).has_value();
  }

  /// Writes other bytes over a stored chunk and opens the file again.
  void damage(const std::string& name, hsize_t row, char byte) {
    haddr_t address = 0;
    hsize_t n_bytes = 0;
    {
      const DataSet set = open_dataset(file_, name);
      unsigned left_out = 0;
      check(H5Dget_chunk_info_by_coord(set, &row, &left_out, &address, &n_bytes));
    }
    close(std::move(file_));
    {
      std::fstream bytes(path_, std::ios::in | std::ios::out | std::ios::binary);
      bytes.seekp(static_cast<std::streamoff>(address + n_bytes / 2));
      bytes << std::string(n_bytes / 4, byte);
    }
    file_ = open_to_read(path_);
  }

  fs::path path_;
  File file_;
  std::mt19937_64 random_{20};
  int n_sets_ = 0;
};

TEST_P(CompressedChunksTest, GiveWhatHdf5ReadsOfEveryTypeAndShape) {
  compare_random_datasets<std::int8_t>();
  compare_random_datasets<std::uint8_t>();
  compare_random_datasets<std::int16_t>();
  compare_random_datasets<std::uint16_t>();
  compare_random_datasets<std::int32_t>();
  compare_random_datasets<std::uint32_t>();
  compare_random_datasets<std::int64_t>();
  compare_random_datasets<std::uint64_t>();
  compare_random_datasets<float>();
  compare_random_datasets<double>();
}

TEST_P(CompressedChunksTest, OfMoreThanOneBufferAreReadWhole) {
  write<double>("long", {.n_rows = 5'000'000, .chunk_rows = 300'000, .level = 1});
  write<float>("one", {.n_rows = 5'000'000, .chunk_rows = 5'000'000, .level = 1});

  expect_same<float>("long");
  expect_same<float>("one");
}

TEST_P(CompressedChunksTest, ThatAreNotAllocatedHoldTheFillValue) {
  const Stored how{.n_rows = 100, .chunk_rows = 10, .is_shuffled = true};
  const Properties made = properties(how);
  const float fill = 7;
  check(H5Pset_fill_value(made, H5T_NATIVE_FLOAT, &fill));
  {
    const DataSet set = create("holes", H5T_NATIVE_FLOAT, how, made);
    const std::vector<float> part(15, 2);
    check(H5Dwrite(set, H5T_NATIVE_FLOAT, space_of({15}), select_rows(set, 32, 15), H5P_DEFAULT,
                   part.data()));
  }

  expect_same_in_all_types("holes");
  const std::vector<float> values = read<float>(file_, "holes");
  EXPECT_EQ(values[31], fill);
  EXPECT_EQ(values[32], 2);
  EXPECT_EQ(values[99], fill);
}

TEST_P(CompressedChunksTest, WithFiltersOfTheirOwnAreReadAsTheyAreStored) {
  const Stored how{.n_rows = 40, .chunk_rows = 10, .is_shuffled = true};
  write<std::int32_t>("mixed", how);
  {
    const DataSet set = open_dataset(file_, "mixed");
    const std::vector<std::int32_t> plain{9, 8, 7, 6, 5, 4, 3, 2, 1, 0};
    const hsize_t second = 10;
    check(H5Dwrite_chunk(set, H5P_DEFAULT, /*without shuffle and deflate*/ 3, &second,
                         plain.size() * sizeof(std::int32_t), plain.data()));
  }

  expect_same_in_all_types("mixed");
  const auto values = read<std::int32_t>(file_, "mixed");
  EXPECT_EQ(std::vector(values.begin() + 10, values.begin() + 13),
            (std::vector<std::int32_t>{9, 8, 7}));
}

TEST_P(CompressedChunksTest, OfOtherKindsAreLeftToHdf5) {
  const Stored how{.n_rows = 100, .chunk_rows = 30};
  const Stored plain{.n_rows = 100, .chunk_rows = 30, .level = -1};
  write<float>("gzip", how);
  EXPECT_TRUE(is_read_here("gzip"));

  write<float>("plain", plain);
  EXPECT_FALSE(is_read_here("plain"));
  h5::write(file_, "contiguous", std::vector<float>{1, 2});
  EXPECT_FALSE(is_read_here("contiguous"));
  h5::write(file_, "scalar", std::span<const float>(std::vector<float>{1}), {});
  EXPECT_FALSE(is_read_here("scalar"));
  const auto expect_left = [&](const std::string& name, hid_t type, hid_t made) {
    const DataSet set = create(name, type, how, made);
    std::vector<float> values(100);
    for (std::size_t k = 0; k < values.size(); ++k) values[k] = static_cast<float>(k);
    if (H5Tget_class(type) != H5T_ENUM)
      check(H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()));
    EXPECT_FALSE(CompressedChunks::of(set)) << name;
    if (H5Tget_class(type) == H5T_ENUM) return;
    std::vector<float> got(100);
    read_rows(file_, name, {100}, 0, 100, H5T_NATIVE_FLOAT, got.data());
    EXPECT_EQ(got, values) << name;
  };
  const auto with = [&](auto add, const Stored& base) {
    Properties made = properties(base);
    check(add(made));
    return made;
  };
  expect_left("fletcher32", H5T_NATIVE_FLOAT,
              with([](hid_t made) { return H5Pset_fletcher32(made); }, how));
  expect_left("twice", H5T_NATIVE_FLOAT,
              with([](hid_t made) { return H5Pset_deflate(made, 1); }, how));
  expect_left("shuffle after", H5T_NATIVE_FLOAT,
              with([](hid_t made) { return H5Pset_shuffle(made); }, how));
  expect_left("shuffle alone", H5T_NATIVE_FLOAT,
              with([](hid_t made) { return H5Pset_shuffle(made); }, plain));
  expect_left("n-bit", H5T_NATIVE_INT, with([](hid_t made) { return H5Pset_nbit(made); }, plain));
  expect_left("scale and offset", H5T_NATIVE_INT,
              with(
                  [](hid_t made) {
                    return H5Pset_scaleoffset(made, H5Z_SO_INT, H5Z_SO_INT_MINBITS_DEFAULT);
                  },
                  plain));
  expect_left(
      "edges not compressed", H5T_NATIVE_FLOAT,
      with([](hid_t made) { return H5Pset_chunk_opts(made, H5D_CHUNK_DONT_FILTER_PARTIAL_CHUNKS); },
           how));
  expect_left("big-endian", H5T_IEEE_F32BE, properties(how));
  expect_left("big-endian integers", H5T_STD_I32BE, properties(how));
  const Type half{H5Tcopy(H5T_IEEE_F32LE)};
  check(H5Tset_fields(half, 15, 10, 5, 0, 10));
  check(H5Tset_size(half, 2));
  check(H5Tset_ebias(half, 15));
  expect_left("half precision", half, properties(how));
  const Type flag{H5Tenum_create(H5T_NATIVE_INT8)};
  std::int8_t no = 0;
  check(H5Tenum_insert(flag, "FALSE", &no));
  expect_left("enum", flag, properties(how));
}

TEST_P(CompressedChunksTest, WithRowsInTooManyChunksAreLeftToHdf5) {
  Stored how{.n_rows = 300'000, .n_cols = 1000, .chunk_rows = 1 << 17, .chunk_cols = 100};
  create("wide", H5T_NATIVE_INT32, how, properties(how));
  how.chunk_rows = 1 << 15;
  create("less wide", H5T_NATIVE_INT32, how, properties(how));

  EXPECT_FALSE(is_read_here("wide"));
  EXPECT_TRUE(is_read_here("less wide"));
}

TEST_P(CompressedChunksTest, ThatAreDamagedAreNamed) {
  write<std::int32_t>("g", {.n_rows = 50'000, .chunk_rows = 10'000});
  damage("g", 20'000, '\xff');
  const std::string wanted_text =
      path_.string() +
      ": g cannot be read (the chunk at 20000, 0 does not inflate): the file is "
      "damaged or truncated; copy it again";

  EXPECT_EQ(test::message_of([&] { read<std::int32_t>(file_, "g"); }), wanted_text);

  RowReader reader(file_, "g", {50'000});
  std::vector<std::int32_t> values(50'000);
  const auto begin = [&](std::int64_t first, std::int64_t n) {
    return reader.begin(first, n, H5T_NATIVE_INT32, values.data() + first);
  };
  auto before = begin(0, 20'000), first = begin(20'000, 6'000), second = begin(26'000, 6'000),
       after = begin(32'000, 18'000);
  std::string of_second;
  std::thread other([&] { of_second = test::message_of([&] { second.finish(); }); });
  // Both wait for the same chunk.
  EXPECT_EQ(test::message_of([&] { first.finish(); }), wanted_text);
  other.join();
  EXPECT_EQ(of_second, wanted_text);
  before.finish();
  after.finish();
}

TEST_P(CompressedChunksTest, ThatEndTooEarlyAreDamaged) {
  write<std::int32_t>("g", {.n_rows = 20'000, .chunk_rows = 10'000, .level = 6});
  {
    const DataSet set = open_dataset(file_, "g");
    const hsize_t at = 10'000;
    hsize_t n_bytes = 0;
    check(H5Dget_chunk_storage_size(set, &at, &n_bytes));
    std::vector<std::byte> stored(n_bytes);
    std::uint32_t left_out = 0;
    check(H5Dread_chunk(set, H5P_DEFAULT, &at, &left_out, stored.data()));
    check(H5Dwrite_chunk(set, H5P_DEFAULT, 0, &at, n_bytes / 2, stored.data()));
  }

  EXPECT_THROW(read<std::int32_t>(file_, "g"), InputError);
}

INSTANTIATE_TEST_SUITE_P(Formats, CompressedChunksTest,
                         ::testing::Values(H5F_LIBVER_EARLIEST, H5F_LIBVER_LATEST));

}  // namespace
}  // namespace stamarker::h5
