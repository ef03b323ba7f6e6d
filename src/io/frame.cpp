#include "io/frame.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "base/error.hpp"

namespace stamarker {

std::size_t size_of(const Values& values) {
  return std::visit([](const auto& all) { return all.size(); }, values);
}

Values rows_of(const Values& values, std::span<const std::int32_t> rows) {
  return std::visit(
      [&](const auto& all) -> Values {
        std::remove_cvref_t<decltype(all)> some;
        some.reserve(rows.size());
        for (const std::int32_t row : rows) some.push_back(all.at(static_cast<std::size_t>(row)));
        return some;
      },
      values);
}

Column categorical_column(std::string name, std::vector<std::int32_t> codes,
                          std::vector<std::string> categories) {
  Column column{std::move(name), std::move(codes)};
  column.categories = std::move(categories);
  return column;
}

bool is_missing(const Column& column, std::size_t row) {
  if (!column.missing.empty() && column.missing[row] == Flag::yes) return true;
  return std::visit(
      [&](const auto& all) {
        using Element = typename std::remove_cvref_t<decltype(all)>::value_type;
        if constexpr (std::is_floating_point_v<Element>) return std::isnan(all[row]);
        if constexpr (std::is_same_v<Element, std::int32_t>)
          return column.categories.has_value() && all[row] < 0;
        return false;
      },
      column.values);
}

Column as_categorical(const Column& column) {
  if (column.categories) return column;
  return std::visit(
      [&](const auto& all) {
        std::vector<std::int32_t> codes(all.size(), -1);
        std::vector<std::size_t> known;  // rows that have a value
        std::remove_cvref_t<decltype(all)> distinct;
        for (std::size_t i = 0; i < all.size(); ++i) {
          if (is_missing(column, i)) continue;
          known.push_back(i);
          distinct.push_back(all[i]);
        }
        std::sort(distinct.begin(), distinct.end());
        distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
        for (const std::size_t i : known)
          codes[i] = static_cast<std::int32_t>(
              std::lower_bound(distinct.begin(), distinct.end(), all[i]) - distinct.begin());
        Column result{column.name, std::move(codes)};
        result.categories = std::move(distinct);
        return result;
      },
      column.values);
}

std::vector<std::string> as_texts(const Values& values) {
  return std::visit(
      [](const auto& all) {
        using Element = typename std::remove_cvref_t<decltype(all)>::value_type;
        std::vector<std::string> texts;
        for (const auto& value : all) {
          if constexpr (std::is_same_v<Element, std::string>) {
            texts.push_back(value);
          } else if constexpr (std::is_same_v<Element, Flag>) {
            texts.emplace_back(value == Flag::yes ? "True" : "False");
          } else {
            texts.push_back(fmt::format("{}", value));
          }
        }
        return texts;
      },
      values);
}

const Column* Frame::find(const std::string& name) const {
  const auto found = std::find_if(columns.begin(), columns.end(),
                                  [&](const Column& column) { return column.name == name; });
  return found == columns.end() ? nullptr : &*found;
}

void Frame::set(Column column) {
  expects(size_of(column.values) == index.size(), "a column as long as its frame");
  const auto found = std::find_if(columns.begin(), columns.end(),
                                  [&](const Column& other) { return other.name == column.name; });
  if (found == columns.end()) {
    columns.push_back(std::move(column));
  } else {
    *found = std::move(column);
  }
}

void Frame::remove(const std::string& name) {
  std::erase_if(columns, [&](const Column& column) { return column.name == name; });
}

Frame rows_of(const Frame& frame, std::span<const std::int32_t> rows) {
  Frame some;
  some.index_name = frame.index_name;
  some.index = std::get<std::vector<std::string>>(rows_of(Values(frame.index), rows));
  for (const Column& column : frame.columns) {
    Column part = column;
    part.values = rows_of(column.values, rows);
    if (!column.missing.empty())
      part.missing = std::get<std::vector<Flag>>(rows_of(Values(column.missing), rows));
    some.columns.push_back(std::move(part));
  }
  return some;
}

}  // namespace stamarker
