#include "app/config/yaml_document.hpp"

#include <fmt/core.h>
#include <yaml-cpp/eventhandler.h>

#include <sstream>

namespace stamarker::yaml {
namespace {

/// Reads the events of a document before any node is built. Throws Problem.
class Guard : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++n_documents_ > 1)
      throw Problem(mark, "a second YAML document begins here; a configuration is one document");
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { refuse(mark, anchor); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override { refuse(mark, anchor); }
  void OnScalar(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                const std::string& /*value*/) override {
    refuse(mark, anchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    enter(mark, anchor);
  }
  void OnSequenceEnd() override { --depth_; }
  void OnMapStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    enter(mark, anchor);
  }
  void OnMapEnd() override { --depth_; }

 private:
  static void refuse(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor)
      throw Problem(mark, "anchors (&) and aliases (*) are not accepted; write the value out");
  }

  void enter(const YAML::Mark& mark, YAML::anchor_t anchor) {
    constexpr int most = 16;  // the keys of the public code nest four levels
    refuse(mark, anchor);
    if (++depth_ > most)
      throw Problem(mark, fmt::format("nested deeper than {} levels; not a configuration", most));
  }

  int n_documents_ = 0, depth_ = 0;
};

}  // namespace

YAML::Node load(const std::string& text) {
  try {
    std::istringstream in(text);
    YAML::Parser parser(in);
    Guard guard;
    while (parser.HandleNextDocument(guard)) {
    }
    return YAML::Load(text);
  } catch (const YAML::Exception& error) {
    throw Problem(error.mark, fmt::format("not valid YAML ({})", error.msg));
  }
}

}  // namespace stamarker::yaml
