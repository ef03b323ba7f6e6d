#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <optional>
#include <ostream>
#include <set>
#include <sstream>

#include "app/program.hpp"
#include "data/simulate.hpp"
#include "io/h5.hpp"
#include "io/section_file.hpp"

namespace stamarker::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

Dataset small_section() {
  SimulateOptions options;
  options.n_spots = 120;
  options.n_genes = 60;
  options.n_domains = 2;
  options.svgs_per_domain = 10;
  options.n_gradient_genes = 10;
  return simulate(options).data;
}

/// One thing that is wrong, and what its message must say.
struct BadInput {
  std::string name;
  std::vector<std::string> settings;
  std::string message;
  std::function<void(const fs::path& folder)> arrange = [](const fs::path&) {};
  /// Known before the counts are read: refused by --dry-run too, and before preparation.
  bool is_early = false;

  /// ctest lists the case by its name instead of its bytes.
  friend void PrintTo(const BadInput& input, std::ostream* out) { *out << input.name; }
};

/// A copy of the section in bad.h5ad after a change to it.
BadInput bad_section(const std::string& name, const std::string& message,
                     const std::function<void(Dataset&)>& change) {
  return {name, {"input.path=bad.h5ad"}, message, [=](const fs::path& folder) {
            Dataset data = small_section();
            change(data);
            write_section((folder / "bad.h5ad").string(), data);
          }};
}

/// A copy of the file in bad.h5ad after a change to it.
BadInput bad_file(const std::string& name, const std::string& message,
                  const std::function<void(const fs::path& file)>& change) {
  return {name, {"input.path=bad.h5ad"}, message, [=](const fs::path& folder) {
            fs::copy_file(folder / "section.h5ad", folder / "bad.h5ad");
            change(folder / "bad.h5ad");
          }};
}

BadInput early(
    const std::string& name, const std::vector<std::string>& settings, const std::string& message,
    const std::function<void(const fs::path& folder)>& arrange = [](const fs::path&) {}) {
  return {name, settings, message, arrange, true};
}

/// A copy of the section in bad.h5ad, changed in what its header tells.
BadInput early_file(const std::string& name, const std::string& message,
                    const std::function<void(hid_t file)>& change) {
  return early(name, {"input.path=bad.h5ad"}, message, [=](const fs::path& folder) {
    fs::copy_file(folder / "section.h5ad", folder / "bad.h5ad");
    const h5::File file{H5Fopen((folder / "bad.h5ad").c_str(), H5F_ACC_RDWR, H5P_DEFAULT)};
    change(file);
  });
}

/// A folder `mtx` with a matrix of two spots and no table of positions.
void write_matrix_market(const fs::path& folder) {
  fs::create_directory(folder / "mtx");
  write_text(folder / "mtx/matrix.mtx",
             "%%MatrixMarket matrix coordinate integer general\n1 2 1\n1 1 5\n");
  write_text(folder / "mtx/barcodes.tsv", "a\nb\n");
  write_text(folder / "mtx/features.tsv", "G\n");
}

/// A path of names of one letter, longer than the system takes.
std::string long_path() {
  std::string path = "o";
  while (path.size() < 4200) path += "/o";
  return path;
}

/// A file of the user to which `name` in the run directory leads.
void link_in_run(const fs::path& folder, const std::string& name) {
  fs::create_directory(folder / "run");
  write_text(folder / "notes.txt", "of the user");
  fs::create_symlink("../notes.txt", folder / "run" / name);
}

