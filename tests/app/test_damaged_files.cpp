#include <gmock/gmock.h>

#include <functional>
#include <random>

#include "app/config/config.hpp"
#include "app/pipeline_fixture.hpp"
#include "app/run/stage_files.hpp"
#include "base/error.hpp"

namespace stamarker::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

/// All that a stage gets from a file, as bytes.
class Bytes {
 public:
  template <class T>
  Bytes& operator<<(const std::vector<T>& values) {
    bytes_.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
    return *this;
  }
  Bytes& operator<<(const std::vector<std::string>& texts) {
    for (const std::string& text : texts) bytes_ += text + '\n';
    return *this;
  }
  Bytes& operator<<(double value) { return *this << std::vector<double>{value}; }
  const std::string& text() const { return bytes_; }

 private:
  std::string bytes_;
};

/// What the readers expect of a run's files.
struct Expected {
  explicit Expected(const fs::path& run)
      : config(parse_config(read_text(run / "config.resolved.yaml"), "config").config) {
    const PreparedData data = read_prepared(run / "prepared.h5");
    n_spots = data.n_spots();
    n_genes = data.n_genes();
  }
  Config config;
  int n_spots = 0, n_genes = 0;
};

std::string bytes_of_prepared(const std::string& path, const Expected& /*expected*/) {
  const PreparedData data = read_prepared(path);
  Bytes bytes;
  bytes << data.kept_spots << data.selected_genes << data.statistics.means
        << data.statistics.variances << data.statistics.variances_norm << data.statistics.rank
        << data.spot_names << data.gene_names << data.coordinates.values << data.section
        << data.section_names << data.graph.row_start << data.graph.source << data.graph.distance
        << data.radius;
  PreparedExpression(path).visit(
      [&](int, const SparseRows& rows) { bytes << rows.row_start << rows.column << rows.value; });
  return bytes.text();
}

std::string bytes_of_model(const std::string& path, const Expected& expected) {
  const AutoencoderOptions& options = expected.config.autoencoder;
  const ParameterLayout layout{expected.n_genes, options.n_hidden, options.n_latent,
                               options.tied_update};
  const TrainerState state = read_model_state(path, layout);
  Bytes bytes;
  bytes << state.epoch << state.parameters << state.moments << state.loss << state.gradient_norm
        << read_model_embedding(path, expected.n_spots, options.n_latent);
  return bytes.text();
}

std::string bytes_of_labels(const std::string& path, const Expected& expected) {
  return (Bytes() << read_labels(path, expected.config.models, expected.n_spots)).text();
}

std::string bytes_of_consensus(const std::string& path, const Expected& expected) {
  const ConsensusFile file =
      read_consensus(path, expected.n_spots, expected.config.autoencoder.n_latent);
  Bytes bytes;
  bytes << file.consensus.domain << file.consensus.n_domains
        << static_cast<double>(file.consensus.n_tuples) << file.consensus.joined_share
        << file.consensus.joined_shift << file.consensus.leaf << file.consensus.linkage
        << file.embedding.scores << file.embedding.explained_share << file.agreement;
  return bytes.text();
}

std::string bytes_of_classifier(const std::string& path, const Expected& expected) {
  const Classifier classifier =
      read_classifier(path, classifier_widths(expected.config.autoencoder.n_latent,
                                              expected.config.classifier, expected.config.domains));
  Bytes bytes;
  bytes << classifier.widths << classifier.parameters << classifier.loss
        << classifier.held_out_accuracy << classifier.training_accuracy << classifier.confusion;
  return bytes.text();
}

std::string bytes_of_tile(const std::string& path, const Expected& expected) {
  const TileSaliency tile = read_tile_saliency(
      path, {expected.n_spots, expected.n_genes, expected.config.models, expected.config.domains},
      /*with_saliency=*/true);
  Bytes bytes;
  bytes << tile.spots << tile.domains << tile.squares << tile.model_squares << tile.saliency;
  return bytes.text();
}

/// A kind of stage file, how it is read, and the stage that reads it.
struct Kind {
  std::string file;
  std::function<std::string(const std::string&, const Expected&)> read;
  std::string next_stage;
};
const Kind kinds[] = {{"prepared.h5", bytes_of_prepared, "train"},
                      {"models/model_001.h5", bytes_of_model, "cluster"},
                      {"clusters.h5", bytes_of_labels, "consensus"},
                      {"consensus.h5", bytes_of_consensus, "classify"},
                      {"classifiers/classifier_001.h5", bytes_of_classifier, "saliency"},
                      {"saliency/tile_0000.h5", bytes_of_tile, "svgs"}};

TEST_F(Pipeline, StageFilesWithAFlippedBitAreRefusedOrReadAsTheyWere) {
  ASSERT_EQ(run("run", {"saliency.write=true"}).exit_code, 0);
  const Expected expected(scratch_ / "run");
  std::mt19937_64 random(18);
  for (const Kind& kind : kinds) {
    const fs::path path = scratch_ / "run" / kind.file;
    const std::string whole = kind.read(path, expected);
    int n_refused = 0;
    for (int k = 0; k < 60; ++k) {
      const auto offset = static_cast<std::int64_t>(random() % fs::file_size(path));
      flip_bit(path, offset);
      try {
        EXPECT_TRUE(kind.read(path, expected) == whole)
            << kind.file << " with byte " << offset << " changed";
      } catch (const InputError& error) {
        ++n_refused;
        EXPECT_THAT(error.what(), HasSubstr(path.string() + " is damaged ("));
        EXPECT_THAT(error.what(), HasSubstr("; delete it and run its stage again with --resume"));
      }
      flip_bit(path, offset);
    }
    EXPECT_GT(n_refused, 50) << kind.file;
    EXPECT_TRUE(kind.read(path, expected) == whole);
  }
}

TEST_F(Pipeline, EachStageNamesTheDamagedFileThatItReads) {
  ASSERT_EQ(run("run", {}, 0, "prepare").exit_code, 0);
  for (const Kind& kind : kinds) {
    SCOPED_TRACE(kind.file);
    const fs::path path = scratch_ / "run" / kind.file;
    const auto middle = static_cast<std::int64_t>(fs::file_size(path) / 2);

    flip_bit(path, middle);
    const Outcome refused = run("run", {}, 0, kind.next_stage);
    flip_bit(path, middle);
    const Outcome repaired = run("run", {}, 0, kind.next_stage, {"--resume"});

    EXPECT_EQ(refused.exit_code, 2);
    EXPECT_EQ(refused.n_error_lines(), 1) << refused.error;
    EXPECT_THAT(refused.error, HasSubstr("run/" + kind.file));
    ASSERT_EQ(repaired.exit_code, 0) << repaired.error;
  }
}

}  // namespace
}  // namespace stamarker::test
