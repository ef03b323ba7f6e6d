#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "data/sparse_rows.hpp"
#include "io/result_file.hpp"
#include "io/section_file.hpp"
#include "sample_result.hpp"
#include "scratch.hpp"
#include "support/message_of.hpp"

namespace stamarker {
namespace {

using test::Scratch;

/// 50 spots x 30 genes; entry (i, g) is i + g where 3 divides it, else 0.
Dataset section() {
  Dataset data;
  data.counts.n_rows = 50;
  data.counts.n_cols = 30;
  for (int i = 0; i < 50; ++i) {
    for (int g = 0; g < 30; ++g) {
      if ((i + g) % 3 != 0 || i + g == 0) continue;
      data.counts.column.push_back(g);
      data.counts.value.push_back(static_cast<float>(i + g));
    }
    data.counts.row_start.push_back(static_cast<std::int64_t>(data.counts.column.size()));
    data.spot_names.push_back(std::to_string(i));
    data.coordinates.values.insert(data.coordinates.values.end(), {1.0 * i, 0.0});
  }
  for (int g = 0; g < 30; ++g) data.gene_names.push_back(std::to_string(g));
  data.section.assign(50, 0);
  data.section_names = {"section"};
  return data;
}

TEST(ResultFile, HoldsTheMatricesWhateverTheNumberOfRanks) {
  const Comm world(MPI_COMM_WORLD);
  const Scratch scratch(world);
  world.on_root([&] { write_section(scratch / "in.h5ad", section()); });
  test::SampleResult sample({scratch / "in.h5ad", "X", "spatial", ""});

  const auto left_out =
      write_result(world, scratch / "out.h5ad", sample.contents(world, /*with_saliency=*/true));

  EXPECT_TRUE(left_out.empty());
  const PreparedData& known = sample.prepared();
  const h5::File file = h5::open_to_read(scratch / "out.h5ad");
  EXPECT_EQ(h5::read<std::int64_t>(file, "X/indptr"), known.expression.row_start);
  EXPECT_EQ(h5::read<std::int32_t>(file, "X/indices"), known.expression.column);
  EXPECT_EQ(h5::read<float>(file, "X/data"), known.expression.value);
  EXPECT_EQ(h5::read<float>(file, "layers/counts/data"), sample.counts().value);
  const auto labels = h5::read<int>(file, "obsm/stamarker_labels");
  const auto saliency = h5::read<float>(file, "layers/saliency");
  const auto distances = h5::read<float>(file, "obsp/spatial_distances/data");
  ASSERT_EQ(labels.size(), known.spot_names.size() * 3);
  ASSERT_EQ(saliency.size(), known.spot_names.size() * known.gene_names.size());
  for (int i = 0; i < known.n_spots(); ++i) {
    for (int m = 0; m < 3; ++m) EXPECT_EQ(labels[static_cast<std::size_t>(3 * i + m)], (i + m) % 4);
    for (int g = 0; g < known.n_genes(); ++g)
      EXPECT_EQ(saliency[static_cast<std::size_t>(i * known.n_genes() + g)],
                static_cast<float>(i) + static_cast<float>(g) / 1000);
  }
  // A chain of n spots has n - 1 edges in each direction; self-loops are not stored.
  EXPECT_EQ(distances, std::vector<float>(2 * (known.spot_names.size() - 1), 1.5f));
  EXPECT_EQ(h5::read_strings(file, "obs/_index"), known.spot_names);
}

TEST(ResultFile, SaliencyThatOneRankCannotReadIsAnErrorOfAllAndKeepsTheOldResult) {
  const Comm world(MPI_COMM_WORLD);
  const Scratch scratch(world);
  world.on_root([&] { write_section(scratch / "in.h5ad", section()); });
  test::SampleResult sample({scratch / "in.h5ad", "X", "spatial", ""});
  write_result(world, scratch / "out.h5ad", sample.contents(world, /*with_saliency=*/false));
  ResultContents contents = sample.contents(world, /*with_saliency=*/true);
  contents.next_saliency = [&, whole = contents.next_saliency, n = 0]() mutable {
    if (n++ == 3 && world.rank() == world.size() - 1) throw InputError("tile 3 is damaged");
    return whole();
  };

  EXPECT_EQ(test::message_of([&] { write_result(world, scratch / "out.h5ad", contents); }),
            "tile 3 is damaged")
      << "rank " << world.rank();

  world.barrier();
  EXPECT_FALSE(std::filesystem::exists(scratch / "out.h5ad.partial"));
  const h5::File kept = h5::open_to_read(scratch / "out.h5ad");
  EXPECT_FALSE(h5::exists(kept, "layers/saliency"));
  EXPECT_EQ(h5::read_strings(kept, "obs/_index"), sample.prepared().spot_names);
}

/// What happens to the input between its first reading and the result, and what the result says.
struct LaterInput {
  std::string name;
  std::function<void(const std::string& path)> change;
  std::string reason;