std::vector<BadInput> bad_inputs() {
  return {
      {"MissingFile", {"input.path=none.h5ad"}, "none.h5ad"},
      {"Device", {"input.path=/dev/null"}, "/dev/null is a pipe or device, not a file"},
      {"Pipe",
       {"input.path=pipe"},
       "pipe is a pipe or device, not a file",
       [](const fs::path& folder) { mkfifo((folder / "pipe").c_str(), 0600); }},
      bad_file("NotHdf5", "bad.h5ad", [](const fs::path& f) { write_text(f, "gene,count\n"); }),
      bad_file("Truncated", "bad.h5ad",
               [](const fs::path& f) { fs::resize_file(f, fs::file_size(f) / 2); }),
      bad_file("NoCoordinates", "spatial",
               [](const fs::path& f) {
                 const h5::File file{H5Fopen(f.c_str(), H5F_ACC_RDWR, H5P_DEFAULT)};
                 h5::check(H5Ldelete(file, "obsm/spatial", H5P_DEFAULT));
               }),
      early("WrongLayer", {"input.layer=counts"},
            "input.layer = counts (in section.h5ad: no layers; or X)"),
      bad_section("NaNCoordinate",
                  "bad.h5ad: obsm/spatial: spot 'spot_0000003' has the coordinate nan",
                  [](Dataset& d) {
                    d.spot_names[3] = "spot_0000003";
                    d.coordinates.values[6] = std::numeric_limits<double>::quiet_NaN();
                  }),
      {"SpotWithoutASection",
       {"input.path=bad.h5ad", "input.batch_key=slice"},
       "input.batch_key = slice (spot 3 has no value there)",
       [](const fs::path& folder) {
         Dataset data = small_section();
         Frame obs;
         std::vector<float> slice;
         for (int i = 0; i < data.n_spots(); ++i) {
           obs.index.push_back(std::to_string(i));
           slice.push_back(i % 4 == 3 ? std::numeric_limits<float>::quiet_NaN()
                                      : static_cast<float>(i % 2));
         }
         obs.set({"slice", slice});
         write_section((folder / "bad.h5ad").string(), data, obs);
       }},
      bad_section("NaNCounts", "bad.h5ad",
                  [](Dataset& d) { d.counts.value[7] = std::numeric_limits<float>::quiet_NaN(); }),
      {"CountsThatAreAllZero",
       {"input.path=bad.h5ad", "prepare.min_cells=0"},
       "bad.h5ad: all counts of the selected genes are 0",
       [](const fs::path& folder) {
         Dataset data = small_section();
         std::ranges::fill(data.counts.value, 0.0f);
         write_section((folder / "bad.h5ad").string(), data);
       }},
      bad_section("NegativeCounts", "bad.h5ad", [](Dataset& d) { d.counts.value[7] = -1; }),
      bad_section("NonIntegerCounts", "bad.h5ad", [](Dataset& d) { d.counts.value[7] = 1.5; }),
      bad_section("DuplicateSpots", "spot_0000002",
                  [](Dataset& d) {
                    d.spot_names[5] = "spot_0000002";
                    d.spot_names[2] = "spot_0000002";
                  }),
      bad_section("DuplicateGenes", "TWICE",
                  [](Dataset& d) { d.gene_names[3] = d.gene_names[8] = "TWICE"; }),
      {"NoSpotsLeft", {"prepare.min_counts=1000000"}, "prepare.min_counts"},
      {"NoGenesLeft", {"prepare.min_cells=100000"}, "prepare.min_cells"},
      {"RadiusWithoutEdge", {"prepare.rad_cutoff=0.001"}, "rad_cutoff"},
      early("MoreDomainsThanSpots", {"domains=5000"}, "domains = 5000"),
      {"NoThreads",
       {"compute.threads=0"},
       "compute.threads = 0 (expected another number, or auto)"},
      {"ThreadsFarAboveTheCores",
       {"compute.threads=100000"},
       "compute.threads = 100000 (this machine has "},
      {"NoModels", {"models=0"}, "models = 0"},
      {"NoDomains", {"domains=0"}, "domains is missing"},
      {"UnknownKey", {"autoencoder.epoch=3"}, "did you mean autoencoder.epochs?"},
      {"WrongType", {"models=many"}, "expected a whole number"},
      {"UnwritableOutput", {"output=/proc/stamarker_run"}, "output = /proc/stamarker_run"},
      {"OutputIsAFile", {"output=section.h5ad"}, "section.h5ad is a file"},
      early("OutputIsADanglingLink", {"output=link"}, "link is a symbolic link that leads nowhere",
            [](const fs::path& folder) { fs::create_symlink("nowhere", folder / "link"); }),
      early("OutputIsBelowADanglingLink", {"output=link/run"},
            "link is a symbolic link that leads nowhere",
            [](const fs::path& folder) { fs::create_symlink("nowhere", folder / "link"); }),
      early("OutputIsALoopOfLinks", {"output=link"},
            "link is a symbolic link that leads nowhere: Too many levels of symbolic links",
            [](const fs::path& folder) { fs::create_symlink("link", folder / "link"); }),
      early("OutputNameIsTooLong", {"output=" + std::string(256, 'o')},
            "(a name in it has 256 bytes, the file system takes 255)"),
      early("OutputPathIsTooLong", {"output=" + long_path()},
            "(too long: paths of the run's files"),
      early("FolderOfAStageIsAFile", {}, "run/models is a file; name a folder",
            [](const fs::path& folder) {
              fs::create_directory(folder / "run");
              write_text(folder / "run/models", "x");
            }),
      early("LogIsALink", {}, "run/run.log is a symbolic link",
            [](const fs::path& folder) { link_in_run(folder, "run.log"); }),
      early("LockIsALink", {}, "run/run.lock is a symbolic link",
            [](const fs::path& folder) { link_in_run(folder, "run.lock"); }),
      early("LogIsAPipe", {}, "run/run.log is a pipe or device",
            [](const fs::path& folder) {
              fs::create_directory(folder / "run");
              mkfifo((folder / "run/run.log").c_str(), 0600);
            }),
      early("WrongSpatialKey", {"input.spatial_key=X_umap"},
            "section.h5ad has no obsm/X_umap with the coordinates (obsm holds: spatial)"),
      early("WrongBatchKey", {"input.batch_key=sample"},
            "input.batch_key = sample (columns of obs:"),
      early("BatchKeyOfAMatrixMarketFolder", {"input.path=mtx", "input.batch_key=sample"},
            "input.batch_key = sample (only an .h5ad", write_matrix_market),
      early("NoTableOfPositions", {"input.path=mtx"}, "tissue_positions.csv", write_matrix_market),
      early_file(
          "ColumnThatIsNamedTwice",
          "bad.h5ad: obs names the column 'kind' twice (attribute column-order)",
          [](hid_t file) {
            const h5::Group obs = h5::open_group(file, "obs");
            h5::check(H5Adelete(obs, "column-order"));
            h5::write_attribute(obs, "column-order", std::vector<std::string>{"kind", "kind"});
            h5::write(obs, "kind", std::vector<float>(120));
          }),
      early_file("ColumnOfAnotherLength", "bad.h5ad: obs/kind has 119 rows, the index has 120",
                 [](hid_t file) {
                   const h5::Group obs = h5::open_group(file, "obs");
                   h5::check(H5Adelete(obs, "column-order"));
                   h5::write_attribute(obs, "column-order", std::vector<std::string>{"kind"});
                   h5::write(obs, "kind", std::vector<float>(119));
                 }),
      early_file(
          "CoordinatesOfOtherSpots",
          "bad.h5ad: obsm/spatial has shape (119, 2), 120 spots x 2 or 3 coordinates expected",
          [](hid_t file) {
            h5::check(H5Ldelete(file, "obsm/spatial", H5P_DEFAULT));
            h5::write(file, "obsm/spatial", std::span<const double>(std::vector<double>(238)),
                      {119, 2});
          }),
      early_file("TableOfGenesOfAnotherLength", "bad.h5ad: X has 60 columns, but var has 59",
                 [](hid_t file) {
                   const h5::Group var = h5::open_group(file, "var");
                   h5::check(H5Ldelete(var, "_index", H5P_DEFAULT));
                   h5::write_strings(var, "_index", std::vector<std::string>(59, "G"));
                 }),
      early("MoreComponentsThanSpots", {"clustering.n_components=121"},
            "clustering.n_components = 121 (more than the 120 spots of the input)"),
      early(
          "TooManyComponentsForTheSpots", {"clustering.n_components=116"},
          "clustering.n_components = 116 (mclust on 4 latent dimensions needs more than 120 spots, "
          "there are 120 of the input"),
      {"RanksThatTileGroupsDoNotDivide", {"compute.tile_groups=2"}, "compute.tile_groups = 2"},
      {"DeviceThatIsNotThere",
       {"compute.device=cuda"},
       "compute.device = cuda",
       [](const fs::path&) { setenv("CUDA_VISIBLE_DEVICES", "", 1); }},  // for this case alone
      {"ConfigurationIsNotYaml",
       {},
       "not valid YAML",
       [](const fs::path& folder) { write_text(folder / "run.yaml", "models: 2\noutput: [1\n"); }},
      {"ConfigurationOfTwoDocuments",
       {},
       "run.yaml:3: a second YAML document",
       [](const fs::path& folder) {
         write_text(folder / "run.yaml", "models: 2\n\n---\nseed: 1\n");
       }},
      {"ConfigurationWithAnAlias",
       {},
       "run.yaml:1: anchors (&) and aliases (*) are not accepted",
       [](const fs::path& folder) { write_text(folder / "run.yaml", "models: &n 2\nseed: *n\n"); }},
      {"ConfigurationIsADataFile",
       {},
       "run.yaml is no YAML file; expected a configuration, with input.path: FILE",
       [](const fs::path& folder) {
         fs::copy_file(folder / "section.h5ad", folder / "run.yaml",
                       fs::copy_options::overwrite_existing);
       }},
      {"ConfigurationIsMissing",
       {},
       "run.yaml (cannot read",
       [](const fs::path& folder) { fs::remove(folder / "run.yaml"); }},
  };
}

