#include "app/config/legacy_keys.hpp"

#include <algorithm>

namespace stamarker {
namespace {

const std::vector<LegacyKey>& legacy_keys() {
  static const std::vector<LegacyKey> keys{
      {"stagate.name", "", ""},
      {"stagate.params.in_features", "", ""},
      {"stagate.params.architecture", "", ""},
      {"stagate.params.hidden_dims", "autoencoder.hidden_dims", ""},
      {"stagate.params.gradient_clipping", "autoencoder.clip_norm", ""},
      {"stagate.optimizer.name", "", "ADAM"},
      {"stagate.optimizer.params.lr", "autoencoder.learning_rate", ""},
      {"stagate.optimizer.params.weight_decay", "autoencoder.weight_decay", ""},
      {"stagate.scheduler.name", "", "STEP_LR"},
      {"stagate.scheduler.params.step_size", "autoencoder.step_size", ""},
      {"stagate.scheduler.params.gamma", "autoencoder.gamma", ""},
      {"stagate_trainer.max_epochs", "autoencoder.epochs", ""},
      {"stagate_trainer.gradient_clip_val", "autoencoder.clip_norm", ""},
      {"clustering.r_seed", "", ""},
      {"clustering.n_clusters", "clustering.n_components", ""},
      {"clustering.model_name", "", "EEE"},
      {"mlp.balanced", "classifier.balanced", ""},
      {"mlp.test_prop", "classifier.test_prop", ""},
      {"mlp.target_class", "", ""},
      {"mlp.name", "", ""},
      {"mlp.hidden_dims", "classifier.hidden_dims", ""},
      {"mlp.params.hidden_dims", "classifier.hidden_dims", ""},
      {"mlp.params.architecture", "", ""},
      {"mlp.optimizer.name", "", "ADAM"},
      {"mlp.optimizer.params.lr", "classifier.learning_rate", ""},
      {"mlp.optimizer.params.weight_decay", "classifier.weight_decay", ""},
      {"mlp.scheduler.name", "", "STEP_LR"},
      {"mlp.scheduler.params.step_size", "classifier.step_size", ""},
      {"mlp.scheduler.params.gamma", "classifier.gamma", ""},
      {"classifier_trainer.max_epochs", "classifier.epochs", ""},
      {"root_dir", "", ""},
      {"early_stopping", "", ""},
  };
  return keys;
}

}  // namespace

const LegacyKey* find_legacy_key(const std::string& key) {
  const auto& keys = legacy_keys();
  const auto found = std::find_if(keys.begin(), keys.end(),
                                  [&](const LegacyKey& legacy) { return legacy.key == key; });
  if (found != keys.end()) return &*found;
  static const LegacyKey of_lightning{};
  const bool is_trainer =
      key.starts_with("stagate_trainer.") || key.starts_with("classifier_trainer.");
  return is_trainer ? &of_lightning : nullptr;
}

}  // namespace stamarker
