#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <sstream>

#include "app/config/config.hpp"
#include "app/config/config_fields.hpp"
#include "base/text.hpp"
#include "support/message_of.hpp"

namespace stamarker {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string error_of(const std::string& text, const std::vector<std::string>& settings = {}) {
  return test::message_of([&] { parse_config(text, "run.yaml", settings); });
}

const std::string minimal = "input: {path: a.h5ad}\noutput: run\ndomains: 7\n";

TEST(Config, AbsentKeysHaveTheDefaultsOfTheOptions) {
  const Config config = parse_config(minimal, "run.yaml").config;

  EXPECT_EQ(config.input.path, "a.h5ad");
  EXPECT_EQ(config.domains, 7);
  EXPECT_EQ(config.models, 20);
  EXPECT_EQ(config.autoencoder.n_hidden, 512);
  EXPECT_EQ(config.prepare.n_top_genes, PrepareOptions().n_top_genes);
  EXPECT_FALSE(config.prepare.rad_cutoff);
  EXPECT_NO_THROW(config.validate());
}

TEST(Config, ValuesOfEveryTypeAreRead) {
  const Config config = parse_config(R"(
input: {path: "with space/a.h5ad", layer: counts, batch_key: section}
output: out
seed: 4294967295
domains: 5
prepare: {rad_cutoff: 150.5, k_cutoff: 6, target_sum: 1e4}
autoencoder:
  hidden_dims: [256, 16]
  learning_rate: 5e-4
  attention: leaky_relu
  neighbors_per_step: 1
  tied_update: split
clustering: {method: leiden, n_components: 9}
classifier: {hidden_dims: [], balanced: no, activation: none}
svgs: {transform: log_score}
compute: {device: cpu, threads: 3, tiles: 4, tile_groups: 2, embeddings: all}
)",
                                     "run.yaml")
                            .config;

  EXPECT_EQ(config.input.path, "with space/a.h5ad");
  EXPECT_EQ(config.input.batch_key, "section");
  EXPECT_EQ(config.seed, 4294967295u);
  EXPECT_EQ(config.prepare.rad_cutoff, 150.5);
  EXPECT_EQ(config.prepare.k_cutoff, 6);
  EXPECT_EQ(config.autoencoder.n_hidden, 256);
  EXPECT_EQ(config.autoencoder.n_latent, 16);
  EXPECT_EQ(config.autoencoder.learning_rate, 5e-4f);
  EXPECT_EQ(config.autoencoder.attention, Attention::leaky_relu);
  EXPECT_EQ(config.autoencoder.neighbors_per_step, Neighbors::one);
  EXPECT_EQ(config.autoencoder.tied_update, TiedUpdate::split);
  EXPECT_EQ(config.clustering.method, ClusterMethod::leiden);
  EXPECT_EQ(config.clustering.n_components, 9);
  EXPECT_TRUE(config.classifier.hidden_dims.empty());
  EXPECT_FALSE(config.classifier.balanced);
  EXPECT_EQ(config.svgs.transform, SvgTransform::log_score);
  EXPECT_EQ(config.compute.device, Device::cpu);
  EXPECT_EQ(config.compute.threads, 3);
  EXPECT_EQ(config.compute.embeddings, EmbeddingOutput::all);
}

TEST(Config, SettingsReplaceKeysOfTheFileAndAreTyped) {
  const Config config = parse_config(minimal, "run.yaml",
                                     {"domains=4", "autoencoder.hidden_dims=[64, 8]",
                                      "prepare.rad_cutoff=auto", "autoencoder.epochs=3"})
                            .config;

  EXPECT_EQ(config.domains, 4);
  EXPECT_EQ(config.autoencoder.n_latent, 8);
  EXPECT_EQ(config.autoencoder.epochs, 3);
  EXPECT_THAT(error_of(minimal, {"models=many"}), HasSubstr("--set: models = many (expected a"));
  EXPECT_THAT(error_of(minimal, {"models"}), HasSubstr("--set models (expected key=value"));
}

