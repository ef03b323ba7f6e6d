#pragma once
#include <yaml-cpp/yaml.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "app/config/config.hpp"

namespace stamarker {

/// One key of the configuration. The list of all of them is the only one there is: reading,
/// writing, the check for unknown keys, fingerprints and the printed template walk over it.
struct Field {
  std::string key;             // dotted
  std::optional<Stage> stage;  // the first whose result it changes; nothing: it changes none
  std::string meaning;         // with unit and special values
  /// Sets the option. Returns what was expected when the value will not do, else an empty string.
  std::function<std::string(Config&, const YAML::Node&)> read;
  std::function<std::string(const Config&)> write;  // as YAML
  bool is_text = false;                             // any bytes; `--set` takes them as they stand
};

/// In the order of the printed configuration.
const std::vector<Field>& config_fields();

/// Nothing when there is no such key.
const Field* find_field(const std::string& key);

/// The known key that was meant, for "did you mean": its last part is some edits away, at most a
/// third of the length of the unknown one's, or has the same words (ntop: n_top_genes). Empty:
/// none.
std::string nearest_key(const std::string& unknown);

}  // namespace stamarker
