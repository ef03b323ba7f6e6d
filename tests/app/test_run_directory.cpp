#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

#include "app/pipeline_fixture.hpp"
#include "app/run/log.hpp"
#include "app/run/run_directory.hpp"
#include "app/run/run_lock.hpp"
#include "app/run/stage_files.hpp"
#include "io/atomic_file.hpp"
#include "support/message_of.hpp"

namespace stamarker::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

TEST(RunDirectory, LosesWhatKilledWritersOfItsOwnFilesLeftAndNothingElse) {
  const Scratch scratch;
  RunDirectory directory(scratch.path().string());
  directory.create();
  directory.create_folders();
  fs::create_directories(scratch / "data/models");
  const std::vector<std::string> own{
      "result.h5ad.partial",           "svgs.tsv.partial",
      "config.resolved.yaml.partial",  "prepared.h5.partial",
      "clusters.h5.partial",           "consensus.h5.partial",
      "models/model_000.h5.partial",   "models/model_1000.h5.partial",
      "clusters/model_007.h5.partial", "classifiers/classifier_000.h5.partial",
      "saliency/tile_0003.h5.partial"};
  const std::vector<std::string> foreign{"download.partial",
                                         "section.h5ad.partial",
                                         "data/a.partial",
                                         "data/models/model_000.h5.partial",
                                         "models/a.partial",
                                         "models/model_best.h5.partial",
                                         "models/model_.h5.partial",
                                         "model_000.h5.partial",
                                         "clusters/tile_0003.h5.partial"};
  for (const auto& names : {own, foreign})
    for (const std::string& name : names) write_text(scratch / name, "x");

  directory.remove_partial();

  for (const std::string& name : own) EXPECT_FALSE(fs::exists(scratch / name)) << name;
  for (const std::string& name : foreign) EXPECT_TRUE(fs::exists(scratch / name)) << name;
}

TEST(RunDirectory, HoldsNoFilesOfAStageButThoseItsStagesName) {
  const Scratch scratch;
  RunDirectory directory(scratch.path().string());
  directory.create();
  directory.create_folders();
  for (const char* name : {"models/model_007.h5", "models/model_007.h5.partial",
                           "models/model_007.h5.orig", "models/model_best.h5", "models/notes.txt"})
    write_text(scratch / name, "x");

  EXPECT_EQ(directory.files_of(Stage::train), std::vector<std::string>{directory.model(7)});
  directory.remove(Stage::train);

  EXPECT_FALSE(fs::exists(directory.model(7)));
  EXPECT_TRUE(fs::exists(scratch / "models/model_best.h5"));
}

TEST(StageFiles, ThatSayTheyHoldMoreThanAnyFileAreRefusedBeforeMemoryIsTaken) {
  const Scratch scratch;
  const std::string path = (scratch / "model_000.h5").string();
  const auto write = [](hid_t file) {
    const hsize_t n = hsize_t{1} << 50, chunk = 1024;  // more than any memory, none of it stored
    const h5::Space space{H5Screate_simple(1, &n, nullptr)};
    const h5::Properties chunked{H5Pcreate(H5P_DATASET_CREATE)};
    h5::check(H5Pset_chunk(chunked, 1, &chunk));
    const h5::DataSet loss{
        H5Dcreate2(file, "loss", H5T_NATIVE_DOUBLE, space, H5P_DEFAULT, chunked, H5P_DEFAULT)};
  };
  h5::write_file(path, write, h5::Checksums::of_blocks);

  EXPECT_THROW(read_model_losses(path, 5), InputError);
  EXPECT_THROW(read_model_embedding(path, 10, 3), InputError);
}