TEST(Config, TextOfASettingIsEverythingBehindTheFirstEqualsSign) {
  const auto output = [](const std::string& value) {
    return parse_config(minimal, "run.yaml", {"output=" + value}).config.output;
  };

  for (const char* value : {"runs/section #1",
                            " a ",
                            "a: b",
                            "a=b",
                            "'a'",
                            "\"a\"",
                            "[a",
                            "!x",
                            "*a",
                            "&a",
                            "~",
                            "%a",
                            "- a",
                            "a\nb",
                            "---\n...",
                            "\xc3\xa9",
                            "o_\xe9",
                            "\xff\xfe",
                            "\\xe9",
                            "7",
                            "\t{"})
    EXPECT_EQ(output(value), value);
  const Config config =
      parse_config(minimal, "run.yaml", {"input.batch_key=Sample #2", "input.layer=a: #b"}).config;
  EXPECT_EQ(config.input.batch_key, "Sample #2");
  EXPECT_EQ(config.input.layer, "a: #b");
}

TEST(Config, TextReadsBackFromTheResolvedYamlByteForByte) {
  for (const std::string value :
       {"o_\xe9", "\xff\xfe#", "\xed\xa0\x80", "\xc3\xa9 #1", "a\x1b\n"}) {
    const Config config = parse_config(minimal, "run.yaml", {"output=" + value}).config;
    const std::string yaml = to_yaml(config);

    EXPECT_EQ(parse_config(yaml, "config.resolved.yaml").config.output, value);
    EXPECT_EQ(parse_config(to_commented_yaml(config), "template.yaml").config.output, value);
    std::istringstream lines(yaml);
    for (std::string line; std::getline(lines, line);) EXPECT_EQ(readable(line), line);
  }
  EXPECT_THAT(to_yaml(parse_config(minimal, "", {"output=runs/o_\xe9"}).config),
              HasSubstr("output: !!binary \"cnVucy9vX+k=\"  # runs/o_\\xe9\n"));
  EXPECT_THAT(error_of("output: !!binary \"*\"\n"), HasSubstr("expected a text in base64"));
}

TEST(Config, FileOfOneDocumentWithoutAnchorsIsAccepted) {
  EXPECT_EQ(error_of("---\n" + minimal + "...\n"), "no InputError");
  EXPECT_EQ(error_of("# only a comment\n"), "no InputError");
  EXPECT_EQ(error_of(minimal + "---\nmodels: 3\n"),
            "run.yaml:4: a second YAML document begins here; a configuration is one document");
  EXPECT_EQ(error_of("seed: &a 3\nmodels: *a\n"),
            "run.yaml:1: anchors (&) and aliases (*) are not accepted; write the value out");
  EXPECT_THAT(error_of("prepare: &a {min_cells: 3}\n"), StartsWith("run.yaml:1: anchors (&)"));
  EXPECT_THAT(error_of("classifier:\n  hidden_dims: &a [3]\n"), StartsWith("run.yaml:2: anchors"));
  EXPECT_THAT(
      error_of("classifier: {hidden_dims: " + std::string(20, '[') + std::string(20, ']') + "}"),
      StartsWith("run.yaml:1: nested deeper than 16 levels"));
  EXPECT_THAT(error_of(minimal, {"models=&a 3"}), StartsWith("--set models=&a 3 (the value is"));
  EXPECT_THAT(error_of(minimal, {"models=3\n---\n4"}), HasSubstr("a second YAML document"));
}

TEST(Config, FileOfAMegabyteIsAcceptedAndALargerOneRefused) {
  const std::string path = ::testing::TempDir() + "stamarker_large.yaml";
  const auto write = [&](std::size_t size) {
    std::ofstream(path) << minimal << '#' << std::string(size - minimal.size() - 1, 'x');
  };
  write(1 << 20);
  EXPECT_EQ(load_config({path}, {}).config.domains, 7);
  write((1 << 20) + 1);

  EXPECT_THAT(test::message_of([&] { load_config({path}, {}); }),
              HasSubstr("stamarker_large.yaml is larger than 1 MB"));
  std::remove(path.c_str());
}