std::set<std::string> names_in(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    names.insert(entry.path().lexically_relative(folder).string());
  names.erase("stdout.txt");
  names.erase("stderr.txt");
  return names;
}

void prepare_folder(const fs::path& folder) {
  write_section((folder / "section.h5ad").string(), small_section());
  write_text(folder / "run.yaml", R"(
input: {path: section.h5ad}
output: run
domains: 2
models: 2
prepare: {min_cells: 2, n_top_genes: 40}
autoencoder: {hidden_dims: [16, 4], epochs: 5}
clustering: {n_init: 1}
classifier: {epochs: 5}
compute: {threads: 1}
)");
}

Outcome run_with(const fs::path& folder, const std::vector<std::string>& settings, int n_ranks) {
  // mpirun kills the ranks at once when one has ended with an error: by then all must be done.
  setenv("OMPI_MCA_odls_base_sigkill_timeout", "0", 1);
  return run_program(folder, with_settings({"run", "run.yaml"}, settings), n_ranks);
}

/// Runs of few epochs warn of their results.
std::string without_warnings(const std::string& text) {
  std::istringstream lines(text);
  std::string kept;
  for (std::string line; std::getline(lines, line);)
    if (!line.starts_with("stamarker: warning: ")) kept += line + '\n';
  return kept;
}

