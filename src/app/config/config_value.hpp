#pragma once
#include <yaml-cpp/yaml.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "app/config/options.hpp"
#include "cluster/clustering.hpp"
#include "model/options.hpp"

/// How one value of the configuration is read from YAML and written to it. A reader returns an
/// empty string, or what it expected instead, for the message; `to` is then untouched.
namespace stamarker::yaml {

std::string read(const YAML::Node& node, bool& to);
std::string read(const YAML::Node& node, int& to);
std::string read(const YAML::Node& node, std::uint32_t& to);
std::string read(const YAML::Node& node, float& to);
std::string read(const YAML::Node& node, double& to);
std::string read(const YAML::Node& node, std::string& to);
std::string read(const YAML::Node& node, std::vector<int>& to);

std::string write(bool value);
std::string write(int value);
std::string write(std::uint32_t value);
std::string write(float value);   // the shortest text that reads back to the same bits
std::string write(double value);  // with a decimal point, as YAML 1.1 wants it
/// Quoted; bytes that are no UTF-8 as `!!binary`, with the readable text as a comment behind it.
std::string write(const std::string& value);
std::string write(const std::vector<int>& value);

/// The words of an enumeration, as in the configuration.
template <class E>
struct Words;
template <>
struct Words<Profile> {
  static constexpr std::array all{std::pair{Profile::tuned, "tuned"},
                                  std::pair{Profile::full, "full"},
                                  std::pair{Profile::reference, "reference"}};
};
template <>
struct Words<Attention> {
  static constexpr std::array all{std::pair{Attention::leaky_relu, "leaky_relu"},
                                  std::pair{Attention::sigmoid, "sigmoid"}};
};
template <>
struct Words<TiedUpdate> {
  static constexpr std::array all{std::pair{TiedUpdate::joint, "joint"},
                                  std::pair{TiedUpdate::split, "split"}};
};
template <>
struct Words<Neighbors> {
  static constexpr std::array all{std::pair{Neighbors::all, "all"}, std::pair{Neighbors::one, "1"}};
};
template <>
struct Words<ClusterMethod> {
  static constexpr std::array all{std::pair{ClusterMethod::mclust, "mclust"},
                                  std::pair{ClusterMethod::louvain, "louvain"},
                                  std::pair{ClusterMethod::leiden, "leiden"}};
};
template <>
struct Words<Activation> {
  static constexpr std::array all{std::pair{Activation::none, "none"},
                                  std::pair{Activation::elu, "elu"}};
};
template <>
struct Words<ClassifierLoss> {
  static constexpr std::array all{std::pair{ClassifierLoss::cross_entropy, "cross_entropy"},
                                  std::pair{ClassifierLoss::batch_softmax, "batch_softmax"}};
};
template <>
struct Words<SvgTransform> {
  static constexpr std::array all{std::pair{SvgTransform::identity, "identity"},
                                  std::pair{SvgTransform::log_score, "log_score"},
                                  std::pair{SvgTransform::log_saliency, "log_saliency"}};
};
template <>
struct Words<DeviceChoice> {
  static constexpr std::array all{std::pair{DeviceChoice{}, "auto"},
                                  std::pair{DeviceChoice{Device::cpu}, "cpu"},
                                  std::pair{DeviceChoice{Device::cuda}, "cuda"}};
};
template <>
struct Words<Precision> {
  static constexpr std::array all{std::pair{Precision::fp32, "fp32"},
                                  std::pair{Precision::tf32, "tf32"}};
};
template <>
struct Words<EmbeddingOutput> {
  static constexpr std::array all{std::pair{EmbeddingOutput::none, "none"},
                                  std::pair{EmbeddingOutput::all, "all"}};
};

template <class E>
concept HasWords = requires {
  Words<E>::all;
};

template <HasWords E>
std::string read(const YAML::Node& node, E& to) {
  std::string expected = "one of";
  for (const auto& [value, word] : Words<E>::all) {
    if (node.IsScalar() && node.Scalar() == word) {
      to = value;
      return {};
    }
    expected += expected.back() == 'f' ? " " : ", ";
    expected += word;
  }
  return expected;
}
template <HasWords E>
std::string write(const E& value) {
  for (const auto& [known, word] : Words<E>::all)
    if (known == value) return word;
  throw std::logic_error("an enumerator without a word");
}

/// A value that may also be one word, such as `auto`, which stands for `meaning`. A number that is
/// `meaning` must be given as the word.
template <class T>
struct OrWord {
  const char* word;
  T meaning;
};
template <class T>
std::string read(const YAML::Node& node, T& to, const OrWord<T>& special) {
  if (node.IsScalar() && node.Scalar() == special.word) {
    to = special.meaning;
    return {};
  }
  const std::string expected = read(node, to);
  if (!expected.empty()) return expected + " or " + special.word;
  if (std::is_arithmetic_v<T> && to == special.meaning)
    return std::string("another number, or ") + special.word;
  return {};
}
template <class T>
std::string write(const T& value, const OrWord<T>& special) {
  return value == special.meaning ? special.word : write(value);
}

}  // namespace stamarker::yaml
