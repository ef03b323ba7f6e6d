#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace stamarker {

/// A truth value that a std::vector stores as one byte.
enum class Flag : std::uint8_t { no, yes };

/// The values of one column, in the type of the file they came from.
using Values =
    std::variant<std::vector<std::string>, std::vector<Flag>, std::vector<std::int8_t>,
                 std::vector<std::uint8_t>, std::vector<std::int16_t>, std::vector<std::uint16_t>,
                 std::vector<std::int32_t>, std::vector<std::uint32_t>, std::vector<std::int64_t>,
                 std::vector<std::uint64_t>, std::vector<float>, std::vector<double>>;

std::size_t size_of(const Values& values);
/// Each value as text; truth values as Python writes them.
std::vector<std::string> as_texts(const Values& values);
Values rows_of(const Values& values, std::span<const std::int32_t> rows);

/// One named column of a table of spots or genes.
struct Column {
  std::string name;
  Values values;                       // [n_rows]; of a categorical column: codes, -1 missing
  std::vector<Flag> missing{};         // [n_rows] of a nullable column, else empty
  std::optional<Values> categories{};  // of a categorical column: what the codes stand for
  bool is_ordered = false;             // of a categorical column
  std::string na_value{};              // of nullable text: pandas' word for a missing one, or none
};

/// A categorical column of text. codes: [n_rows], -1 or an index into `categories`.
Column categorical_column(std::string name, std::vector<std::int32_t> codes,
                          std::vector<std::string> categories);

/// Whether row `row` has no value: it is marked missing, has code -1 or is no number (NaN).
bool is_missing(const Column& column, std::size_t row);
/// The column itself if it is categorical, else one whose categories are its sorted values and
/// whose codes are -1 where a value is missing.
Column as_categorical(const Column& column);

/// A table of spots (obs) or genes (var), as a pandas DataFrame with text as its index.
struct Frame {
  std::string index_name = "_index";  // AnnData's word for an index without a name
  std::vector<std::string> index;     // [n_rows]
  std::vector<Column> columns;

  int n_rows() const { return static_cast<int>(index.size()); }
  const Column* find(const std::string& name) const;  // nullptr: no such column
  void set(Column column);               // replaces the column of that name, or appends
  void remove(const std::string& name);  // nothing happens without such a column
};

/// The given rows in the given order.
Frame rows_of(const Frame& frame, std::span<const std::int32_t> rows);

}  // namespace stamarker