void expect_refused(const Outcome& outcome, const std::string& message) {
  const std::string error = without_warnings(outcome.error);
  EXPECT_EQ(outcome.exit_code, 2);
  EXPECT_EQ(std::count(error.begin(), error.end(), '\n'), 1) << outcome.error;
  EXPECT_TRUE(error.starts_with("stamarker: error: ")) << outcome.error;
  EXPECT_THAT(error, HasSubstr(message));
}

class BadInputs : public ::testing::TestWithParam<BadInput> {
 protected:
  void TearDown() override {
    if (visible_devices_)
      setenv("CUDA_VISIBLE_DEVICES", visible_devices_->c_str(), 1);
    else
      unsetenv("CUDA_VISIBLE_DEVICES");
  }

 private:
  static std::optional<std::string> environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  }
  std::optional<std::string> visible_devices_ = environment("CUDA_VISIBLE_DEVICES");
};

TEST_P(BadInputs, GiveOneLineExitCode2AndLeaveNothingOnOneAndThreeRanks) {
  const Scratch scratch;
  prepare_folder(scratch.path());
  GetParam().arrange(scratch.path());
  const std::set<std::string> before = names_in(scratch.path());

  for (const int n_ranks : {1, 3}) {
    const Outcome outcome = run_with(scratch.path(), GetParam().settings, n_ranks);

    expect_refused(outcome, GetParam().message);
    EXPECT_EQ(names_in(scratch.path()), before);
    EXPECT_TRUE(!GetParam().is_early || outcome.out.find("prepared ") == std::string::npos);
  }
  if (!GetParam().is_early) return;
  std::vector<std::string> settings = GetParam().settings;
  expect_refused(
      run_program(scratch.path(), with_settings({"run", "run.yaml", "--dry-run"}, settings)),
      GetParam().message);
}
INSTANTIATE_TEST_SUITE_P(Of, BadInputs, ::testing::ValuesIn(bad_inputs()),
                         [](const auto& tested) { return tested.param.name; });

