#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "app/config/options.hpp"
#include "app/run/stage.hpp"
#include "base/error.hpp"
#include "cluster/clustering.hpp"
#include "cluster/consensus.hpp"
#include "data/preprocess.hpp"
#include "io/read_input.hpp"
#include "model/options.hpp"

namespace stamarker {

/// One run. The keys of the YAML file are the members' names (config_fields.cpp has the list).
struct Config {
  InputOptions input;
  std::string output;      // run directory
  std::uint32_t seed = 0;  // of every random number
  int models = 20;         // auto-encoders in the ensemble, M
  int domains = 0;         // to find, C; has no default
  Profile profile = Profile::tuned;
  PrepareOptions prepare;
  AutoencoderOptions autoencoder;
  ClusteringOptions clustering;
  ConsensusOptions consensus;
  ClassifierOptions classifier;
  SaliencyOptions saliency;
  SvgOptions svgs;
  ComputeOptions compute;

  /// Ranges and rules between keys, of all stages. Throws InputError naming the key.
  void validate() const;
};

/// Sets every option that tells the profiles apart.
void apply_profile(Config& config, Profile profile);

/// A configuration, and what was in the files that has no meaning here.
struct LoadedConfig {
  Config config;
  std::vector<std::string> warnings;
};

/// The files' keys taken together, then `settings` ("key=value", dotted), over the profile, over
/// the defaults. Keys of the public code's model.yaml and trainer.yaml are understood
/// (legacy_keys.hpp). Throws InputError naming file, line and key: not YAML, unknown key (with the
/// nearest known one), wrong type, a key given twice. Does not call validate().
LoadedConfig load_config(const std::vector<std::string>& files,
                         const std::vector<std::string>& settings);
/// The same from a text; `name` stands for the file in messages.
LoadedConfig parse_config(const std::string& text, const std::string& name,
                          const std::vector<std::string>& settings = {});

/// All keys; parse_config reads it back to an equal Config.
std::string to_yaml(const Config& config);
/// The keys that a result depends on, and where it comes from: the same text for all ways of
/// computing it (ranks, threads, device, run directory).
std::string to_yaml_of_result(const Config& config);
/// All keys, each with its meaning and unit as a comment: what `stamarker config` prints.
std::string to_commented_yaml(const Config& config);

/// key and value of every option that changes the result of `stage`, in a fixed order.
std::vector<std::pair<std::string, std::string>> options_of(const Config& config, Stage stage);

/// The first option, in the order of the stages, that changes results and differs. Empty: none.
struct Difference {
  std::string key, ours, theirs;
};
Difference first_difference(const Config& ours, const Config& theirs);

}  // namespace stamarker