TEST_F(Pipeline, StageAfterAnUnfinishedOneNamesItAndLeavesItsFilesAlone) {
  const auto expect_unfinished = [&](const std::string& command, const std::string& message) {
    const Outcome refused = run("run", {}, 2, command);
    EXPECT_EQ(refused.exit_code, 2);
    EXPECT_EQ(refused.n_error_lines(), 1) << refused.error;
    EXPECT_THAT(refused.error, HasSubstr(message));
  };
  ASSERT_EQ(run("run").exit_code, 0);
  const fs::path folder = scratch_ / "run";

  fs::remove(folder / "classifiers/classifier_001.h5");
  expect_unfinished("saliency",
                    "stage classify is unfinished (2 of 3 classifiers); run "
                    "`stamarker classify --resume` first");
  fs::rename(folder / "clusters.h5", folder / "clusters/model_000.h5");
  expect_unfinished("consensus", "stage cluster is unfinished; run `stamarker cluster --resume`");
  {  // as a model in training is saved
    const h5::File model{
        H5Fopen((folder / "models/model_000.h5").c_str(), H5F_ACC_RDWR, H5P_DEFAULT)};
    h5::check(H5Ldelete(model, "embedding", H5P_DEFAULT));
  }
  add_checksums(folder / "models/model_000.h5");
  fs::remove(folder / "models/model_002.h5");
  expect_unfinished("cluster",
                    "stage train is unfinished (1 of 3 models); run "
                    "`stamarker train --resume` first");
  ASSERT_EQ(run("run", {}, 0, "train", {"--resume"}).exit_code, 0);
  EXPECT_TRUE(contents_of(folder / "models/model_000.h5").contains("embedding"));
}

TEST(RunLock, KeepsOthersOutAndLeavesNoFile) {
  const Scratch scratch;
  const auto unexpected = [](const std::string& line) { FAIL() << line; };
  const std::string folder = scratch.path().string();
  write_text(scratch / "run.lock", "process 1 on a host where it was killed\n");
  {
    const RunLock lock(folder, unexpected);
    EXPECT_THAT(message_of([&] { const RunLock second(folder, unexpected); }),
                HasSubstr("in use by another run, process " + std::to_string(getpid()) + " on"));
    EXPECT_TRUE(fs::exists(scratch / "run.lock"));
  }
  EXPECT_TRUE(fs::is_empty(scratch.path()));
  const RunLock again(folder, unexpected);
}

/// As a link that is put there between the check at the start and the opening.
TEST(FilesWrittenInPlace, AreNotOpenedThroughALink) {
  const Scratch scratch;
  write_text(scratch / "notes.txt", "of the user");
  for (const char* name : {"run.lock", "run.log"}) fs::create_symlink("notes.txt", scratch / name);
  Log log(true);

  EXPECT_EQ(message_of([&] { log.open((scratch / "run.log").string()); }),
            (scratch / "run.log").string() +
                " is a symbolic link, and this file is written in place; delete it");
  EXPECT_THAT(message_of([&] { const RunLock lock(scratch.path().string(), [](const auto&) {}); }),
              HasSubstr("run.lock is a symbolic link"));
  EXPECT_EQ(read_text(scratch / "notes.txt"), "of the user");
}

TEST(FilesWrittenInPlace, KeepWhatTheLogHeldAndItsLines) {
  const Scratch scratch;
  write_text(scratch / "run.log", "of the run before\n");
  {
    Log log(true);
    log.file_only("early");
    log.open((scratch / "run.log").string());
    log.lines("one\ntwo");
    log.file_only("three\nfour");
  }

  const std::string text = read_text(scratch / "run.log");
  EXPECT_THAT(text, ::testing::MatchesRegex("of the run before\n([-0-9]+ [:0-9]+  early\n)"
                                            "([-0-9]+ [:0-9]+  one\n)([-0-9]+ [:0-9]+  two\n)"
                                            "([-0-9]+ [:0-9]+  three.x0afour\n)"));
}

TEST(FilesWrittenAtomically, ReplaceALinkInTheirPlaceAndLeaveItsTarget) {
  const Scratch scratch;
  write_text(scratch / "notes.txt", "of the user");
  for (const char* name : {"a.txt", "a.txt.partial", "b.h5", "b.h5.partial"})
    fs::create_symlink("notes.txt", scratch / name);

  write_text_file((scratch / "a.txt").string(), "of the run");
  h5::write_file((scratch / "b.h5").string(), [](hid_t) {});

  EXPECT_EQ(read_text(scratch / "notes.txt"), "of the user");
  EXPECT_EQ(read_text(scratch / "a.txt"), "of the run");
  EXPECT_FALSE(fs::is_symlink(scratch / "b.h5"));
}

TEST(FilesWrittenAtomically, SayWhatIsInTheWay) {
  const Scratch scratch;
  fs::create_directories(scratch / "a.txt.partial/data");

  EXPECT_THAT(message_of([&] { write_text_file((scratch / "a.txt").string(), "of the run"); }),
              HasSubstr("a.txt.partial is in the way and cannot be deleted (Directory not empty)"));
}

