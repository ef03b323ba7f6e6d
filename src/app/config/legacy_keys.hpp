#pragma once
#include <string>
#include <vector>

namespace stamarker {

/// A key of the public code's model.yaml or trainer.yaml (zhanglabtools/STAMarker,
/// tutorial/_params), and what becomes of it.
struct LegacyKey {
  std::string key;
  std::string now;      // the key it stands for; empty: it has no meaning here
  std::string allowed;  // when not empty, the one value we can follow; another is an error
};

/// Nothing when it is not one. Keys below *_trainer that PyTorch Lightning may know but we do not
/// list are without meaning as well.
const LegacyKey* find_legacy_key(const std::string& key);

}  // namespace stamarker
