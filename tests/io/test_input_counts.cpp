#include <gtest/gtest.h>

#include <algorithm>

#include "data/select_counts.hpp"
#include "data/simulate.hpp"
#include "io/anndata_element.hpp"
#include "io/input_counts.hpp"
#include "io/input_shape.hpp"
#include "io/section_file.hpp"
#include "scratch.hpp"
#include "support/message_of.hpp"

namespace stamarker::test {
namespace {

/// As h5::write, in chunks compressed by gzip after shuffle, which rows of spots begin and end in.
template <class T>
void write_compressed(hid_t file, const std::string& name, const std::vector<T>& values,
                      const std::vector<std::int64_t>& shape) {
  const h5::Properties made{H5Pcreate(H5P_DATASET_CREATE)};
  const hsize_t chunk[] = {shape.size() == 1 ? 501U : 13U, 31};
  h5::check(H5Pset_chunk(made, static_cast<int>(shape.size()), chunk));
  h5::check(H5Pset_shuffle(made));
  h5::check(H5Pset_deflate(made, 4));
  const h5::DataSet set{H5Dcreate2(file, name.c_str(), h5::native_type<T>(), h5::space_of(shape),
                                   H5P_DEFAULT, made, H5P_DEFAULT)};
  h5::check(H5Dwrite(set, h5::native_type<T>(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()));
}

/// One section in one file, its counts by rows (X), by columns and dense, all these compressed too.
class InputCountsTest : public ::testing::TestWithParam<const char*> {
 protected:
  InputCountsTest() {
    options_.path = scratch_ / "section.h5ad";
    options_.layer = GetParam();
    world_.on_root([&] { write(section_.data); });
  }

  void write(const Dataset& data) const {
    write_section(options_.path, data);
    const h5::File file{H5Fopen(options_.path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT)};
    const SparseRows columns = transposed(data.counts);
    const auto sparse = [&](const std::string& name, const char* encoding) {
      h5::Group group = h5::make_group(file, "layers/" + name);
      anndata::mark(group, encoding, "0.1.0");
      h5::write_attribute(group, "shape",
                          std::vector<std::int64_t>{data.n_spots(), data.n_genes()});
      return group;
    };
    const auto write_gzip = [&](const std::string& name, const char* encoding,
                                const SparseRows& m) {
      const h5::Group group = sparse(name, encoding);
      const std::int64_t n = m.n_entries();
      write_compressed(group, "data", std::vector<double>(m.value.begin(), m.value.end()), {n});
      write_compressed(group, "indices", m.column, {n});
      h5::write(group, "indptr", m.row_start);
    };
    const h5::Group csc = sparse("by_columns", "csc_matrix");
    h5::write(csc, "data", columns.value);
    h5::write(csc, "indices", columns.column);
    h5::write(csc, "indptr", columns.row_start);
    write_gzip("gzip", "csr_matrix", data.counts);
    write_gzip("by_columns_gzip", "csc_matrix", columns);
    std::vector<float> dense(static_cast<std::size_t>(data.n_spots()) * data.n_genes());
    for (int i = 0; i < data.n_spots(); ++i)
      for (auto k = data.counts.row_start[i]; k < data.counts.row_start[i + 1]; ++k)
        dense[static_cast<std::size_t>(i) * data.n_genes() + data.counts.column[k]] =
            data.counts.value[k];
    anndata::write_array(file, "layers/dense", std::span<const float>(dense),
                         {data.n_spots(), data.n_genes()});
    write_compressed(file, "layers/dense_gzip", dense, {data.n_spots(), data.n_genes()});
  }

  std::string refusal() {
    return message_of([&] {
      InputCounts table(world_, options_);
      select_counts(table, {.min_cells = 1});
    });
  }

  const Comm world_{MPI_COMM_WORLD};
  const Scratch scratch_{world_};
  SimulatedSection section_ = simulate({.n_spots = 211,
                                        .n_genes = 97,
                                        .svgs_per_domain = 5,
                                        .n_gradient_genes = 9,
                                        .mean_counts = 900});
  InputOptions options_;
};

// The file is read in blocks by every rank; one process with the table in memory is the measure.
TEST_P(InputCountsTest, GivesTheSameBitsOnAnyNumberOfRanks) {
  for (const int min_counts : {0, 500}) {
    const PrepareOptions prepare{.min_cells = 100, .min_counts = min_counts, .n_top_genes = 40};
    CountsInMemory in_memory(section_.data, "memory");
    const SelectedCounts wanted = select_counts(in_memory, prepare);

    InputCounts table(world_, options_);
    const SelectedCounts got = select_counts(table, prepare);

    EXPECT_EQ(got.selected_genes, wanted.selected_genes);
    EXPECT_EQ(got.kept_genes, wanted.kept_genes);
    EXPECT_EQ(got.statistics.variances_norm, wanted.statistics.variances_norm);
    EXPECT_EQ(got.statistics.rank, wanted.statistics.rank);
    const auto all = [&](const auto& mine) {
      using T = typename std::remove_cvref_t<decltype(mine)>::value_type;
      return world_.all_gather(std::span<const T>(mine));
    };
    EXPECT_EQ(all(got.kept_spots), wanted.kept_spots);
    EXPECT_EQ(all(got.counts.column), wanted.counts.column);
    EXPECT_EQ(all(got.counts.value), wanted.counts.value);
    EXPECT_LT(wanted.kept_genes.size(), 97U);
    EXPECT_EQ(min_counts > 0, wanted.kept_spots.size() < 211U);
  }
}

TEST_P(InputCountsTest, NamesAWrongCountOnAnyRank) {
  world_.on_root([&] {
    Dataset data = section_.data;
    data.counts.value.back() = 0.5;  // of the last rank
    write(data);
  });
  const std::string gene = section_.data.gene_names[section_.data.counts.column.back()];

  const std::string text = refusal();

  EXPECT_NE(text.find(std::string(": ") + GetParam() + ": gene '" + gene + "' has the count 0.5"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("in spot 'spot_0000210'"), std::string::npos) << text;
}

INSTANTIATE_TEST_SUITE_P(Layers, InputCountsTest,
                         ::testing::Values("X", "by_columns", "dense", "gzip", "by_columns_gzip",
                                           "dense_gzip"));

TEST(InputCounts, AThreadTakesWhatIsInflatedTogetherWithinBounds) {
  EXPECT_EQ(entries_at_a_time({}), 1 << 17);
  EXPECT_EQ(entries_at_a_time({.n_entries = 20'000, .n_bytes = 160'000}), 1 << 17);
  EXPECT_EQ(entries_at_a_time({.n_entries = 300'000, .n_bytes = 2'400'000}), 300'000);
  EXPECT_EQ(entries_at_a_time({.n_entries = 1 << 24, .n_bytes = 1 << 27}), 1 << 20);
}

TEST(InputCounts, OfOtherFormatsIsHandedOut) {
  const Comm world{MPI_COMM_WORLD};
  const Scratch scratch(world);
  world.on_root([&] {
    std::filesystem::create_directory(scratch / "folder");
    const auto put = [&](const char* name, const char* text) {
      std::FILE* file = std::fopen((scratch / (std::string("folder/") + name)).c_str(), "w");
      std::fputs(text, file);
      std::fclose(file);
    };
    put("matrix.mtx",
        "%%MatrixMarket matrix coordinate integer general\n3 4 6\n1 1 5\n1 2 1\n2 3 2\n3 3 9\n"
        "1 4 7\n3 4 1\n");
    put("barcodes.tsv", "a\nb\nc\nd\n");
    put("genes.tsv", "i1\tG1\ni2\tG2\ni3\tG3\n");
    put("coordinates.csv", "name,x,y\na,0,0\nb,1,0\nc,2,0\nd,3,0\n");
  });

  InputOptions options;
  options.path = scratch / "folder";
  InputCounts table(world, options);
  const SelectedCounts got = select_counts(table, {.min_cells = 2, .n_top_genes = 2});

  EXPECT_EQ(got.selected_genes, (std::vector<std::int32_t>{0, 2}));
  EXPECT_EQ(world.all_gather(std::span<const float>(got.counts.value)),
            (std::vector<float>{5, 1, 9, 7, 1}));
}

}  // namespace
}  // namespace stamarker::test