TEST(RunLock, WarnsWhereThereIsNone) {
  const Scratch scratch;
  fs::create_directory(scratch / "run.lock");  // in the place of a file system without locks
  std::vector<std::string> warnings;
  {
    const RunLock lock(scratch.path().string(),
                       [&](const auto& line) { warnings.push_back(line); });
  }

  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_THAT(warnings.front(), HasSubstr("cannot be locked (Is a directory)"));
  EXPECT_TRUE(fs::exists(scratch / "run.lock"));
}

TEST(RunDirectory, IsDiscardedByWhoMadeItAlone) {
  const Scratch scratch;
  RunDirectory first((scratch / "a/run").string()), second((scratch / "a/run").string());
  first.create();
  second.create();

  second.discard_if_new();
  EXPECT_TRUE(first.exists());
  first.discard_if_new();
  EXPECT_FALSE(first.exists());
}

TEST_F(Pipeline, OneOutputIsForOneRunAtATime) {
  const fs::path elsewhere = scratch_ / "elsewhere";  // for the output of the second
  fs::create_directory(elsewhere);
  const auto is_locked = [&] { return fs::exists(scratch_ / "run/run.lock"); };
  std::vector<std::string> command = arguments("../run", {"input.path=../section.h5ad"});
  command[1] = "../run.yaml";
  std::vector<Outcome> refused;

  // The first run, which makes the output, is asked to end once two others were refused.
  const Outcome cut = run_and_signal(
      scratch_.path(), arguments("run", {"autoencoder.epochs=100000"}), 2, SIGUSR1, [&] {
        if (!fs::exists(scratch_ / "run/prepared.h5")) return false;
        write_text(scratch_ / "run/models/model_002.h5.partial", "of the first");
        EXPECT_TRUE(is_locked());
        for (const char* flag : {"--resume", "--overwrite"}) {
          command.emplace_back(flag);
          refused.push_back(run_program(elsewhere, command, 2));
          command.pop_back();
        }
        EXPECT_TRUE(fs::exists(scratch_ / "run/models/model_002.h5.partial"));
        return true;
      });

  EXPECT_EQ(cut.exit_code, 75) << cut.error;
  EXPECT_FALSE(is_locked());
  ASSERT_EQ(refused.size(), 2U);
  for (const Outcome& outcome : refused) {
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_EQ(outcome.n_error_lines(), 1) << outcome.error;
    EXPECT_THAT(outcome.error, HasSubstr("output = ../run (in use by another run, process "));
  }
}

TEST_F(Pipeline, RunInTheFolderOfTheDataKeepsTheUsersFiles) {
  fs::create_directory(scratch_ / "raw");
  write_text(scratch_ / "raw/download.fastq.partial", "x");
  write_text(scratch_ / "notes.partial", "x");

  const Outcome outcome = run(".");

  EXPECT_EQ(outcome.exit_code, 0) << outcome.error;
  EXPECT_TRUE(fs::exists(scratch_ / "raw/download.fastq.partial"));
  EXPECT_TRUE(fs::exists(scratch_ / "notes.partial"));
}

TEST_F(Pipeline, OutputIsWrittenByteForByteAndResumedByItsOwnConfiguration) {
  fs::create_directory(scratch_ / "runs");
  const std::string output = "runs/o_\xe9 #1: \xc3\xa9";

  const Outcome first = run(output, {}, 2);
  fs::remove(result(output));
  const Outcome resumed = run_program(
      scratch_.path(), {"run", (scratch_ / output / "config.resolved.yaml").string(), "--resume"});

  EXPECT_EQ(first.exit_code, 0) << first.error;
  EXPECT_EQ(resumed.exit_code, 0) << resumed.error;
  EXPECT_TRUE(fs::exists(result(output)));
  EXPECT_EQ(std::distance(fs::directory_iterator(scratch_ / "runs"), fs::directory_iterator()), 1);
  EXPECT_THAT(contents_of(result(output)).at("uns/stamarker/provenance/output"),
              HasSubstr("runs/o_\\xe9 #1: \xc3\xa9"));
}

