#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <limits>

#include "data/sparse_rows.hpp"
#include "io/anndata_frame.hpp"
#include "io/anndata_matrix.hpp"
#include "io/atomic_file.hpp"
#include "io/read_input.hpp"
#include "io/section_file.hpp"
#include "support/golden.hpp"
#include "support/message_of.hpp"

namespace stamarker {
namespace {

namespace fs = std::filesystem;

class Files : public ::testing::Test {
 protected:
  Files()
      : folder_(fs::temp_directory_path() /
                ("stamarker_files_" + std::to_string(getpid()) + "_" +
                 ::testing::UnitTest::GetInstance()->current_test_info()->name())) {
    fs::create_directories(folder_);
  }
  ~Files() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return folder_ / name; }
  void write(const std::string& name, const std::string& text) const {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text;
  }
  static std::string refusal(const InputOptions& options) {
    return test::message_of([&] { read_input(options); });
  }

  fs::path folder_;
};

/// Three spots, four genes, two sections; rows 1 and 2 of the counts are in no order in `entries`.
Dataset small_section() {
  Dataset data;
  data.counts = {3, 4, {0, 2, 2, 5}, {1, 3, 0, 2, 3}, {5, 1, 2, 7, 1}};
  data.spot_names = {"a", "b", "c"};
  data.gene_names = {"G1", "G2", "G2", "G4"};
  data.coordinates = {3, {0, 1, 2, 3, 4, 5, 6, 7, 8.5}};
  data.section = {1, 0, 1};
  data.section_names = {"left", "right"};
  return data;
}

TEST_F(Files, IndicesAndOffsetsOfASectionAreOfOneTypeThatHoldsTheNumberPromised) {
  const Dataset data = small_section();
  Frame obs, var;
  obs.index = data.spot_names;
  var.index = {"G1", "G2", "G3", "G4"};
  for (const auto& [most, bytes] : {std::pair{std::int64_t{2147483647}, std::size_t{4}},
                                    std::pair{std::int64_t{2147483648}, std::size_t{8}}}) {
    write_section(path("s.h5ad"), obs, var, data.coordinates, most,
                  [&](int first, int last) { return rows_of(data.counts, first, last); });

    const h5::File file = h5::open_to_read(path("s.h5ad"));
    for (const char* name : {"X/indices", "X/indptr"})
      EXPECT_EQ(H5Tget_size(h5::Type{H5Dget_type(h5::open_dataset(file, name))}), bytes) << name;
    EXPECT_EQ(h5::read<std::int64_t>(file, "X/indptr"), data.counts.row_start);
    EXPECT_EQ(h5::read<std::int32_t>(file, "X/indices"), data.counts.column);
  }
}

TEST_F(Files, ASectionIsReadAsItWasWritten) {
  const Dataset data = small_section();

  write_section(path("s.h5ad"), data);
  const Dataset read = read_input({path("s.h5ad"), "X", "spatial", "section"});

  EXPECT_EQ(read.counts.row_start, data.counts.row_start);
  EXPECT_EQ(read.counts.column, data.counts.column);
  EXPECT_EQ(read.counts.value, data.counts.value);
  EXPECT_EQ(read.spot_names, data.spot_names);
  EXPECT_EQ(read.gene_names, data.gene_names);
  EXPECT_EQ(read.coordinates.n_dims, 3);
  EXPECT_EQ(read.coordinates.values, data.coordinates.values);
  EXPECT_EQ(read.section, data.section);
  EXPECT_EQ(read.section_names, data.section_names);
}

TEST_F(Files, RowsOfADenseMatrixWithoutColumnsAreEmpty) {
  const h5::File file{H5Fcreate(path("d.h5").c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT)};
  h5::write(file, "X", std::span<const float>(), {3, 0});

  SparseRows some;
  anndata::MatrixRows(file, "X", {0, 3}).read(1, 3, some);

  EXPECT_EQ(some.row_start, (std::vector<std::int64_t>{0, 0, 0}));
  EXPECT_EQ(some.n_cols, 0);
  EXPECT_EQ(anndata::read_matrix(file, "X").row_start, (std::vector<std::int64_t>{0, 0, 0, 0}));
}

TEST_F(Files, AFrameIsReadAsItWasWritten) {
  Frame frame;
  frame.index_name = "barcode";
  frame.index = {"a", "b", "c"};
  frame.set({"text", std::vector<std::string>{"x", "", "\u00b5"}});
  frame.set({"flag", std::vector<Flag>{Flag::yes, Flag::no, Flag::yes}});
  frame.set({"number", std::vector<double>{1.5, -2, 0}});
  frame.set({"small", std::vector<std::uint8_t>{1, 2, 255}});
  frame.set({"nullable", std::vector<std::int64_t>{1, 0, 3}, {Flag::no, Flag::yes, Flag::no}});
  frame.set(categorical_column("kind", {1, -1, 0}, {"p", "q"}));

  h5::write_file(path("f.h5"), [&](hid_t file) { anndata::write_frame(file, "obs", frame); });
  std::vector<std::string> left_out;
  const Frame read = anndata::read_frame(h5::open_to_read(path("f.h5")), "obs", left_out);

  EXPECT_TRUE(left_out.empty());
  EXPECT_EQ(read.index_name, frame.index_name);
  EXPECT_EQ(read.index, frame.index);
  ASSERT_EQ(read.columns.size(), frame.columns.size());
  for (std::size_t c = 0; c < frame.columns.size(); ++c) {
    EXPECT_EQ(read.columns[c].name, frame.columns[c].name);
    EXPECT_TRUE(read.columns[c].values == frame.columns[c].values) << frame.columns[c].name;
    EXPECT_TRUE(read.columns[c].missing == frame.columns[c].missing) << frame.columns[c].name;
    EXPECT_TRUE(read.columns[c].categories == frame.columns[c].categories);
  }
}

TEST_F(Files, RowsOfAFrameKeepTheirValues) {
  Frame frame;
  frame.index = {"a", "b", "c"};
  frame.set({"nullable", std::vector<float>{1, 0, 3}, {Flag::no, Flag::yes, Flag::no}});
  const std::vector<std::int32_t> rows{2, 1};

  const Frame some = rows_of(frame, rows);

  EXPECT_EQ(some.index, (std::vector<std::string>{"c", "b"}));
  EXPECT_TRUE(some.columns[0].values == Values(std::vector<float>{3, 0}));
  EXPECT_EQ(some.columns[0].missing, (std::vector<Flag>{Flag::no, Flag::yes}));
}

TEST(Frame, SortedValuesBecomeCategoriesAndMissingOnesNone) {
  constexpr float none = std::numeric_limits<float>::quiet_NaN();
  const auto codes_of = [](const Column& column) {
    return std::get<std::vector<std::int32_t>>(column.values);
  };

  const Column numbers = as_categorical({"x", std::vector<float>{none, 7, 2, none, 2, 7, none}});
  const Column masked = as_categorical({"y", std::vector<std::string>{"b", "", "a"},
                                        std::vector<Flag>{Flag::no, Flag::yes, Flag::no}});

  EXPECT_EQ(codes_of(numbers), (std::vector<std::int32_t>{-1, 1, 0, -1, 0, 1, -1}));
  EXPECT_EQ(as_texts(*numbers.categories), (std::vector<std::string>{"2", "7"}));
  EXPECT_EQ(codes_of(masked), (std::vector<std::int32_t>{1, -1, 0}));
  EXPECT_EQ(as_texts(*masked.categories), (std::vector<std::string>{"a", "b"}));
}

TEST_F(Files, ACompressedMatrixIsBroughtIntoOrder) {
  const SparseRows m =
      anndata::ordered_rows(2, 4, {0, 4, 6}, {3, 0, 3, 1, 2, 2}, {1, 2, 3, 0, 5, -5}, "m");

  EXPECT_EQ(m.row_start, (std::vector<std::int64_t>{0, 2, 2}));
  EXPECT_EQ(m.column, (std::vector<std::int32_t>{0, 3}));
  EXPECT_EQ(m.value, (std::vector<float>{2, 4}));
}

TEST_F(Files, ADamagedMatrixIsRefused) {
  const auto made = [](std::vector<std::int64_t> starts, std::vector<std::int32_t> columns) {
    const std::vector<float> values(columns.size(), 1);
    return anndata::ordered_rows(2, 4, std::move(starts), std::move(columns), values, "m");
  };

  EXPECT_NO_THROW(made({0, 1, 2}, {0, 3}));
  EXPECT_THROW(made({0, 2}, {0, 3}), InputError);
  EXPECT_THROW(made({1, 1, 2}, {0, 3}), InputError);
  EXPECT_THROW(made({0, 3, 2}, {0, 3}), InputError);
  EXPECT_THROW(made({0, 1, 3}, {0, 3}), InputError);
  EXPECT_THROW(made({0, 1, 2}, {0, 4}), InputError);
  EXPECT_THROW(made({0, 1, 2}, {-1, 3}), InputError);
}

TEST_F(Files, AMatrixMarketFolderIsRead) {
  write("m/matrix.mtx",
        "%%MatrixMarket matrix coordinate integer general\n% made by hand\n3 2 3\n"
        "3 1 4\n1 1 2\n2 2 1\n");
  write("m/barcodes.tsv", "s1\ns2\n");
  write("m/genes.tsv", "id1\tA\nid2\tB\nid3\tC\n");
  write("m/spatial/tissue_positions_list.csv", "s2,1,0,1,10,20\ns1,1,0,0,30,40\n");

  const Dataset data = read_input({path("m"), "X", "spatial", ""});

  EXPECT_EQ(data.spot_names, (std::vector<std::string>{"s1", "s2"}));
  EXPECT_EQ(data.gene_names, (std::vector<std::string>{"A", "B", "C"}));
  EXPECT_EQ(data.counts.row_start, (std::vector<std::int64_t>{0, 2, 3}));
  EXPECT_EQ(data.counts.column, (std::vector<std::int32_t>{0, 2, 1}));
  EXPECT_EQ(data.counts.value, (std::vector<float>{2, 4, 1}));
  EXPECT_EQ(data.coordinates.values, (std::vector<double>{40, 30, 20, 10}));  // x: pxl_col
}

TEST_F(Files, ASpotWithTwoPlacesIsRefusedWithBothLines) {
  for (const char* folder : {"visium", "own"}) {
    write(std::string(folder) + "/matrix.mtx",
          "%%MatrixMarket matrix coordinate integer general\n1 2 2\n1 1 4\n1 2 1\n");
    write(std::string(folder) + "/barcodes.tsv", "s1\ns2\n");
    write(std::string(folder) + "/genes.tsv", "id1\tA\n");
  }
  write("visium/spatial/tissue_positions_list.csv",
        "s2,1,0,1,10,20\ns1,1,0,0,30,40\ns2,0,0,1,50,60\n");
  write("own/coordinates.csv", "name,x,y\ns1,1,2\n\ns2,3,4\ns1,1,2\n");

  EXPECT_EQ(refusal({path("visium"), "X", "spatial", ""}),
            path("visium/spatial/tissue_positions_list.csv") +
                ", line 3: 's2' stands on line 1 already; remove one of the two");
  EXPECT_EQ(refusal({path("own"), "X", "spatial", ""}),
            path("own/coordinates.csv") +
                ", line 5: 's1' stands on line 2 already; remove one of the two");
}

TEST_F(Files, WhatCannotBeReadIsRefusedInOneLine) {
  write("text.h5ad", "no HDF5");
  Dataset data = small_section();
  write_section(path("s.h5ad"), data);
  fs::copy(path("s.h5ad"), path("cut.h5ad"));
  fs::resize_file(path("cut.h5ad"), fs::file_size(path("cut.h5ad")) / 2);

  EXPECT_NE(refusal({"", "X", "spatial", ""}).find("input.path is missing"), std::string::npos);
  EXPECT_NE(refusal({path("no.h5ad"), "X", "spatial", ""}).find("does not exist"),
            std::string::npos);
  EXPECT_NE(refusal({path("text.h5ad"), "X", "spatial", ""}).find("not an HDF5 file"),
            std::string::npos);
  EXPECT_NE(refusal({path("cut.h5ad"), "X", "spatial", ""}).find("truncated"), std::string::npos);
  EXPECT_NE(refusal({path("s.h5ad"), "X", "places", ""}).find("obsm holds: spatial"),
            std::string::npos);
  EXPECT_NE(refusal({path("s.h5ad"), "counts", "spatial", ""}).find("input.layer = counts"),
            std::string::npos);
  EXPECT_NE(refusal({path("s.h5ad"), "X", "spatial", "batch"}).find("columns of obs: section"),
            std::string::npos);
}

TEST_F(Files, ATextFileIsWholeOrAbsent) {
  write_text_file(path("t.txt"), "first");
  { const AtomicFile unfinished(path("t.txt")); }
  EXPECT_THROW(write_text_file(path("none/t.txt"), "x"), InputError);

  std::string text;
  std::getline(std::ifstream(path("t.txt")), text);
  EXPECT_EQ(text, "first");
  EXPECT_FALSE(fs::exists(path("t.txt.partial")));
}

TEST_F(Files, AnErrorWhileFillingLeavesTheOldFile) {
  h5::write_file(path("f.h5"), [](hid_t file) { h5::write(file, "x", std::vector<int>{1}); });

  EXPECT_THROW(h5::write_file(path("f.h5"), [](hid_t) { throw InputError("no"); }), InputError);

  EXPECT_EQ(h5::read<int>(h5::open_to_read(path("f.h5")), "x"), std::vector<int>{1});
  EXPECT_FALSE(fs::exists(path("f.h5.partial")));
}

TEST_F(Files, TextAndAttributesOfAnyKindAreReadBack) {
  h5::write_file(path("f.h5"), [](hid_t file) {
    h5::write_strings(file, "g/texts", {"one", "", "\u00b5m"});
    h5::write_text(file, "g/text", "alone");
    const h5::Group group = h5::open_group(file, "g");
    h5::write_attribute(group, "name", "first");
    h5::write_attribute(group, "name", "second");  // replaces
    h5::write_attribute(group, "names", std::vector<std::string>{"a", "b"});
    h5::write_attribute(group, "none", std::vector<std::string>{});
    h5::write_attribute(group, "count", std::int64_t{7});
  });

  const h5::File file = h5::open_to_read(path("f.h5"));
  const h5::Group group = h5::open_group(file, "g");
  EXPECT_EQ(h5::read_strings(file, "g/texts"), (std::vector<std::string>{"one", "", "\u00b5m"}));
  EXPECT_EQ(h5::read_strings(file, "g/text"), std::vector<std::string>{"alone"});
  EXPECT_EQ(h5::read_text_attribute(group, "name"), "second");
  EXPECT_EQ(h5::read_text_attributes(group, "names"), (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(h5::read_text_attributes(group, "none").empty());
  EXPECT_EQ(h5::read_attribute<std::int64_t>(group, "count"), std::vector<std::int64_t>{7});
  EXPECT_EQ(h5::names_in(file, "g"), (std::vector<std::string>{"text", "texts"}));
  EXPECT_TRUE(h5::exists(file, "g/text"));
  EXPECT_FALSE(h5::exists(file, "g/none/deeper"));
  EXPECT_THROW(h5::read<float>(file, "g/none"), InputError);
  EXPECT_THROW(h5::read<float>(file, "g/texts"), InputError);
}

/// Sizes and densities as the inventory of the sections tells them.
TEST(Golden, SectionsHaveTheirSizes) {
  struct Known {
    const char* file;
    int n_spots, n_genes;
    double density;
  };
  for (const Known& known :
       {Known{"dlpfc_151673.h5ad", 3639, 8513, 0.1023}, Known{"her2st_A1.h5ad", 346, 15045, 0.1536},
        Known{"osmfish_ssp_cortex.h5ad", 4839, 33, 0.6929},
        Known{"visium_mouse_cytassist_2898.h5ad", 2898, 19465, 0.019}}) {
    STM_NEEDS_SHARED(fs::path("data") / known.file);
    const std::string path = test::shared_folder() / "data" / known.file;

    const Dataset data = read_input({path, "X", "spatial", ""});

    EXPECT_EQ(data.n_spots(), known.n_spots);
    EXPECT_EQ(data.n_genes(), known.n_genes);
    const double density =
        static_cast<double>(data.counts.n_entries()) / known.n_spots / known.n_genes;
    EXPECT_NEAR(density, known.density, 0.00005);  // four decimals in the inventory
  }
}

}  // namespace
}  // namespace stamarker
