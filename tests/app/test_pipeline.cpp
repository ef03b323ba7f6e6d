#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <thread>

#include "app/pipeline_fixture.hpp"
#include "io/h5.hpp"

namespace stamarker::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

const std::vector<std::string> everything{"saliency.write=true", "compute.embeddings=all"};

TEST_F(Pipeline, AnyNumberOfRanksAndThreadsGivesTheSameBits) {
  ASSERT_EQ(run("one", everything).exit_code, 0);
  for (const int n_ranks : {1, 2, 3, 5})  // 5: more ranks than models
    for (const char* threads : {"1", "2"}) {
      if (n_ranks == 5 && threads[0] == '2') continue;
      const std::string name = "ranks_" + std::to_string(n_ranks) + "_threads_" + threads;
      auto settings = everything;
      settings.push_back(std::string("compute.threads=") + threads);

      const Outcome outcome = run(name, settings, n_ranks);

      ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
      expect_same_results("one", name);
    }
  const auto contents = contents_of(result("one"));
  EXPECT_TRUE(contents.contains("layers/saliency"));
  EXPECT_TRUE(contents.contains("obs/stamarker/codes"));
}

TEST_F(Pipeline, RanksThatShareTilesChangeNoBit) {
  struct Case {
    const char *tiles, *tile_groups;
    int n_ranks;
  };
  for (const Case& c : {Case{"4", "2", 2}, Case{"4", "4", 4}, Case{"4", "2", 4}, Case{"6", "2", 2},
                        Case{"6", "3", 3}}) {
    const auto settings = [&](const std::string& groups) {
      auto all = everything;
      all.insert(all.end(), {std::string("compute.tiles=") + c.tiles,
                             "compute.tile_groups=" + groups, "profile=reference"});
      return all;
    };
    const std::string alone = std::string("alone_") + c.tiles;
    if (!fs::exists(result(alone))) {
      ASSERT_EQ(run(alone, settings("1")).exit_code, 0);
    }
    const std::string shared =
        "shared_" + std::string(c.tiles) + c.tile_groups + std::to_string(c.n_ranks);

    const Outcome outcome = run(shared, settings(c.tile_groups), c.n_ranks);

    ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
    expect_same_results(alone, shared);
  }
}

/// Another number of tiles adds up the same terms in another order: the loss of each of 20 epochs
/// agrees to 1e-5.
TEST_F(Pipeline, TilesChangeTheLossByRoundingOnly) {
  const auto losses = [&](const std::string& name, const std::vector<std::string>& settings,
                          int n_ranks) {
    EXPECT_EQ(run(name, settings, n_ranks, "prepare").exit_code, 0);
    EXPECT_EQ(run(name, settings, n_ranks, "train").exit_code, 0);
    const h5::File file = h5::open_to_read((scratch_ / name / "models/model_001.h5").string());
    return h5::read<double>(file, "loss");
  };
  const std::vector<double> whole = losses("whole", {"compute.tiles=1"}, 0);
  const std::vector<std::vector<double>> cut{losses("two", {"compute.tiles=2"}, 0),
                                             losses("five", {"compute.tiles=5"}, 0)};

  for (const std::vector<double>& found : cut) {
    ASSERT_EQ(found.size(), 20u);
    for (std::size_t k = 0; k < found.size(); ++k) EXPECT_NEAR(found[k], whole[k], 1e-5 * whole[k]);
  }
}

TEST_F(Pipeline, StagesOneByOneGiveTheResultOfAWholeRun) {
  ASSERT_EQ(run("whole").exit_code, 0);

  for (const char* stage :
       {"prepare", "train", "cluster", "consensus", "classify", "saliency", "svgs"}) {
    const Outcome outcome = run("staged", {}, 2, stage);
    ASSERT_EQ(outcome.exit_code, 0) << stage << ": " << outcome.error;
  }

  expect_same_results("whole", "staged");
}