TEST_F(Pipeline, FinishedRunIsLeftAlone) {
  ASSERT_EQ(run("run").exit_code, 0);
  const auto written = fs::last_write_time(result("run"));

  const Outcome again = run("run");

  EXPECT_EQ(again.exit_code, 0);
  EXPECT_THAT(again.out, HasSubstr("nothing to do"));
  EXPECT_EQ(fs::last_write_time(result("run")), written);
}

TEST_F(Pipeline, ResultsOfAnotherConfigurationAreKeptUnlessTheUserSaysSo) {
  ASSERT_EQ(run("run").exit_code, 0);
  ASSERT_EQ(run("fresh", {"clustering.method=leiden"}).exit_code, 0);
  const std::string before = read_text(result("run"));

  const Outcome refused = run("run", {"clustering.method=leiden"});
  const bool was_kept = read_text(result("run")) == before;
  const Outcome replaced =
      run("run", {"clustering.method=leiden"}, 0, "run", {"--resume", "--overwrite"});

  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.error, HasSubstr("clustering.method = mclust there and leiden here"));
  EXPECT_TRUE(was_kept);
  ASSERT_EQ(replaced.exit_code, 0) << replaced.error;
  EXPECT_THAT(replaced.out, HasSubstr("train      is there already"));
  expect_same_results("fresh", "run");
}

TEST_F(Pipeline, OneStageIsReplacedWithThoseThatFollow) {
  ASSERT_EQ(run("run").exit_code, 0);

  const Outcome refused = run("run", {"domains=2"}, 0, "cluster");
  const Outcome replaced = run("run", {"domains=2"}, 0, "cluster", {"--overwrite"});
  const bool is_stale = fs::exists(result("run"));
  const Outcome completed = run("run", {"domains=2"}, 0, "run", {"--resume"});
  const Outcome too_early = run("empty", {}, 0, "train");

  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.error, HasSubstr("domains = 3 there and 2 here"));
  EXPECT_EQ(replaced.exit_code, 0) << replaced.error;
  EXPECT_FALSE(is_stale);
  EXPECT_EQ(completed.exit_code, 0) << completed.error;
  EXPECT_EQ(too_early.exit_code, 2);
  EXPECT_THAT(too_early.error, HasSubstr("run `stamarker prepare` first"));
  EXPECT_FALSE(fs::exists(scratch_ / "empty"));
}

TEST_F(Pipeline, FileThatIsCutShortIsNamedAndMadeAgainOnceItIsDeleted) {
  ASSERT_EQ(run("fresh").exit_code, 0);
  ASSERT_EQ(run("run").exit_code, 0);
  const fs::path model = scratch_ / "run/models/model_001.h5";
  fs::resize_file(model, fs::file_size(model) / 2);
  fs::remove(result("run"));

  const Outcome refused = run("run", {}, 0, "run", {"--resume"});
  fs::remove(model);
  const Outcome resumed = run("run", {}, 0, "run", {"--resume"});

  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.error, HasSubstr("models/model_001.h5 cannot be read as a file of stamarker: "
                                       "close it if another program has it open, else delete it, "
                                       "and `stamarker train --resume`"));
  EXPECT_EQ(resumed.exit_code, 0) << resumed.error;
  expect_same_results("fresh", "run");
}

TEST_F(Pipeline, ChangedInputIsNoticed) {
  ASSERT_EQ(run("run").exit_code, 0);
  ASSERT_EQ(simulate(4).exit_code, 0);

  const Outcome refused = run("run");

  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.error, HasSubstr("section.h5ad as it was before its contents changed"));
}

TEST_F(Pipeline, AnotherVersionOfTheProgramIsNamed) {
  ASSERT_EQ(run("run").exit_code, 0);
  const auto set = [&](const char* name, const char* text) {
    const h5::File file{H5Fopen((scratch_ / "run/prepared.h5").c_str(), H5F_ACC_RDWR, H5P_DEFAULT)};
    h5::write_attribute(file, name, std::string(text));
  };
  set("fingerprint", "0");
  set("program", "stamarker 0.0.9 1");

  const Outcome refused = run("run", {}, 0, "run", {"--resume"});

  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.error,
              HasSubstr("\"stamarker 0.0.9 1\" there and \"" + program_of_results()));
}

}  // namespace
}  // namespace stamarker::test
