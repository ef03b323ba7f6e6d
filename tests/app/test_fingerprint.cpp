#include <gtest/gtest.h>

#include <filesystem>
#include <ostream>
#include <set>

#include "app/program.hpp"
#include "app/run/fingerprint.hpp"
#include "app/run/log.hpp"
#include "app/run/run_context.hpp"
#include "app/version/version.hpp"
#include "base/error.hpp"
#include "io/atomic_file.hpp"
#include "io/h5.hpp"
#include "support/message_of.hpp"

namespace stamarker {
namespace {

using test::read_text;
using test::Scratch;
using test::write_text;

Config with(const std::vector<std::string>& settings) {
  return parse_config("domains: 3", "run.yaml", settings).config;
}

const Origin origin{program_of_results(), "input"};

/// The first stage whose fingerprint a setting changes; it and all later ones must change. Nothing
/// when none does.
std::optional<Stage> first_changed(const std::vector<std::string>& settings) {
  const Fingerprints before(with({}), origin), after(with(settings), origin);
  std::optional<Stage> first;
  for (const Stage stage : all_stages) {
    const bool is_changed = before.of(stage) != after.of(stage);
    if (is_changed && !first) first = stage;
    EXPECT_EQ(is_changed, first.has_value()) << name_of(stage);
  }
  return first;
}

TEST(Fingerprints, ChangeFromTheFirstStageThatAnOptionTouches) {
  EXPECT_EQ(first_changed({"prepare.min_cells=7"}), Stage::prepare);
  EXPECT_EQ(first_changed({"seed=7"}), Stage::train);
  EXPECT_EQ(first_changed({"compute.tiles=7"}), Stage::train);
  EXPECT_EQ(first_changed({"models=7"}), Stage::cluster);
  EXPECT_EQ(first_changed({"domains=7"}), Stage::cluster);
  EXPECT_EQ(first_changed({"consensus.refine=7"}), Stage::consensus);
  EXPECT_EQ(first_changed({"classifier.epochs=7"}), Stage::classify);
  EXPECT_EQ(first_changed({"svgs.transform=log_score"}), Stage::saliency);
  EXPECT_EQ(first_changed({"svgs.alpha=7"}), Stage::svgs);
  EXPECT_EQ(first_changed({"compute.threads=7", "output=elsewhere", "compute.device=cpu",
                           "input.path=moved.h5ad"}),
            std::nullopt);
}

TEST(Fingerprints, ChangeWithTheInput) {
  const Fingerprints one(with({}), origin), other(with({}), {origin.program, "other"});

  for (const Stage stage : all_stages) EXPECT_NE(one.of(stage), other.of(stage));
}

TEST(Fingerprints, ChangeWithTheReleaseAndTheVersionOfResults) {
  const Fingerprints now(with({}), origin), other(with({}), {"stamarker 0.0.9 2", "input"});

  for (const Stage stage : all_stages) EXPECT_NE(now.of(stage), other.of(stage));
  EXPECT_EQ(program_of_results(),
            std::string("stamarker ") + version + " " + std::to_string(results_version));
}

/// Reference value: FNV-1a of "foobar" as in the authors' test suite (draft-eastlake-fnv).
TEST(Checksum, IsFnv1a) {
  Checksum checksum;
  checksum.add("foo");
  checksum.add("bar");

  EXPECT_EQ(checksum.hex(), "85944171f73967e8");
}

/// A kind of input: what input.path names, the files that are read for it, and others about it.
struct Layout {
  std::string name, path;
  std::vector<std::string> read, not_read;