/// Genes have ids of their own; names may repeat.
void write_matrix_market(const fs::path& folder, const std::vector<std::string>& genes) {
  constexpr int n_spots = 60;
  fs::create_directory(folder);
  std::string features, barcodes, coordinates, entries;
  int n_entries = 0;
  for (std::size_t g = 0; g < genes.size(); ++g)
    features += fmt::format("ENSG{:05}\t{}\tGene Expression\n", g, genes[g]);
  for (int i = 0; i < n_spots; ++i) {
    barcodes += fmt::format("spot{}\n", i);
    coordinates += fmt::format("spot{},{},{}\n", i, i % 8, i / 8);
    for (std::size_t g = 0; g < genes.size(); ++g, ++n_entries)
      entries += fmt::format("{} {} {}\n", g + 1, i + 1, 1 + (i * (g + 3)) % 7);
  }
  write_text(folder / "features.tsv", features);
  write_text(folder / "barcodes.tsv", barcodes);
  write_text(folder / "coordinates.csv", coordinates);
  write_text(folder / "matrix.mtx",
             fmt::format("%%MatrixMarket matrix coordinate integer general\n{} {} {}\n{}",
                         genes.size(), n_spots, n_entries, entries));
}

TEST_F(Pipeline, GeneNamesOfMatrixMarketMayRepeatAndAWarningTellsHowMany) {
  write_matrix_market(scratch_ / "folder", {"A", "B", "A", "A-1", "A", "B", "C"});

  const Outcome outcome =
      run("repeated", {"input.path=folder", "prepare.rad_cutoff=1.1"}, 2, "prepare");

  ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
  EXPECT_THAT(outcome.error, HasSubstr("warning: 3 genes with a name that stood before"));
  const h5::File file = h5::open_to_read((scratch_ / "repeated/prepared.h5").string());
  EXPECT_EQ(h5::read_strings(file, "gene_names"),
            (std::vector<std::string>{"A", "B", "A-2", "A-1", "A-3", "B-1", "C"}));
}

std::string epochs(int n) { return "autoencoder.epochs=" + std::to_string(n); }

/// At once, so that a file of a model in training tells when to send the signal: such a run waits
/// for the disk most of the time. Now and then: a resumed run also saves over what it goes on from.
enum class Saved { at_once, now_and_then };
std::vector<std::string> saved(Saved when, std::vector<std::string> settings) {
  settings.emplace_back(when == Saved::at_once ? "compute.checkpoint_minutes=0.0001"
                                               : "compute.checkpoint_minutes=0.005");
  return settings;
}

TEST_F(Pipeline, InterruptedRunSavesExitsWith75AndResumesToTheSameBits) {
  const std::vector<std::string> settings{epochs(lasting(400)), "compute.tiles=2"};
  ASSERT_EQ(run("whole", settings).exit_code, 0);
  struct Case {
    int n_ranks, signal;
  };
  for (const auto& [n_ranks, signal] :
       {Case{0, SIGTERM}, Case{0, SIGUSR1}, Case{0, SIGINT}, Case{2, SIGUSR1}}) {
    const std::string name = "cut_" + std::to_string(n_ranks) + "_" + std::to_string(signal);
    const fs::path models = scratch_ / name / "models";

    const Outcome cut =
        run_and_signal(scratch_.path(), arguments(name, saved(Saved::at_once, settings)), n_ranks,
                       signal, [&] { return fs::exists(models / "model_000.h5"); });

    EXPECT_EQ(cut.exit_code, 75) << cut.out << cut.error;
    EXPECT_THAT(cut.out, HasSubstr("--resume goes on"));
    EXPECT_FALSE(fs::exists(result(name)));
    int n_halfway = 0;
    for (const auto& entry : fs::directory_iterator(models)) {
      EXPECT_EQ(entry.path().extension(), ".h5");  // nothing half-written
      n_halfway += contents_of(entry.path()).contains("embedding") ? 0 : 1;
    }
    EXPECT_GT(n_halfway, 0);
    const Outcome refused = run(name, settings);
    EXPECT_EQ(refused.exit_code, 2);
    EXPECT_THAT(refused.error, HasSubstr("pass --resume to continue it"));
    const Outcome resumed = run(name, saved(Saved::now_and_then, settings), 0, "run", {"--resume"});
    ASSERT_EQ(resumed.exit_code, 0) << resumed.error;
    expect_same_results("whole", name);
  }
}

