#pragma once
#include <yaml-cpp/yaml.h>

#include <stdexcept>
#include <string>

namespace stamarker::yaml {

/// Text that load() refuses: what is wrong, and in which line (1-based) of the text.
struct Problem : std::runtime_error {
  Problem(const YAML::Mark& mark, const std::string& what)
      : std::runtime_error(what), line(mark.line + 1) {}
  int line;
};

/// The only document of `text`; null where there is none. Throws Problem: not valid YAML, a second
/// document, an anchor or alias, nesting deeper than a configuration has. Anchors are refused
/// because nodes that contain themselves or repeat each other have no bound in size.
YAML::Node load(const std::string& text);

}  // namespace stamarker::yaml
