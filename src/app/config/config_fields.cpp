#include "app/config/config_fields.hpp"

#include <algorithm>
#include <cctype>
#include <limits>
#include <numeric>
#include <string_view>

#include "app/config/config_value.hpp"

namespace stamarker {
namespace {

constexpr std::nullopt_t no_stage = std::nullopt;

/// Leads from a configuration, const or not, to one of its options.
template <class T>
auto member(T Config::*option) {
  return [=](auto& c) -> auto& { return c.*option; };
}
template <class Section, class T>
auto member(Section Config::*section, T Section::*option) {
  return [=](auto& c) -> auto& { return (c.*section).*option; };
}

/// Whether the option that `Access` leads to is a text.
template <class Access>
constexpr bool leads_to_text =
    std::is_same_v<std::remove_reference_t<std::invoke_result_t<Access, Config&>>, std::string>;

/// A key whose value stands alone.
template <class Access>
Field field(std::string key, std::optional<Stage> stage, std::string meaning, Access access) {
  return {std::move(key),
          stage,
          std::move(meaning),
          [=](Config& c, const YAML::Node& node) { return yaml::read(node, access(c)); },
          [=](const Config& c) { return yaml::write(access(c)); },
          leads_to_text<Access>};
}

/// The same where one word stands for a special value.
template <class T, class Access>
Field field(std::string key, std::optional<Stage> stage, std::string meaning,
            yaml::OrWord<T> special, Access access) {
  return {std::move(key),
          stage,
          std::move(meaning),
          [=](Config& c, const YAML::Node& node) { return yaml::read(node, access(c), special); },
          [=](const Config& c) { return yaml::write(access(c), special); },
          leads_to_text<Access>};
}

/// The same where one word stands for "no value".
template <class Access>
Field optional_field(std::string key, std::optional<Stage> stage, std::string meaning,
                     const char* word, Access access) {
  return {std::move(key), stage, std::move(meaning),
          [=](Config& c, const YAML::Node& node) -> std::string {
            auto& option = access(c);
            if (node.IsScalar() && node.Scalar() == word) {
              option.reset();
              return {};
            }
            typename std::remove_reference_t<decltype(option)>::value_type value{};
            const std::string expected = yaml::read(node, value);
            if (!expected.empty()) return expected + " or " + word;
            option = value;
            return {};
          },
          [=](const Config& c) {
            const auto& option = access(c);
            return option ? yaml::write(*option) : std::string(word);
          }};
}

/// autoencoder.hidden_dims: [H, L] as the public code writes it.
Field hidden_dims_field() {
  return {"autoencoder.hidden_dims", Stage::train,
          "widths of the attention layer (H) and of the embedding (L)",
          [](Config& c, const YAML::Node& node) -> std::string {
            std::vector<int> widths;
            if (!yaml::read(node, widths).empty() || widths.size() != 2)
              return "two whole numbers such as [512, 30]";
            c.autoencoder.n_hidden = widths[0];
            c.autoencoder.n_latent = widths[1];
            return {};
          },
          [](const Config& c) {
            return yaml::write(std::vector{c.autoencoder.n_hidden, c.autoencoder.n_latent});
          }};
}

std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] != b[j - 1] ? 1 : 0);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

std::string last_part(const std::string& key) { return key.substr(key.rfind('.') + 1); }

std::string section_of(const std::string& key) {
  const std::size_t dot = key.rfind('.');
  return dot == std::string::npos ? "" : key.substr(0, dot);
}

/// Without `_` and `.`, in lower case: N_topGenes as ntopgenes.
std::string squeezed(std::string_view text) {
  std::string letters;
  for (const char c : text)
    if (c != '_' && c != '.') letters += static_cast<char>(std::tolower(c));
  return letters;
}

/// Whether `word` is some words of `key` in a row, at least one of them of its last part: ntop and
/// top_genes are of prepare.n_top_genes. Single letters are not enough.
bool is_run_of_words(const std::string& word, const std::string& key) {
  constexpr std::size_t shortest = 3;
  const std::string wanted = squeezed(word);
  if (wanted.size() < shortest) return false;
  const auto is_start = [&](std::size_t i) {
    return i == 0 || key[i - 1] == '_' || key[i - 1] == '.';
  };
  const auto is_end = [&](std::size_t i) {
    return i == key.size() || key[i] == '_' || key[i] == '.';
  };
  for (std::size_t begin = 0; begin < key.size(); ++begin)
    for (std::size_t end = std::max(begin, section_of(key).size()) + 1; end <= key.size(); ++end)
      if (is_start(begin) && is_end(end) &&
          squeezed(std::string_view(key).substr(begin, end - begin)) == wanted)
        return true;
  return false;
}

}  // namespace