TEST(BadOutput, OfAnotherConfigurationIsRefusedAndKept) {
  const Scratch scratch;
  prepare_folder(scratch.path());
  ASSERT_EQ(run_with(scratch.path(), {}, 1).exit_code, 0);
  const std::set<std::string> before = names_in(scratch.path());
  const std::string result = read_text(scratch / "run/result.h5ad");

  for (const int n_ranks : {1, 3}) {
    expect_refused(run_with(scratch.path(), {"seed=5"}, n_ranks),
                   "seed = 0 there and 5 here; choose another output, or pass --overwrite");
    EXPECT_EQ(names_in(scratch.path()), before);
    EXPECT_TRUE(read_text(scratch / "run/result.h5ad") == result);
  }
}

/// What can only be found out in training leaves the stages before it, whole.
TEST(BadTraining, ThatDivergesIsOneLineOnAllRanks) {
  const Scratch scratch;
  prepare_folder(scratch.path());
  for (const int n_ranks : {1, 3}) {
    const Outcome outcome =
        run_with(scratch.path(),
                 {"autoencoder.learning_rate=1e30", "output=" + std::to_string(n_ranks)}, n_ranks);

    expect_refused(outcome, "autoencoder.learning_rate = 1e+30");
    EXPECT_TRUE(fs::exists(scratch / std::to_string(n_ranks) / "prepared.h5"));
    const std::string before = "the loss of model ";
    ASSERT_THAT(outcome.error, HasSubstr(before));
    const char diverged = outcome.error[outcome.error.find(before) + before.size()];
    const fs::path models = scratch / std::to_string(n_ranks) / "models";
    EXPECT_FALSE(fs::exists(models / (std::string("model_00") + diverged + ".h5")));
    EXPECT_TRUE(n_ranks > 1 || fs::is_empty(models));
    // A rank that had not seen its model diverge yet has saved it as it stood.
    for (const auto& model : fs::directory_iterator(models))
      EXPECT_FALSE(contents_of(model.path()).contains("embedding"));
  }
}

/// A file system of its own, as large as said. Needs the right to mount.
class SmallDisk {
 public:
  SmallDisk(fs::path path, const std::string& size) : path_(std::move(path)) {
    fs::create_directory(path_);
    is_mounted_ = mount("none", path_.c_str(), "tmpfs", 0, ("size=" + size).c_str()) == 0;
  }
  ~SmallDisk() {
    if (is_mounted_) umount2(path_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  bool is_mounted() const { return is_mounted_; }

 private:
  fs::path path_;
  bool is_mounted_ = false;
};

TEST(FullDisk, GivesOneLineAndNothingHalfWritten) {
  const Scratch scratch;
  prepare_folder(scratch.path());
  int n_runs = 0;
  // Full with prepared.h5, a model, the consensus, the saliency, the result.
  for (const char* size : {"64k", "112k", "160k", "192k", "256k"}) {
    for (const int n_ranks : {1, 3}) {
      const std::string name = std::string("disk_") + size + "_" + std::to_string(n_ranks);
      const SmallDisk disk(scratch / name, size);
      if (!disk.is_mounted())
        GTEST_SKIP() << "SKIPPED: this user may not mount a small file system: "
                     << std::strerror(errno);

      const Outcome outcome = run_with(scratch.path(), {"output=" + name + "/run"}, n_ranks);

      expect_refused(outcome, "no space left");
      ++n_runs;
      for (const std::string& file : names_in(scratch / name))
        EXPECT_EQ(file.find(".partial"), std::string::npos) << file;
      const bool is_first_stage = std::string(size) == "64k";
      EXPECT_EQ(names_in(scratch / name).empty(), is_first_stage);
    }
  }
  EXPECT_EQ(n_runs, 10);
}

}  // namespace
}  // namespace stamarker::test