TEST_F(Pipeline, KilledRunLosesNoMoreThanTheTimeSinceItsLastCheckpoint) {
  const std::vector<std::string> settings{epochs(lasting(300)), "compute.tiles=2"};
  ASSERT_EQ(run("whole", settings).exit_code, 0);
  struct Case {
    int n_ranks;
    const char* more;
  };
  for (const auto& [n_ranks, more] :
       {Case{0, "compute.models_in_flight=2"}, Case{2, "compute.tile_groups=1"},
        Case{2, "compute.tile_groups=2"}}) {
    const std::string name = "killed_" + std::to_string(n_ranks) + more;
    const fs::path models = scratch_ / name / "models";
    std::vector<std::string> all = settings;
    all.emplace_back(more);

    const Outcome killed = run_and_signal(
        scratch_.path(), arguments(name, saved(Saved::at_once, all)), n_ranks, SIGKILL,
        [&] { return fs::exists(models / "model_001.h5"); }, Target::one_rank);

    EXPECT_NE(killed.exit_code, 0);
    EXPECT_FALSE(fs::exists(result(name)));
    int n_halfway = 0;
    for (const auto& entry : fs::directory_iterator(models)) {
      if (entry.path().extension() != ".h5") continue;  // half-written, under another name
      const auto contents = contents_of(entry.path());
      n_halfway += contents.contains("embedding") ? 0 : 1;
      EXPECT_FALSE(contents.at("loss").starts_with("0 "));
    }
    EXPECT_GT(n_halfway, 0);
    const Outcome resumed =
        run(name, saved(Saved::now_and_then, all), n_ranks, "run", {"--resume"});
    ASSERT_EQ(resumed.exit_code, 0) << resumed.error;
    expect_same_results("whole", name);
    for (const auto& entry : fs::directory_iterator(models))
      EXPECT_EQ(entry.path().extension(), ".h5");
  }
}

TEST_F(Pipeline, ModelsInFlightChangeNoBit) {
  ASSERT_EQ(run("one", everything).exit_code, 0);
  for (const char* n : {"2", "3", "20"}) {
    auto settings = everything;
    settings.push_back(std::string("compute.models_in_flight=") + n);

    const Outcome outcome = run(std::string("flight_") + n, settings);

    ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
    expect_same_results("one", std::string("flight_") + n);
  }
}

TEST_F(Pipeline, InterruptedRunSavesAllModelsInFlight) {
  const std::vector<std::string> settings{epochs(lasting(1000)), "compute.models_in_flight=3"};
  const fs::path models = scratch_ / "cut" / "models";

  // No model is on the disk before the signal.
  const Outcome cut = run_and_signal(scratch_.path(), arguments("cut", settings), 0, SIGTERM, [&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    return fs::exists(scratch_ / "cut" / "prepared.h5");
  });

  EXPECT_EQ(cut.exit_code, 75) << cut.out << cut.error;
  for (const char* model : {"model_000.h5", "model_001.h5", "model_002.h5"}) {
    ASSERT_TRUE(fs::exists(models / model));
    EXPECT_FALSE(contents_of(models / model).contains("embedding"));
  }
  ASSERT_EQ(run("cut", settings, 0, "run", {"--resume"}).exit_code, 0);
  ASSERT_EQ(run("whole", settings).exit_code, 0);
  expect_same_results("whole", "cut");
}