const std::vector<Field>& config_fields() {
  static const std::vector<Field> fields{
      field("input.path", no_stage,
            ".h5ad file, 10x .h5 beside spatial/, or a 10x / Matrix Market folder",
            member(&Config::input, &InputOptions::path)),
      field("input.layer", Stage::prepare, "raw counts of an .h5ad: X, raw, or a name in layers",
            member(&Config::input, &InputOptions::layer)),
      field("input.spatial_key", Stage::prepare,
            "coordinates of an .h5ad: a name in obsm, 2 or 3 columns",
            member(&Config::input, &InputOptions::spatial_key)),
      field("input.batch_key", Stage::prepare,
            "column of obs that names the section; none: one section",
            yaml::OrWord<std::string>{"none", ""},
            member(&Config::input, &InputOptions::batch_key)),
      field("output", no_stage, "run directory; made when it is missing", member(&Config::output)),
      field("seed", Stage::train, "of every random number, 0 .. 4294967295", member(&Config::seed)),
      field("models", Stage::cluster, "auto-encoders in the ensemble, M", member(&Config::models)),
      field("domains", Stage::cluster, "spatial domains to find, C; has no default",
            member(&Config::domains)),
      field("profile", no_stage,
            "tuned: what measured best; full: the method as described; reference: what the "
            "public code does",
            member(&Config::profile)),
      field("prepare.min_cells", Stage::prepare, "genes seen in fewer spots are dropped",
            member(&Config::prepare, &PrepareOptions::min_cells)),
      field("prepare.min_counts", Stage::prepare,
            "spots with fewer counts of the genes left are dropped",
            member(&Config::prepare, &PrepareOptions::min_counts)),
      field("prepare.n_top_genes", Stage::prepare, "highly variable genes to keep (seurat_v3)",
            member(&Config::prepare, &PrepareOptions::n_top_genes)),
      field("prepare.target_sum", Stage::prepare, "counts of a spot after normalisation",
            member(&Config::prepare, &PrepareOptions::target_sum)),
      optional_field(
          "prepare.rad_cutoff", Stage::prepare,
          "spots closer than this are neighbors, unit of the coordinates; auto: in each section "
          "about 6 neighbors",
          "auto", member(&Config::prepare, &PrepareOptions::rad_cutoff)),
      optional_field("prepare.k_cutoff", Stage::prepare,
                     "this many nearest neighbours in place of a radius; none: by radius", "none",
                     member(&Config::prepare, &PrepareOptions::k_cutoff)),
      field("prepare.max_neighbors", Stage::prepare, "nearest neighbours kept within the radius",
            member(&Config::prepare, &PrepareOptions::max_neighbors)),
      hidden_dims_field(),
      field("autoencoder.epochs", Stage::train, "full-batch steps",
            member(&Config::autoencoder, &AutoencoderOptions::epochs)),
      field("autoencoder.learning_rate", Stage::train, "of Adam; profile full 1e-3, else 1e-4",
            member(&Config::autoencoder, &AutoencoderOptions::learning_rate)),
      field("autoencoder.weight_decay", Stage::train, "L2, inside the gradient",
            member(&Config::autoencoder, &AutoencoderOptions::weight_decay)),
      field("autoencoder.clip_norm", Stage::train,
            "bound on the norm of all gradients together; 0: none",
            member(&Config::autoencoder, &AutoencoderOptions::clip_norm)),
      field("autoencoder.step_size", Stage::train, "epochs between two decays of the learning rate",
            member(&Config::autoencoder, &AutoencoderOptions::step_size)),
      field("autoencoder.gamma", Stage::train, "factor of a decay",
            member(&Config::autoencoder, &AutoencoderOptions::gamma)),
      field("autoencoder.attention", Stage::train,
            "inside the softmax: sigmoid | leaky_relu; profile full sigmoid, else leaky_relu",
            member(&Config::autoencoder, &AutoencoderOptions::attention)),
      field("autoencoder.neighbors_per_step", Stage::train,
            "spots attend to: all | 1 random neighbour a step; profile reference 1, else all",
            member(&Config::autoencoder, &AutoencoderOptions::neighbors_per_step)),
      field("autoencoder.tied_update", Stage::train,
            "of the shared weights: joint | split; profile full joint, else split",
            member(&Config::autoencoder, &AutoencoderOptions::tied_update)),
      field("clustering.method", Stage::cluster, "of each embedding: mclust | louvain | leiden",
            member(&Config::clustering, &ClusteringOptions::method)),
      field("clustering.n_components", Stage::cluster, "of mclust; domains: as many as domains",
            yaml::OrWord<int>{"domains", 0},
            member(&Config::clustering, &ClusteringOptions::n_components)),
      field("clustering.n_init", Stage::cluster, "starts, of which the best is kept",
            member(&Config::clustering, &ClusteringOptions::n_init)),
      field("clustering.resolution", Stage::cluster, "of louvain and leiden; larger: more clusters",
            member(&Config::clustering, &ClusteringOptions::resolution)),
      field("clustering.n_neighbors", Stage::cluster,
            "of louvain and leiden, the spot itself counted",
            member(&Config::clustering, &ClusteringOptions::n_neighbors)),
      field("consensus.max_tuples", Stage::consensus,
            "distinct label tuples linked exactly; rarer ones join the nearest",
            member(&Config::consensus, &ConsensusOptions::max_tuples)),
      field("consensus.refine", Stage::consensus,
            "nearest spots whose majority a spot follows; 0: off",
            member(&Config::consensus, &ConsensusOptions::refine)),
      field("classifier.hidden_dims", Stage::classify, "widths between embedding and domains",
            member(&Config::classifier, &ClassifierOptions::hidden_dims)),
      field("classifier.epochs", Stage::classify, "mini-batch steps over the training spots",
            member(&Config::classifier, &ClassifierOptions::epochs)),
      field("classifier.batch_size", Stage::classify, "spots, drawn with replacement",
            member(&Config::classifier, &ClassifierOptions::batch_size)),
      field("classifier.learning_rate", Stage::classify, "of Adam",
            member(&Config::classifier, &ClassifierOptions::learning_rate)),
      field("classifier.weight_decay", Stage::classify, "L2, inside the gradient",
            member(&Config::classifier, &ClassifierOptions::weight_decay)),
      field("classifier.step_size", Stage::classify,
            "epochs between two decays of the learning rate",
            member(&Config::classifier, &ClassifierOptions::step_size)),
      field("classifier.gamma", Stage::classify, "factor of a decay",
            member(&Config::classifier, &ClassifierOptions::gamma)),
      field("classifier.test_prop", Stage::classify, "share of spots held out for the accuracy",
            member(&Config::classifier, &ClassifierOptions::test_prop)),
      field("classifier.balanced", Stage::classify,
            "draw spots with probability inverse to the size of their domain",
            member(&Config::classifier, &ClassifierOptions::balanced)),
      field("classifier.activation", Stage::classify,
            "between layers: elu | none; profile reference none, else elu",
            member(&Config::classifier, &ClassifierOptions::activation)),
      field("classifier.loss", Stage::classify,
            "cross_entropy | batch_softmax; profile reference batch_softmax, else cross_entropy",
            member(&Config::classifier, &ClassifierOptions::loss)),
      field("saliency.write", Stage::saliency,
            "whether the result holds layers/saliency (spots x genes, dense)",
            member(&Config::saliency, &SaliencyOptions::write)),
      field("svgs.alpha", Stage::svgs, "a gene is selected above mean + alpha standard deviations",
            member(&Config::svgs, &SvgOptions::alpha)),
      field("svgs.transform", Stage::saliency, "before that: identity | log_score | log_saliency",
            member(&Config::svgs, &SvgOptions::transform)),
      field("compute.device", no_stage, "auto | cpu | cuda",
            member(&Config::compute, &ComputeOptions::device)),
      field("compute.precision", Stage::train, "of products on a GPU: fp32 | tf32",
            member(&Config::compute, &ComputeOptions::precision)),
      field("compute.threads", no_stage,
            "of a rank, at most 4 for each core of the machine or 64; auto: its share of the cores "
            "it may use",
            yaml::OrWord<int>{"auto", 0}, member(&Config::compute, &ComputeOptions::threads)),
      field("compute.tiles", Stage::train,
            "parts a section is trained in, one after another; auto: by its size",
            yaml::OrWord<int>{"auto", 0}, member(&Config::compute, &ComputeOptions::tiles)),
      field("compute.tile_groups", no_stage, "ranks that share the tiles of one section",
            member(&Config::compute, &ComputeOptions::tile_groups)),
      field(
          "compute.models_in_flight", no_stage,
          "trained side by side on a rank; auto: up to 8 on a GPU, 1 on a CPU and with tile_groups",
          yaml::OrWord<int>{"auto", 0},
          member(&Config::compute, &ComputeOptions::models_in_flight)),
      field("compute.checkpoint_minutes", no_stage,
            "between saves of models in training; 0: only when interrupted",
            member(&Config::compute, &ComputeOptions::checkpoint_minutes)),
      field("compute.embeddings", Stage::svgs,
            "whether the result holds the embeddings of single models: none | all",
            member(&Config::compute, &ComputeOptions::embeddings)),
  };
  return fields;
}

const Field* find_field(const std::string& key) {
  const auto& all = config_fields();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Field& f) { return f.key == key; });
  return found == all.end() ? nullptr : &*found;
}

std::string nearest_key(const std::string& unknown) {
  const std::string word = last_part(unknown);
  std::string nearest;
  auto fewest = std::numeric_limits<std::size_t>::max();
  for (const Field& field : config_fields()) {
    const bool is_in_section = section_of(unknown) == section_of(field.key);
    std::size_t edits = edit_distance(word, last_part(field.key));
    if (edits > word.size() / 3) {
      if (!is_run_of_words(word, field.key)) continue;
      edits = 1 + word.size() / 3;  // behind every typing error
    }
    const std::size_t rank = 2 * edits + (is_in_section ? 0 : 1);
    if (rank >= fewest) continue;
    fewest = rank;
    nearest = field.key;
  }
  return nearest;
}

}  // namespace stamarker