TEST(Config, ProfileSetsItsOptionsAndExplicitKeysWin) {
  const Config full = parse_config(minimal + "profile: full", "run.yaml").config;
  const Config reference =
      parse_config(minimal + "autoencoder: {attention: sigmoid}\nprofile: reference", "run.yaml")
          .config;
  const Config by_setting =
      parse_config(minimal + "profile: full", "run.yaml", {"profile=reference"}).config;

  const Config by_default = parse_config(minimal, "run.yaml").config;
  const Config tuned =  // the row of docs/accuracy.md that the default stands for
      parse_config(minimal + "profile: full", "run.yaml",
                   {"autoencoder.attention=leaky_relu", "autoencoder.tied_update=split",
                    "autoencoder.learning_rate=1e-4", "profile=tuned"})
          .config;

  EXPECT_EQ(to_yaml(by_default), to_yaml(tuned));
  EXPECT_EQ(by_default.autoencoder.neighbors_per_step, Neighbors::all);
  EXPECT_EQ(by_default.classifier.loss, ClassifierLoss::cross_entropy);
  EXPECT_EQ(full.autoencoder.tied_update, TiedUpdate::joint);
  EXPECT_EQ(full.autoencoder.learning_rate, 1e-3f);
  EXPECT_EQ(full.classifier.loss, ClassifierLoss::cross_entropy);
  EXPECT_EQ(reference.autoencoder.neighbors_per_step, Neighbors::one);
  EXPECT_EQ(reference.autoencoder.tied_update, TiedUpdate::split);
  EXPECT_EQ(reference.autoencoder.learning_rate, 1e-4f);
  EXPECT_EQ(reference.classifier.activation, Activation::none);
  EXPECT_EQ(reference.classifier.loss, ClassifierLoss::batch_softmax);
  EXPECT_EQ(reference.autoencoder.attention, Attention::sigmoid);  // the key, not the profile
  EXPECT_EQ(by_setting.autoencoder.attention, Attention::leaky_relu);
}

/// Every key given another value than the default, so that a key that is not written, or written
/// under another's name, is found.
TEST(Config, ResolvedYamlReadsBackToTheSameValues) {
  const Config config =
      parse_config(minimal, "run.yaml",
                   {"input.path=yes: [no]", "input.batch_key=slide", "seed=17", "profile=reference",
                    "prepare.rad_cutoff=1e-7", "prepare.target_sum=1e22",
                    "autoencoder.learning_rate=0.1", "autoencoder.gamma=0.3333333",
                    "classifier.hidden_dims=[20, 10]", "classifier.test_prop=0.12345678901234567",
                    "compute.device=cuda", "saliency.write=true"})
          .config;

  const Config again = parse_config(to_yaml(config), "config.resolved.yaml").config;

  for (const Field& field : config_fields())
    EXPECT_EQ(field.write(again), field.write(config)) << field.key;
  EXPECT_EQ(again.autoencoder.gamma, config.autoencoder.gamma);
  EXPECT_EQ(again.prepare.rad_cutoff, config.prepare.rad_cutoff);
  EXPECT_EQ(again.classifier.test_prop, config.classifier.test_prop);
  EXPECT_EQ(again.input.path, "yes: [no]");
  EXPECT_THAT(to_yaml(config), HasSubstr("rad_cutoff: 1.0e-07"));  // a number to YAML 1.1 as well
}

TEST(Config, CommentedTemplateIsAConfiguration) {
  const Config defaults = parse_config("", "").config;
  const Config config = parse_config(to_commented_yaml(defaults), "template.yaml").config;

  EXPECT_EQ(to_yaml(config), to_yaml(defaults));
}

/// configs/tuned.yaml, full.yaml and reference.yaml write out what the profiles stand for.
TEST(Config, FilesOfTheProfilesHoldTheProfilesValues) {
  for (const std::string profile : {"tuned", "full", "reference"}) {
    const Config written = load_config({STM_CONFIGS "/" + profile + ".yaml"}, {}).config;
    Config expected = parse_config("profile: " + profile, "").config;
    expected.input.path = written.input.path;
    expected.output = written.output;
    expected.domains = written.domains;

    EXPECT_EQ(to_yaml(written), to_yaml(expected));
  }
}

TEST(Config, EveryKeyIsListedOnce) {
  std::vector<std::string> keys;
  for (const Field& field : config_fields()) keys.push_back(field.key);
  std::ranges::sort(keys);

  EXPECT_EQ(std::ranges::adjacent_find(keys), keys.end());
}

TEST(Config, UnknownKeyNamesFileLineAndNearestKey) {
  EXPECT_THAT(error_of(minimal + "autoencoder:\n  epoch: 5\n"),
              StartsWith("run.yaml:5: unknown key autoencoder.epoch (did you mean "
                         "autoencoder.epochs?"));
  EXPECT_THAT(error_of(minimal + "epochs: 5\n"), HasSubstr("did you mean autoencoder.epochs?"));
  EXPECT_THAT(error_of(minimal + "domain: 5\n"), HasSubstr("did you mean domains?"));
}

