#pragma once
#include <array>
#include <string_view>

namespace stamarker {

/// The stages of a run, in order. Each reads the files of those before it (run_directory.hpp).
enum class Stage { prepare, train, cluster, consensus, classify, saliency, svgs };

constexpr std::array all_stages{Stage::prepare,  Stage::train,    Stage::cluster, Stage::consensus,
                                Stage::classify, Stage::saliency, Stage::svgs};

constexpr std::string_view name_of(Stage stage) {
  constexpr std::array<std::string_view, all_stages.size()> names{
      "prepare", "train", "cluster", "consensus", "classify", "saliency", "svgs"};
  return names[static_cast<std::size_t>(stage)];
}

}  // namespace stamarker