/// Of two ranks the second has the only tile.
TEST_F(Pipeline, DamagedSaliencyOfOneRankIsOneLineOnAll) {
  const std::vector<std::string> with_saliency{"saliency.write=true"};
  ASSERT_EQ(run("run", with_saliency).exit_code, 0);
  const fs::path tile = scratch_ / "run/saliency/tile_0000.h5";
  const auto change = [&](const std::function<void(hid_t)>& work) {
    {
      const h5::File file{H5Fopen(tile.c_str(), H5F_ACC_RDWR, H5P_DEFAULT)};
      h5::check(H5Ldelete(file, "saliency", H5P_DEFAULT));
      work(file);
    }
    add_checksums(tile);
  };
  const auto expect_refused = [&](const std::string& message) {
    const Outcome outcome = run("run", with_saliency, 2, "svgs", {"--overwrite"});
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_EQ(outcome.n_error_lines(), 1) << outcome.error;
    EXPECT_THAT(outcome.error, HasSubstr("run/saliency/tile_0000.h5"));
    EXPECT_THAT(outcome.error, HasSubstr(message));
    EXPECT_FALSE(fs::exists(result("run").string() + ".partial"));
  };

  change([](hid_t file) { h5::write(file, "saliency", std::vector<float>(7)); });
  expect_refused("saliency has the shape 7, expected is 300 x 100");
  change([](hid_t) {});
  expect_refused("saliency");
}

TEST_F(Pipeline, SaysHowTheLossWentDown) {
  const Outcome outcome = run("run");

  double first = 0, last = 0, lowest = 0, highest = 0;
  const auto at = outcome.out.find("trained    3 models, 20 epochs each: mean loss");
  ASSERT_NE(at, std::string::npos) << outcome.out;
  ASSERT_EQ(std::sscanf(outcome.out.c_str() + at,
                        "trained    3 models, 20 epochs each: mean loss %lf at first, %lf at last "
                        "(%lf to %lf over models)",
                        &first, &last, &lowest, &highest),
            4);
  double mean_first = 0, mean_last = 0;
  for (const char* model : {"model_000.h5", "model_001.h5", "model_002.h5"}) {
    const h5::File file = h5::open_to_read((scratch_ / "run/models" / model).string());
    const auto loss = h5::read<double>(file, "loss");
    mean_first += loss.front() / 3;
    mean_last += loss.back() / 3;
    EXPECT_GE(loss.back(), lowest - 1e-5);
    EXPECT_LE(loss.back(), highest + 1e-5);
  }
  EXPECT_NEAR(first, mean_first, 1e-5);
  EXPECT_NEAR(last, mean_last, 1e-5);
  EXPECT_LT(last, first);
}

TEST_F(Pipeline, DryRunWritesNothingAndPrintsAConfigurationThatRuns) {
  const Outcome dry = run("run", {"models=5"}, 2, "run", {"--dry-run"});

  EXPECT_EQ(dry.exit_code, 0) << dry.error;
  EXPECT_FALSE(fs::exists(scratch_ / "run"));
  EXPECT_THAT(dry.out, HasSubstr("2 model groups of 1 rank, at most 3 models a group, 1 tile\n"));
  const std::string marker = "# the configuration as it would be used\n";
  ASSERT_THAT(dry.out, HasSubstr(marker));
  write_text(scratch_ / "resolved.yaml", dry.out.substr(dry.out.find(marker)));
  EXPECT_EQ(run_program(scratch_.path(), {"run", "resolved.yaml", "--dry-run"}).exit_code, 0);
}

TEST_F(Pipeline, EveryConfigurationOfTheRepositoryIsAccepted) {
  ASSERT_EQ(run_program(scratch_.path(), {"simulate", "larger.h5ad", "--n-spots", "400",
                                          "--n-genes", "300", "--n-domains", "3"})
                .exit_code,
            0);
  int n_configs = 0;
  for (const auto& entry : fs::directory_iterator(STM_CONFIGS)) {
    const Outcome outcome =
        run_program(scratch_.path(), {"run", entry.path().string(), "--dry-run", "--set",
                                      "input.path=larger.h5ad", "--set", "output=run"});
    EXPECT_EQ(outcome.exit_code, 0) << entry.path() << ": " << outcome.error;
    EXPECT_EQ(outcome.error, "");
    ++n_configs;
  }
  EXPECT_GE(n_configs, 5);
}

