#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "app/program.hpp"
#include "app/run/fingerprint.hpp"
#include "app/run/log.hpp"
#include "app/run/run_context.hpp"

namespace stamarker {
namespace {

using test::Scratch;
using test::write_text;

Config with(const std::vector<std::string>& settings) {
  return parse_config("domains: 3", "run.yaml", settings).config;
}

/// The first stage whose fingerprint a setting changes; it and all later ones must change. Nothing
/// when none does.
std::optional<Stage> first_changed(const std::vector<std::string>& settings) {
  const Fingerprints before(with({}), "input"), after(with(settings), "input");
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
  const Fingerprints one(with({}), "one"), other(with({}), "other");

  for (const Stage stage : all_stages) EXPECT_NE(one.of(stage), other.of(stage));
}

/// Reference value: FNV-1a of "foobar" as in the authors' test suite (draft-eastlake-fnv).
TEST(Checksum, IsFnv1a) {
  Checksum checksum;
  checksum.add("foo");
  checksum.add("bar");

  EXPECT_EQ(checksum.hex(), "85944171f73967e8");
}

TEST(InputChecksum, SeesEveryFileThatIsReadAndNoOther) {
  const Scratch scratch;
  const std::string folder = scratch.path().string();
  std::filesystem::create_directory(scratch / "spatial");
  write_text(scratch / "matrix.mtx", "1");
  write_text(scratch / "spatial/tissue_positions.csv", "2");
  const std::string before = input_checksum(folder);

  write_text(scratch / "spatial/tissue_hires_image.png", "3");
  const std::string with_image = input_checksum(folder);
  write_text(scratch / "spatial/tissue_positions.csv", "4");

  EXPECT_EQ(with_image, before);
  EXPECT_NE(input_checksum(folder), before);
  EXPECT_THROW(input_checksum(folder + "/none"), InputError);
}

TEST(InputChecksum, SeesEveryBitOfALargeFile) {
  const Scratch scratch;
  std::string bytes((std::size_t{1} << 22) + 77, '\0');  // more than a block, no whole words
  std::set<std::string> seen;
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
