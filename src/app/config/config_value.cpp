#include "app/config/config_value.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <string_view>

#include "app/config/yaml_document.hpp"
#include "base/text.hpp"

namespace stamarker::yaml {
namespace {

/// The whole scalar as a number; nothing for anything else, NaN and infinity included.
template <class T>
std::optional<T> number(const YAML::Node& node) {
  if (!node.IsScalar()) return {};
  std::string_view text = node.Scalar();
  if (text.size() > 1 && text.front() == '+') text.remove_prefix(1);
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return {};
  if constexpr (std::is_floating_point_v<T>)
    if (!std::isfinite(value)) return {};
  return value;
}

template <class T>
std::string read_number(const YAML::Node& node, T& to, const char* expected) {
  const std::optional<T> value = number<T>(node);
  if (!value) return expected;
  to = *value;
  return {};
}

/// YAML 1.1 (PyYAML) takes 1e-05 for text, 1.0e-05 for a number.
template <class T>
std::string write_number(T value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".n") != std::string::npos) return text;
  const std::size_t exponent = text.find('e');
  return text.insert(exponent == std::string::npos ? text.size() : exponent, ".0");
}

constexpr const char* binary_tag = "tag:yaml.org,2002:binary";

}  // namespace

std::string read(const YAML::Node& node, bool& to) {
  return YAML::convert<bool>::decode(node, to) ? "" : "true or false";
}
std::string read(const YAML::Node& node, int& to) {
  return read_number(node, to, "a whole number");
}
std::string read(const YAML::Node& node, std::uint32_t& to) {
  return read_number(node, to, "a whole number, 0 .. 4294967295");
}
std::string read(const YAML::Node& node, float& to) { return read_number(node, to, "a number"); }
std::string read(const YAML::Node& node, double& to) { return read_number(node, to, "a number"); }

std::string read(const YAML::Node& node, std::string& to) {
  if (!node.IsScalar()) return "a text";
  if (node.Tag() != binary_tag) {
    to = node.Scalar();
    return {};
  }
  const std::vector<unsigned char> bytes = YAML::DecodeBase64(node.Scalar());
  if (bytes.empty() && !node.Scalar().empty()) return "a text in base64";
  to.assign(bytes.begin(), bytes.end());
  return {};
}

std::string read(const YAML::Node& node, std::vector<int>& to) {
  std::vector<int> values;
  bool is_list = node.IsSequence();
  if (is_list)
    for (const YAML::Node& element : node) {
      const std::optional<int> value = number<int>(element);
      is_list = is_list && value;
      values.push_back(value.value_or(0));
    }
  if (!is_list) return "a list of whole numbers such as [30]";
  to = values;
  return {};
}

std::string write(bool value) { return value ? "true" : "false"; }
std::string write(int value) { return fmt::format("{}", value); }
std::string write(std::uint32_t value) { return fmt::format("{}", value); }
std::string write(float value) { return write_number(value); }
std::string write(double value) { return write_number(value); }

std::string write(const std::string& value) {
  const auto quoted = [](const auto& text) {
    YAML::Emitter out;
    out << YAML::DoubleQuoted << text;
    return std::string(out.c_str());
  };
  if (std::string text = quoted(value); yaml::load(text).Scalar() == value) return text;
  const YAML::Binary bytes(reinterpret_cast<const unsigned char*>(value.data()), value.size());
  return fmt::format("{}  # {}", quoted(bytes), readable(value));
}

std::string write(const std::vector<int>& value) {
  return fmt::format("[{}]", fmt::join(value, ", "));
}

}  // namespace stamarker::yaml
