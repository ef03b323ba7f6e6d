#include "app/commands/info.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "app/commands/describe_run.hpp"
#include "app/run/stage_files.hpp"
#include "base/error.hpp"
#include "base/text.hpp"
#include "io/h5.hpp"
#include "io/input_formats.hpp"
#include "io/read_input.hpp"

namespace stamarker {
namespace {

std::string shape_text(hid_t file, const std::string& name) {
  if (!h5::is_group(file, name)) {
    const std::vector<std::int64_t> shape = h5::shape_of(file, name);
    return shape.empty() ? "one value" : fmt::format("{}", fmt::join(shape, " x "));
  }
  const h5::Group group = h5::open_group(file, name);
  if (h5::has_attribute(group, "shape"))
    return fmt::format("{}, sparse",
                       fmt::join(h5::read_attribute<std::int64_t>(group, "shape"), " x "));
  return counted(std::ssize(h5::names_in(group)), "part");
}

/// The names in a group, with shapes where they are matrices.
std::string listing(hid_t file, const std::string& group, bool with_shapes) {
  std::string text;
  for (const std::string& name : h5::names_in(file, group)) {
    if (name.starts_with("_") || name == "__categories") continue;
    text += text.empty() ? "" : ", ";
    text += with_shapes ? fmt::format("{} ({})", readable(name),
                                      shape_text(file, fmt::format("{}/{}", group, name)))
                        : readable(name);
  }
  return text.empty() ? "-" : text;
}

std::string domains_text(hid_t file) {
  const auto codes = h5::read<std::int32_t>(file, "obs/stamarker/codes", {h5::any_length});
  const auto names = h5::read_strings(file, "obs/stamarker/categories", {h5::any_length});
  std::string text = "domains\n";
  for (std::size_t k = 0; k < names.size(); ++k) {
    const auto n_svgs_of = "var/stamarker_svg_" + names[k];
    std::int64_t n_svgs = 0;
    if (h5::exists(file, n_svgs_of))
      n_svgs = std::ranges::count(h5::read<std::uint8_t>(file, n_svgs_of, {h5::any_length}), 1);
    text += fmt::format("  {:<10} {:>14} {:>11}\n", readable(names[k]),
                        counted(std::ranges::count(codes, static_cast<std::int32_t>(k)), "spot"),
                        counted(n_svgs, "SVG"));
  }
  return text;
}

/// Texts of a group of scalar strings.
std::string texts_of(hid_t file, const std::string& group) {
  std::string text;
  for (const std::string& name : h5::names_in(file, group)) {
    const auto value = h5::read_strings(file, fmt::format("{}/{}", group, name));
    if (value.size() == 1) text += fmt::format("  {:<16} {}\n", readable(name), readable(value[0]));
  }
  return text;
}

std::string describe_anndata(hid_t file) {
  const bool is_result = h5::exists(file, "uns/stamarker");
  std::string text = is_result ? "a result of stamarker\n" : "an AnnData file\n";
  if (h5::exists(file, "X")) text += fmt::format("X          {}\n", shape_text(file, "X"));
  for (const char* group : {"layers", "obsm", "varm", "obsp"})
    text += fmt::format("{:<10} {}\n", group, listing(file, group, true));
  for (const char* group : {"obs", "var", "uns"})
    if (h5::is_group(file, group))
      text += fmt::format("{:<10} {}\n", group, listing(file, group, false));
  if (h5::exists(file, "raw/X")) text += fmt::format("raw        {}\n", shape_text(file, "raw/X"));
  if (is_result && h5::exists(file, "obs/stamarker/codes")) text += domains_text(file);
  if (is_result) text += warnings_text(file);
  if (is_result) text += "provenance\n" + texts_of(file, "uns/stamarker/provenance");
  return text;
}

std::string describe_stage_file(hid_t file) {
  std::string text = fmt::format("a file of a stamarker run, fingerprint {}\n",
                                 h5::read_text_attribute(file, "fingerprint"));
  for (const std::string& name : h5::names_in(file))
    text += fmt::format("  {:<20} {}\n", readable(name), shape_text(file, name));
  return text;
}

std::string describe_input(const std::string& path) {
  InputOptions options;
  options.path = path;
  const Dataset data = read_input(options);
  const double share = static_cast<double>(data.counts.n_entries()) /
                       std::max(1.0, static_cast<double>(data.n_spots()) * data.n_genes());
  return fmt::format("counts     {} x {}, {:.1f} % non-zero\ncoordinates {}-D\n",
                     counted(data.n_spots(), "spot"), counted(data.n_genes(), "gene"), 100 * share,
                     data.coordinates.n_dims);
}

}  // namespace

std::string warnings_text(hid_t file) {
  const std::string name = "uns/stamarker/warnings";
  std::string text;
  if (h5::exists(file, name))
    for (const std::string& line : h5::read_strings(file, name))
      text += fmt::format("  {}\n", readable(line));
  return text.empty() ? text : "warnings\n" + text;
}

std::string describe_file(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) throw InputError(path + " does not exist");
  std::string text;
  input::reading_input(path, [&] {
    if (is_run_directory(path))
      text = describe_run(path);
    else if (!fingerprint_of_file(path).empty())
      text = describe_stage_file(h5::open_to_read(path));
    else if (is_anndata_file(path))
      text = describe_anndata(h5::open_to_read(path));
    else
      text = describe_input(path);
  });
  return text;
}

}  // namespace stamarker
