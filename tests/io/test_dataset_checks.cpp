#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "io/h5.hpp"
#include "io/row_reader.hpp"
#include "support/message_of.hpp"

namespace stamarker::h5 {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class DatasetChecks : public ::testing::Test {
 protected:
  DatasetChecks()
      : path_(fs::temp_directory_path() / ("stamarker_checks_" + std::to_string(getpid()))),
        file_(H5Fcreate(path_.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT)) {
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  }
  ~DatasetChecks() override { fs::remove(path_); }

  /// A dataset of which nothing is stored.
  DataSet declare(const std::string& name, hid_t type, const Lengths& shape, hsize_t chunk) const {
    const Properties made{H5Pcreate(H5P_DATASET_CREATE)};
    const std::vector<hsize_t> dims(shape.begin(), shape.end()), chunks(shape.size(), chunk),
        most(shape.size(), H5S_UNLIMITED);
    const auto n_dims = static_cast<int>(dims.size());
    check(H5Pset_chunk(made, n_dims, chunks.data()));
    const Space space{H5Screate_simple(n_dims, dims.data(), most.data())};
    return DataSet{H5Dcreate2(file_, name.c_str(), type, space, H5P_DEFAULT, made, H5P_DEFAULT)};
  }

  fs::path path_;
  File file_;
};

TEST_F(DatasetChecks, OtherLengthsThanExpectedAreNamedWithBothShapes) {
  write(file_, "pairs", std::span<const int>(std::vector<int>(12)), {6, 2});
  write(file_, "list", std::vector<int>(6));
  int values[12];

  EXPECT_EQ(test::message_of([&] { read<int>(file_, "pairs", {12}); }),
            path_.string() + ": pairs has the shape 6 x 2, expected is 12; the file is damaged");
  EXPECT_THAT(test::message_of([&] { read<int>(file_, "list", {7}); }), HasSubstr("is 7"));
  EXPECT_THAT(test::message_of([&] {
                read<int>(file_, "list", {any_length, 2});
              }),
              HasSubstr("expected is n x 2"));
  EXPECT_THAT(test::message_of([&] { read<int>(file_, "list", {}); }), HasSubstr("of one value"));
  EXPECT_THROW(read_rows(file_, "pairs", {6}, 0, 6, H5T_NATIVE_INT, values), InputError);
  EXPECT_THROW(RowReader(file_, "pairs", {any_length}), InputError);
  EXPECT_THROW(length_of(file_, "pairs"), InputError);
  EXPECT_EQ(read<int>(file_, "pairs", {6, any_length}).size(), 12u);
}

TEST_F(DatasetChecks, WhatTheFileCannotHoldIsRefusedBeforeMemoryIsTaken) {
  declare("rows", H5T_NATIVE_DOUBLE, {std::int64_t{1} << 33, 2}, 64);
  declare("chunk", H5T_NATIVE_DOUBLE, {10}, hsize_t{1} << 28);
  const Type text{H5Tcopy(H5T_C_S1)};
  check(H5Tset_size(text, std::size_t{1} << 29));
  declare("text", text, {4}, 1);

  EXPECT_THAT(test::message_of([&] {
                read<float>(file_, "rows", {any_length, 2});
              }),
              HasSubstr("rows cannot be read: its values take 1.37e+11 bytes by its header"));
  EXPECT_THAT(test::message_of([&] { read<float>(file_, "chunk", {10}); }),
              HasSubstr("chunk cannot be read: its chunks take 2.15e+09 bytes"));
  EXPECT_THAT(test::message_of([&] { read_strings(file_, "text", {4}); }),
              HasSubstr("text has values of 536870912 bytes each"));
}

TEST_F(DatasetChecks, AFewUnstoredValuesAreTheFillValue) {
  declare("zeros", H5T_NATIVE_FLOAT, {1000, 50}, 100);

  EXPECT_EQ(read<float>(file_, "zeros", {1000, 50}), std::vector<float>(50'000));
}

}  // namespace
}  // namespace stamarker::h5