TEST_F(Pipeline, SummaryTellsDomainsAccuracyAgreementFilesTimeAndMemory) {
  const Outcome outcome = run("run", {}, 2);

  ASSERT_EQ(outcome.exit_code, 0) << outcome.error;
  for (const char* part : {"domain   spots   share   SVGs   first of them",
                           "held-out accuracy of the classifiers: ", "agreement between models: ",
                           "run/result.h5ad", "run/svgs.tsv", "time       prepare ", "memory     "})
    EXPECT_THAT(outcome.out, HasSubstr(part));
  EXPECT_EQ(outcome.n_error_lines(), 2) << outcome.error;  // of 20 epochs
  for (const char* warning : {"warning: the loss of 3 of 3 models", "warning: the models agree by"})
    EXPECT_THAT(outcome.error, HasSubstr(warning));
  const std::string log = read_text(scratch_ / "run/run.log");
  EXPECT_THAT(log, HasSubstr("2 ranks x 1 thread, "));
  EXPECT_THAT(log, HasSubstr("trained    3 models, 20 epochs each"));
  EXPECT_THAT(log, Not(HasSubstr("\033")));  // no control sequences of a terminal
}

void expect_one_line_of_error(const Outcome& outcome) {
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(outcome.n_error_lines(), 1) << outcome.error;
  EXPECT_TRUE(outcome.error.starts_with("stamarker: error: ")) << outcome.error;
}

TEST(CommandLine, MistakesAreOneLineAndExitCode2) {
  const Scratch scratch;
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{}, {"rum"}, {"run"}, {"run", "a.yaml", "--sett", "a=b"}})
    expect_one_line_of_error(run_program(scratch.path(), arguments));
  expect_one_line_of_error(run_program(scratch.path(), {"run"}, 3));
}

TEST(CommandLine, HelpHasExamplesAtEachLevelAndStandsOnStandardOutputOnce) {
  const Scratch scratch;
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"--help"},
                                                    {"run", "--help"},
                                                    {"train", "--help"},
                                                    {"simulate", "--help"},
                                                    {"info", "--help"},
                                                    {"compare", "--help"},
                                                    {"config", "--help"}}) {
    const Outcome outcome = run_program(scratch.path(), arguments);
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_THAT(outcome.out, HasSubstr("Example"));
    EXPECT_EQ(outcome.error, "");
  }
  EXPECT_EQ(run_program(scratch.path(), {"--help"}, 3).out,
            run_program(scratch.path(), {"--help"}).out);
  EXPECT_THAT(run_program(scratch.path(), {"--version"}).out, HasSubstr("stamarker 0."));
}

/// Open MPI's session folder would be the same for all processes of a user that were started so,
/// and the first to end would delete it beneath another.
TEST(CommandLine, AloneTouchesNoTemporaryFolder) {
  const Scratch scratch;
  write_text(scratch / "no_folder", "");
  setenv("TMPDIR", (scratch / "no_folder").c_str(), 1);

  const Outcome outcome = run_program(
      scratch.path(), {"simulate", "section.h5ad", "--n-spots", "300", "--n-genes", "400"});

  unsetenv("TMPDIR");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
}

TEST(CommandLine, PrintedConfigurationIsOne) {
  const Scratch scratch;
  for (const char* profile : {"tuned", "full", "reference"}) {
    const Outcome printed = run_program(scratch.path(), {"config", "--profile", profile});
    ASSERT_EQ(printed.exit_code, 0) << printed.error;
    write_text(scratch / "template.yaml", printed.out);

    const Outcome outcome =
        run_program(scratch.path(), {"run", "template.yaml", "--set", "input.path=none.h5ad",
                                     "--set", "output=run", "--set", "domains=3", "--dry-run"});

    EXPECT_EQ(outcome.exit_code, 2);  // all is well but for the input
    EXPECT_THAT(outcome.error, HasSubstr("none.h5ad"));
  }
}

}  // namespace
}  // namespace stamarker::test