TEST(Config, SuggestionIsWithinAThirdOfTheWordOrHasItsWords) {
  for (const auto& [unknown, meant] : std::vector<std::pair<std::string, std::string>>{
           {"prepare.ntop", "prepare.n_top_genes"},
           {"prepare.top_genes", "prepare.n_top_genes"},
           {"prepare.nTopGenes", "prepare.n_top_genes"},
           {"prepare_min_cells", "prepare.min_cells"},
           {"prepare.cutoff", "prepare.k_cutoff"},
           {"classifier.epoch", "classifier.epochs"},
           {"classifier.ephocs", "classifier.epochs"},
           {"clustering.epochs", "autoencoder.epochs"},
           {"autoencoder.hidden", "autoencoder.hidden_dims"},
           {"outptu", "output"},
           {"input.pth", "input.path"},
           {"autoencoder.xyz", ""},
           {"prepare.nto", ""},
           {"prepare", ""},
           {"lr", ""},
           {"", ""},
           {"a.", ""}})
    EXPECT_EQ(nearest_key(unknown), meant) << unknown;
  EXPECT_THAT(error_of("colour: 5\n"),
              StartsWith("run.yaml:1: unknown key colour (`stamarker config` lists all)"));
}

TEST(Config, WrongTypeNamesFileLineKeyValueAndWhatIsExpected) {
  EXPECT_THAT(error_of("models: twenty"),
              StartsWith("run.yaml:1: models = twenty (expected a whole number)"));
  EXPECT_THAT(error_of("models: 2.5"), HasSubstr("expected a whole number"));
  EXPECT_THAT(error_of("models: [1, 2]"), HasSubstr("models = [1, 2] (expected a whole number)"));
  EXPECT_THAT(error_of("models: 99999999999"), HasSubstr("expected a whole number"));
  EXPECT_THAT(error_of("models:"), HasSubstr("models = (nothing) (expected a whole number)"));
  EXPECT_THAT(error_of("seed: -1"), HasSubstr("expected a whole number, 0 .. 4294967295"));
  EXPECT_THAT(error_of("prepare: 5"), HasSubstr("unknown key prepare"));
  EXPECT_THAT(error_of("profile: best"), HasSubstr("expected one of tuned, full, reference"));
  EXPECT_THAT(error_of("autoencoder: {hidden_dims: [512]}"), HasSubstr("two whole numbers"));
  EXPECT_THAT(error_of("autoencoder: {learning_rate: .nan}"), HasSubstr("expected a number"));
  EXPECT_THAT(error_of("prepare: {rad_cutoff: far}"), HasSubstr("expected a number or auto"));
  EXPECT_THAT(error_of("classifier: {balanced: 2}"), HasSubstr("expected true or false"));
  EXPECT_THAT(error_of("models: {a: 1}"), HasSubstr("models"));
}

TEST(Config, WhatIsNotAConfigurationIsRefused) {
  EXPECT_THAT(error_of("a: [1, 2"), HasSubstr("not valid YAML"));
  EXPECT_THAT(error_of("- 1\n- 2\n"), HasSubstr("expected `key: value` lines"));
  EXPECT_THAT(error_of("models: 3\ndomains: 2\nmodels: 4\n"),
              StartsWith("run.yaml:3: models is given twice (first at run.yaml:1)"));
  EXPECT_THROW(load_config({"no_such_file.yaml"}, {}), InputError);
  EXPECT_EQ(error_of(""), "no InputError");
  EXPECT_EQ(error_of("prepare:\n"), "no InputError");
}

TEST(Config, ValidateNamesTheKey) {
  const auto message = [](const std::vector<std::string>& settings) {
    return test::message_of([&] { parse_config(minimal, "run.yaml", settings).config.validate(); });
  };

  EXPECT_THAT(message({"models=0"}), StartsWith("models = 0 ("));
  EXPECT_THAT(message({"domains=1"}), StartsWith("domains = 1 ("));
  EXPECT_THAT(message({"domains=0"}), StartsWith("domains is missing"));
  EXPECT_THAT(message({"output="}), StartsWith("output is missing"));
  EXPECT_THAT(message({"compute.tiles=3", "compute.tile_groups=2"}),
              HasSubstr("multiple of compute.tile_groups = 2"));
  EXPECT_THAT(message({"compute.models_in_flight=-1"}), HasSubstr("must be 1 or more, or auto"));
  EXPECT_THAT(
      message({"compute.models_in_flight=2", "compute.tile_groups=2"}),
      StartsWith("compute.models_in_flight = 2 (must be 1 or auto where ranks share tiles"));
  EXPECT_EQ(message({"compute.models_in_flight=1", "compute.tile_groups=2"}), "no InputError");
  EXPECT_THAT(message({"compute.checkpoint_minutes=-1"}), HasSubstr("must be 0 or more"));
  EXPECT_THAT(message({"autoencoder.epochs=-1"}), HasSubstr("autoencoder.epochs = -1"));
  EXPECT_THAT(message({"prepare.n_top_genes=0"}), HasSubstr("prepare.n_top_genes = 0"));
}