  /// ctest lists the case by its name instead of its bytes.
  friend void PrintTo(const Layout& layout, std::ostream* out) { *out << layout.name; }
};

std::vector<Layout> layouts() {
  return {
      {"AnnData", "a.h5ad", {"a.h5ad"}, {"b.h5ad", "spatial/tissue_positions.csv"}},
      {"TenxBesideSpatial",
       "a.h5",
       {"a.h5", "spatial/tissue_positions.csv"},
       {"tissue_positions.csv", "spatial/tissue_positions_list.csv", "b.h5"}},
      {"TenxInAFolder",
       "m/a.h5",
       {"m/a.h5", "m/spatial/tissue_positions_list.csv.gz"},
       {"m/spatial/scalefactors.csv", "spatial/tissue_positions.csv"}},
      {"TenxBesidePositions", "a.h5", {"a.h5", "tissue_positions_list.csv"}, {"matrix.mtx"}},
      {"TenxOfAnotherEnding", "a.hdf5", {"a.hdf5", "spatial/tissue_positions.csv"}, {}},
      {"SampleWithOuts",
       "sample",
       {"sample/outs/filtered_feature_bc_matrix.h5", "sample/outs/spatial/tissue_positions.csv"},
       {"sample/outs/raw_feature_bc_matrix.h5", "sample/outs/spatial/tissue_hires_image.png",
        "sample/outs/analysis/clusters.csv"}},
      {"SampleWithOutsOfMatrixMarket",
       "sample",
       {"sample/outs/filtered_feature_bc_matrix/matrix.mtx",
        "sample/outs/filtered_feature_bc_matrix/barcodes.tsv",
        "sample/outs/filtered_feature_bc_matrix/features.tsv",
        "sample/outs/spatial/tissue_positions.csv"},
       {"sample/outs/filtered_feature_bc_matrix/genes.tsv",
        "sample/outs/filtered_feature_bc_matrix/coordinates.csv"}},
      {"MatrixMarketOfSpaceRanger",
       "raw_feature_bc_matrix",
       {"raw_feature_bc_matrix/matrix.mtx.gz", "raw_feature_bc_matrix/barcodes.tsv.gz",
        "raw_feature_bc_matrix/genes.tsv.gz", "spatial/tissue_positions.csv"},
       {"matrix.mtx"}},
      {"MatrixMarketWithCoordinates",
       "m",
       {"m/matrix.mtx", "m/barcodes.tsv", "m/features.tsv", "m/coordinates.tsv"},
       {"m/notes.csv"}},
  };
}

/// An HDF5 file that is an AnnData file or 10x matrix at first sight, or some text.
void write_input_file(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  std::filesystem::create_directories(path.parent_path());
  if (name.find(".h5") == std::string::npos && !name.ends_with(".hdf5"))
    return write_text(path, name);
  h5::write_file(path.string(), [&](hid_t file) {
    for (const char* group : {"obs", "var"})
      if (name.ends_with(".h5ad")) h5::make_group(file, group);
    if (name.ends_with(".h5ad")) return;
    h5::make_group(file, "matrix");
    h5::write_strings(file, "matrix/barcodes", {"A-1"});
  });
}

class InputLayouts : public ::testing::TestWithParam<Layout> {};

TEST_P(InputLayouts, ChecksumSeesEveryFileThatIsReadAndNoOther) {
  const Scratch scratch;
  const Layout& layout = GetParam();
  for (const auto& names : {layout.read, layout.not_read})
    for (const std::string& name : names) write_input_file(scratch / name);
  const auto checksum = [&] { return input_checksum((scratch / layout.path).string()); };
  const std::string before = checksum();
  const auto after_a_change_of = [&](const std::string& name) {
    const std::string contents = read_text(scratch / name);
    write_text(scratch / name, contents + "more");
    std::string changed = checksum();
    write_text(scratch / name, contents);
    return changed;
  };

  for (const std::string& name : layout.read) EXPECT_NE(after_a_change_of(name), before) << name;
  for (const std::string& name : layout.not_read)
    EXPECT_EQ(after_a_change_of(name), before) << name;
  EXPECT_EQ(checksum(), before);
}
INSTANTIATE_TEST_SUITE_P(Of, InputLayouts, ::testing::ValuesIn(layouts()),
                         [](const auto& tested) { return tested.param.name; });

TEST(InputChecksum, WantsAnInput) {
  const Scratch scratch;

  EXPECT_THROW(input_checksum((scratch / "none").string()), InputError);
  EXPECT_THROW(input_checksum(scratch.path().string()), InputError);
}

TEST(InputChecksum, SeesEveryBitOfALargeFile) {
  const Scratch scratch;
  std::string bytes((std::size_t{1} << 22) + 77, '\0');  // more than a block, no whole words
  std::set<std::string> seen;
  for (const char* name : {"barcodes.tsv", "features.tsv", "coordinates.csv"})
    write_text(scratch / name, "x");
  const auto add = [&] {
    write_text(scratch / "matrix.mtx", bytes);
    seen.insert(input_checksum(scratch.path().string()));
  };
  add();
  for (const std::size_t at : {std::size_t{7}, std::size_t{39}, std::size_t{71}, bytes.size() - 78,
                               bytes.size() - 77, bytes.size() - 1}) {
    bytes[at] = static_cast<char>(bytes[at] ^ '\x80');  // the top bits of words of one lane too
    add();
  }
  bytes.push_back('\0');
  add();

  EXPECT_EQ(seen.size(), 8U);
}

TEST(InputChecksum, NamesTheFileThatCannotBeReadToItsEnd) {
  const std::string shorter_than_its_size = "/sys/kernel/mm/transparent_hugepage/enabled";
  if (!std::filesystem::exists(shorter_than_its_size)) GTEST_SKIP() << "SKIPPED: no /sys here";
  const Scratch scratch;
  for (const char* name : {"matrix.mtx", "features.tsv", "coordinates.csv"})
    write_text(scratch / name, "x");
  std::filesystem::create_symlink(shorter_than_its_size, scratch / "barcodes.tsv");

  const std::string message = test::message_of([&] { input_checksum(scratch.path().string()); });

  EXPECT_NE(message.find("barcodes.tsv (cannot be read: Input/output error)"), std::string::npos)
      << message;
}

TEST(ParallelPlan, PutsRanksOfAGroupSideBySide) {
  ComputeOptions options;
  options.tile_groups = 2;

  const ParallelPlan third(/*rank=*/2, /*n_ranks=*/6, options), last(5, 6, options);

  EXPECT_EQ(third.n_groups, 3);
  EXPECT_EQ(third.group, 1);
  EXPECT_EQ(third.tile_rank, 0);
  EXPECT_EQ(last.group, 2);
  EXPECT_EQ(last.tile_rank, 1);
  EXPECT_THROW(ParallelPlan(0, 3, options), InputError);
}

TEST(ParallelPlan, CutsLargeSectionsIntoAMultipleOfTheTileGroups) {
  ComputeOptions options;
  EXPECT_EQ(training_tiles(options, 50'000), 1);
  EXPECT_EQ(training_tiles(options, 50'001), 2);
  options.tile_groups = 4;
  EXPECT_EQ(training_tiles(options, 100), 4);
  EXPECT_EQ(training_tiles(options, 1'000'000), 20);
  options.tiles = 8;
  EXPECT_EQ(training_tiles(options, 1'000'000), 8);
}

TEST(ParallelPlan, AsManyModelsAreInFlightAsTheDeviceHasRoomFor) {
  ComputeOptions options;
  const std::optional<std::size_t> cpu, small = 1000, large = 100'000;

  EXPECT_EQ(models_in_flight(options, cpu, 1, 20), 1);
  EXPECT_EQ(models_in_flight(options, small, 2000, 20), 1);  // then it says what does not fit
  EXPECT_EQ(models_in_flight(options, small, 400, 20), 2);   // nine tenths of it
  EXPECT_EQ(models_in_flight(options, large, 400, 20), 8);
  EXPECT_EQ(models_in_flight(options, large, 400, 3), 3);
  options.models_in_flight = 5;
  EXPECT_EQ(models_in_flight(options, cpu, 1, 20), 5);
  EXPECT_EQ(models_in_flight(options, cpu, 1, 2), 2);
  options.models_in_flight = 0;
  options.tile_groups = 2;
  EXPECT_EQ(models_in_flight(options, large, 400, 20), 1);
}

TEST(ReadableDuration, HasTheUnitOfItsSize) {
  EXPECT_EQ(readable_duration(0.04), "0.0 s");
  EXPECT_EQ(readable_duration(59.6), "1:00");
  EXPECT_EQ(readable_duration(125), "2:05");
  EXPECT_EQ(readable_duration(3723), "1:02:03");
  EXPECT_EQ(readable_bytes(612e6), "612 MB");
  EXPECT_EQ(readable_bytes(1.44e9), "1.4 GB");
}

}  // namespace
}  // namespace stamarker
