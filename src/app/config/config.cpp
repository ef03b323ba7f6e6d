#include "app/config/config.hpp"

#include <fmt/core.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>

#include "app/config/config_fields.hpp"
#include "app/config/config_value.hpp"
#include "app/config/legacy_keys.hpp"
#include "app/config/yaml_document.hpp"

namespace stamarker {
namespace {

/// A value somebody gave, and where it stands, for messages.
struct Entry {
  std::string key;
  YAML::Node value;
  std::string where;  // "run.yaml:12" or "--set"
};

std::string shown(const YAML::Node& value) {
  YAML::Emitter out;
  out << YAML::Flow << value;
  std::string text = out.c_str();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text.empty() || value.IsNull() ? "(nothing)" : text;
}

/// True when some known key lies below `key`.
bool is_section(const std::string& key) {
  return std::ranges::any_of(config_fields(),
                             [&](const Field& f) { return f.key.starts_with(key + "."); });
}

/// Every leaf of a map, with dotted keys.
void flatten(const YAML::Node& map, const std::string& prefix, const std::string& name,
             std::vector<Entry>& entries) {
  for (const auto& pair : map) {
    const std::string where = fmt::format("{}:{}", name, pair.first.Mark().line + 1);
    if (!pair.first.IsScalar()) throw InputError(where + ": a key must be one word");
    const std::string key = prefix + pair.first.Scalar();
    if (pair.second.IsMap() && find_field(key) == nullptr)
      flatten(pair.second, key + ".", name, entries);
    else if (!(pair.second.IsNull() && is_section(key)))  // `prepare:` with nothing below it
      entries.push_back({key, pair.second, where});
  }
}

std::vector<Entry> entries_of(const std::string& text, const std::string& name) {
  std::vector<Entry> entries;
  try {
    const YAML::Node root = yaml::load(text);
    if (root.IsNull()) return entries;
    if (!root.IsMap())
      throw InputError(name + ": not a configuration (expected `key: value` lines)");
    flatten(root, "", name, entries);
  } catch (const yaml::Problem& problem) {
    throw InputError(fmt::format("{}:{}: {}", name, problem.line, problem.what()));
  }
  return entries;
}

/// A text is taken as it stands, byte for byte; any other value is read as YAML.
Entry entry_of_setting(const std::string& setting) {
  const std::size_t equals = setting.find('=');
  if (equals == std::string::npos || equals == 0)
    throw InputError(
        fmt::format("--set {} (expected key=value, such as autoencoder.epochs=500)", setting));
  const std::string key = setting.substr(0, equals), value = setting.substr(equals + 1);
  const Field* field = find_field(key);
  if (field != nullptr && field->is_text) return {key, YAML::Node(value), "--set"};
  try {
    return {key, yaml::load(value), "--set"};
  } catch (const yaml::Problem& problem) {
    throw InputError(fmt::format("--set {} (the value is {})", setting, problem.what()));
  }
}

/// The entry under today's key; nothing when it has no meaning here.
std::optional<Entry> modern(const Entry& entry, std::vector<std::string>& warnings) {
  if (find_field(entry.key) != nullptr) return entry;
  const LegacyKey* legacy = find_legacy_key(entry.key);
  if (legacy == nullptr) {
    const std::string meant = nearest_key(entry.key);
    throw InputError(fmt::format("{}: unknown key {} ({}`stamarker config` lists all)", entry.where,
                                 entry.key,
                                 meant.empty() ? "" : fmt::format("did you mean {}? ", meant)));
  }
  if (!legacy->now.empty()) return Entry{legacy->now, entry.value, entry.where};
  if (legacy->allowed.empty())
    warnings.push_back(
        fmt::format("{}: {} has no meaning here and is ignored", entry.where, entry.key));
  else if (!entry.value.IsScalar() || entry.value.Scalar() != legacy->allowed)
    throw InputError(fmt::format("{}: {} = {} (only {} exists here)", entry.where, entry.key,
                                 shown(entry.value), legacy->allowed));
  return {};
}

/// By today's key. The same key twice in the files is an error; a setting replaces it.
std::map<std::string, Entry> collect(const std::vector<Entry>& from_files,
                                     const std::vector<Entry>& settings,
                                     std::vector<std::string>& warnings) {
  std::map<std::string, Entry> given;
  for (const Entry& entry : from_files) {
    const std::optional<Entry> known = modern(entry, warnings);
    if (!known) continue;
    const auto [other, is_new] = given.emplace(known->key, *known);
    if (!is_new)
      throw InputError(fmt::format("{}: {} is given twice (first at {})", entry.where, known->key,
                                   other->second.where));
  }
  for (const Entry& entry : settings)
    if (const std::optional<Entry> known = modern(entry, warnings))
      given.insert_or_assign(known->key, *known);
  return given;
}

LoadedConfig build(const std::vector<Entry>& from_files, const std::vector<Entry>& settings) {
  LoadedConfig loaded;
  const auto given = collect(from_files, settings, loaded.warnings);
  const auto apply = [&](const Field& field) {
    const auto found = given.find(field.key);
    if (found == given.end()) return;
    const Entry& entry = found->second;
    const std::string expected = field.read(loaded.config, entry.value);
    if (!expected.empty())
      throw InputError(fmt::format("{}: {} = {} (expected {})", entry.where, field.key,
                                   shown(entry.value), expected));
  };
  apply(*find_field("profile"));
  apply_profile(loaded.config, loaded.config.profile);
  for (const Field& field : config_fields()) apply(field);
  return loaded;
}

/// A data file, such as HDF5, has other control characters than these within its first bytes.
bool is_text(const std::string& bytes) {
  return std::ranges::all_of(
      bytes, [](unsigned char c) { return c >= ' ' || c == '\t' || c == '\n' || c == '\r'; });
}

std::string text_of(const std::string& file) {
  constexpr std::size_t shown_first = 512, most = 1 << 20;
  std::ifstream in(file);
  std::string text(most + 1, '\0');
  const auto read_up_to = [&](std::size_t begin, std::size_t end) {
    in.read(text.data() + begin, static_cast<std::streamsize>(end - begin));
    return begin + static_cast<std::size_t>(in.gcount());
  };
  std::size_t n = read_up_to(0, shown_first);
  if (!is_text(text.substr(0, n)))
    throw InputError(
        fmt::format("{} is no YAML file; expected a configuration, with input.path: FILE", file));
  if (n == shown_first) n = read_up_to(n, text.size());
  if (n == text.size())
    throw InputError(fmt::format(
        "{} is larger than 1 MB; expected a configuration, with input.path: FILE", file));
  if (!in.eof())
    throw InputError(fmt::format("{} (cannot read the configuration: {})", file,
                                 std::generic_category().message(errno)));
  text.resize(n);
  return text;
}

std::vector<Entry> entries_of_settings(const std::vector<std::string>& settings) {
  std::vector<Entry> entries;
  entries.reserve(settings.size());
  for (const std::string& setting : settings) entries.push_back(entry_of_setting(setting));
  return entries;
}

std::string no_comment(const Field&) { return {}; }
bool every_key(const Field&) { return true; }

/// Keys as nested YAML; `comment` gives what stands behind a key's value.
std::string emit(const Config& config, const std::function<std::string(const Field&)>& comment,
                 const std::function<bool(const Field&)>& is_wanted) {
  std::string out, open_section;
  for (const Field& field : config_fields()) {
    if (!is_wanted(field)) continue;
    const std::size_t dot = field.key.find('.');
    const std::string section = dot == std::string::npos ? "" : field.key.substr(0, dot);
    if (section != open_section && !section.empty()) out += section + ":\n";
    open_section = section;
    const std::string name = dot == std::string::npos ? field.key : field.key.substr(dot + 1);
    out += fmt::format("{}{}: {}{}\n", section.empty() ? "" : "  ", name, field.write(config),
                       comment(field));
  }
  return out;
}

}  // namespace

void apply_profile(Config& config, Profile profile) {
  const bool is_full = profile == Profile::full, is_reference = profile == Profile::reference;
  AutoencoderOptions& a = config.autoencoder;
  a.neighbors_per_step = is_reference ? Neighbors::one : Neighbors::all;
  a.tied_update = is_full ? TiedUpdate::joint : TiedUpdate::split;
  a.attention = is_full ? Attention::sigmoid : Attention::leaky_relu;
  a.learning_rate = is_full ? 1e-3f : 1e-4f;
  ClassifierOptions& c = config.classifier;
  c.activation = is_reference ? Activation::none : Activation::elu;
  c.loss = is_reference ? ClassifierLoss::batch_softmax : ClassifierLoss::cross_entropy;
}

void ComputeOptions::validate() const {
  if (threads < 0)
    throw InputError(fmt::format("compute.threads = {} (must be 1 or more, or auto)", threads));
  if (tile_groups < 1)
    throw InputError(fmt::format("compute.tile_groups = {} (must be 1 or more)", tile_groups));
  if (tiles < 0 || tiles % tile_groups != 0)
    throw InputError(
        fmt::format("compute.tiles = {} (must be auto or a multiple of compute.tile_groups = {})",
                    tiles, tile_groups));
  if (models_in_flight < 0)
    throw InputError(fmt::format("compute.models_in_flight = {} (must be 1 or more, or auto)",
                                 models_in_flight));
  if (models_in_flight > 1 && tile_groups > 1)
    throw InputError(
        fmt::format("compute.models_in_flight = {} (must be 1 or auto where ranks share tiles, as "
                    "compute.tile_groups = {} says)",
                    models_in_flight, tile_groups));
  if (checkpoint_minutes < 0)
    throw InputError(
        fmt::format("compute.checkpoint_minutes = {} (must be 0 or more)", checkpoint_minutes));
}

void Config::validate() const {
  if (input.path.empty()) throw InputError("input.path is missing (the .h5ad file or 10x folder)");
  if (output.empty()) throw InputError("output is missing (the run directory to write)");
  if (models < 1) throw InputError(fmt::format("models = {} (must be 1 or more)", models));
  if (domains == 0) throw InputError("domains is missing (how many spatial domains to find)");
  if (domains < 2) throw InputError(fmt::format("domains = {} (must be 2 or more)", domains));
  prepare.validate();
  autoencoder.validate();
  clustering.validate();
  consensus.validate();
  classifier.validate();
  svgs.validate();
  compute.validate();
}

LoadedConfig parse_config(const std::string& text, const std::string& name,
                          const std::vector<std::string>& settings) {
  return build(entries_of(text, name), entries_of_settings(settings));
}

LoadedConfig load_config(const std::vector<std::string>& files,
                         const std::vector<std::string>& settings) {
  std::vector<Entry> entries;
  for (const std::string& file : files)
    for (Entry& entry : entries_of(text_of(file), file)) entries.push_back(std::move(entry));
  return build(entries, entries_of_settings(settings));
}

std::string to_yaml(const Config& config) { return emit(config, no_comment, every_key); }

std::string to_yaml_of_result(const Config& config) {
  return emit(config, no_comment, [](const Field& field) {
    return field.stage || field.key == "input.path" || field.key == "profile";
  });
}

std::string to_commented_yaml(const Config& config) {
  return emit(
      config, [](const Field& field) { return "  # " + field.meaning; }, every_key);
}

std::vector<std::pair<std::string, std::string>> options_of(const Config& config, Stage stage) {
  std::vector<std::pair<std::string, std::string>> options;
  for (const Field& field : config_fields())
    if (field.stage == stage) options.emplace_back(field.key, field.write(config));
  return options;
}

Difference first_difference(const Config& ours, const Config& theirs) {
  for (const Stage stage : all_stages)
    for (const Field& field : config_fields())
      if (field.stage == stage && field.write(ours) != field.write(theirs))
        return {field.key, field.write(ours), field.write(theirs)};
  return {};
}

}  // namespace stamarker