/// The text of the public code's two files, one behind the other.
TEST(Config, PublicCodesKeysAreUnderstoodAndMeaninglessOnesWarnedOf) {
  const LoadedConfig loaded = parse_config(minimal + R"(
root_dir: exper
early_stopping: False
stagate:
  name: intSTAGATE
  params: {in_features: 3000, architecture: MLP, hidden_dims: [256, 20], gradient_clipping: 4.0}
  optimizer: {name: ADAM, params: {lr: 0.0002, weight_decay: 0.0003}}
  scheduler: {name: STEP_LR, params: {step_size: 900, gamma: 0.8}}
clustering: {r_seed: 2020, n_clusters: 6, model_name: EEE}
mlp:
  balanced: False
  test_prop: 0.2
  target_class: 3
  optimizer: {name: ADAM, params: {lr: 0.002, weight_decay: 0.0004}}
  scheduler: {name: STEP_LR, params: {step_size: 200, gamma: 0.6}}
stagate_trainer: {max_epochs: 30, min_epochs: 30, gpus: 1, precision: 32}
classifier_trainer: {max_epochs: 40, gpus: 1, track_grad_norm: -1}
)",
                                           "model.yaml");

  const Config& c = loaded.config;
  EXPECT_EQ(c.autoencoder.n_hidden, 256);
  EXPECT_EQ(c.autoencoder.n_latent, 20);
  EXPECT_EQ(c.autoencoder.clip_norm, 4.0f);
  EXPECT_EQ(c.autoencoder.learning_rate, 2e-4f);
  EXPECT_EQ(c.autoencoder.weight_decay, 3e-4f);
  EXPECT_EQ(c.autoencoder.step_size, 900);
  EXPECT_EQ(c.autoencoder.gamma, 0.8f);
  EXPECT_EQ(c.autoencoder.epochs, 30);
  EXPECT_EQ(c.clustering.n_components, 6);
  EXPECT_FALSE(c.classifier.balanced);
  EXPECT_EQ(c.classifier.test_prop, 0.2);
  EXPECT_EQ(c.classifier.learning_rate, 2e-3f);
  EXPECT_EQ(c.classifier.weight_decay, 4e-4f);
  EXPECT_EQ(c.classifier.step_size, 200);
  EXPECT_EQ(c.classifier.gamma, 0.6f);
  EXPECT_EQ(c.classifier.epochs, 40);
  const std::string warnings = ::testing::PrintToString(loaded.warnings);
  for (const char* ignored :
       {"root_dir", "early_stopping", "stagate.name", "clustering.r_seed", "mlp.target_class",
        "stagate_trainer.gpus", "stagate_trainer.precision", "classifier_trainer.track_grad_norm"})
    EXPECT_THAT(warnings, HasSubstr(std::string(ignored) + " has no meaning here"));
  EXPECT_THAT(error_of("clustering: {model_name: VVV}"), HasSubstr("only EEE exists here"));
  EXPECT_THAT(error_of("stagate: {params: {hiden_dims: [5, 3]}}"), HasSubstr("unknown key"));
}

TEST(Config, DifferenceIsFoundInTheOrderOfStagesAndIgnoresWhatChangesNoResult) {
  const Config ours = parse_config(minimal, "run.yaml").config;
  const auto theirs = [](const std::vector<std::string>& settings) {
    return parse_config(minimal, "run.yaml", settings).config;
  };

  EXPECT_EQ(first_difference(ours, theirs({"compute.threads=7", "output=other"})).key, "");
  EXPECT_EQ(first_difference(ours, theirs({"profile=tuned"})).key, "");
  EXPECT_EQ(first_difference(ours, theirs({"svgs.alpha=2", "autoencoder.epochs=3"})).key,
            "autoencoder.epochs");
}

}  // namespace
}  // namespace stamarker