  friend void PrintTo(const LaterInput& input, std::ostream* out) { *out << input.name; }
};

void write_changed(const std::string& path, const std::function<void(Dataset&)>& change) {
  Dataset data = section();
  change(data);
  write_section(path, data);
}

const LaterInput later_inputs[] = {
    {"Gone", [](const std::string& path) { std::filesystem::remove(path); }, "does not exist"},
    {"FewerSpots",
     [](const std::string& path) {
       write_changed(path, [](Dataset& data) {
         data.counts = rows_of(data.counts, 0, 20);
         data.spot_names.resize(20);
         data.section.resize(20);
         data.coordinates.values.resize(40);
       });
     },
     "has changed since it was read"},
    {"OtherSpots",
     [](const std::string& path) {
       write_changed(path, [](Dataset& data) { std::ranges::reverse(data.spot_names); });
     },
     "has changed since it was read"},
    {"OtherGenes",
     [](const std::string& path) {
       write_changed(path, [](Dataset& data) { data.gene_names[1] = "another"; });
     },
     "has changed since it was read"},
    {"WithoutObs",
     [](const std::string& path) {
       const h5::File file{H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT)};
       h5::check(H5Ldelete(file, "obs/_index", H5P_DEFAULT));
     },
     "has no index"},
};

class InputChanged : public ::testing::TestWithParam<LaterInput> {};

TEST_P(InputChanged, CostsItsOwnPartsOnly) {
  const Comm world(MPI_COMM_WORLD);
  const Scratch scratch(world);
  const std::string input = scratch / "in.h5ad";
  world.on_root([&] { write_section(input, section()); });
  test::SampleResult sample({input, "X", "spatial", ""});
  world.barrier();  // every rank has read it
  world.on_root([&] { GetParam().change(input); });

  const auto left_out =
      write_result(world, scratch / "out.h5ad", sample.contents(world, /*with_saliency=*/false));

  ASSERT_EQ(left_out.size(), world.rank() == 0 ? 1u : 0u);
  for (const std::string& line : left_out) {
    EXPECT_TRUE(line.starts_with("obs, var, obsm, varm, obsp, varp and uns (")) << line;
    EXPECT_NE(line.find(input), std::string::npos) << line;
    EXPECT_NE(line.find(GetParam().reason), std::string::npos) << line;
  }
  const h5::File file = h5::open_to_read(scratch / "out.h5ad");
  EXPECT_EQ(h5::read_strings(file, "obs/_index"), sample.prepared().spot_names);
  EXPECT_EQ(h5::read_strings(file, "var/_index"), sample.prepared().gene_names);
  EXPECT_EQ(h5::read<double>(file, "obsm/spatial"), sample.prepared().coordinates.values);
}
INSTANTIATE_TEST_SUITE_P(By, InputChanged, ::testing::ValuesIn(later_inputs),
                         [](const auto& tested) { return tested.param.name; });

TEST(ResultFile, FoldChangeIsThatOfMeansOutsideTheLogarithm) {
  // Gene 0: log1p values 1, 1 in domain 0; 0, 0.5 in domain 1. Gene 1: nowhere.
  const SparseRows expression{4, 2, {0, 1, 2, 2, 3}, {0, 0, 0}, {1, 1, 0.5}};
  const std::vector<std::int32_t> domain{0, 0, 1, 1};

  FoldChanges changes(2, expression.n_cols);
  changes.add(rows_of(expression, 0, 1), std::span(domain).first(1));
  changes.add(rows_of(expression, 1, expression.n_rows), std::span(domain).subspan(1));
  const std::vector<float> change = changes.values();

  const double expected = std::log2((std::expm1(1.0) + 1e-9) / (std::expm1(0.25) + 1e-9));
  ASSERT_EQ(change.size(), 4u);
  EXPECT_FLOAT_EQ(change[0], static_cast<float>(expected));
  EXPECT_EQ(change[1], 0);
  EXPECT_FLOAT_EQ(change[2], static_cast<float>(-expected));
}

}  // namespace
}  // namespace stamarker
