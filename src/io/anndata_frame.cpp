#include "io/anndata_frame.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <set>
#include <string_view>

#include "base/text.hpp"

namespace stamarker::anndata {

namespace {

template <class T>
std::vector<T> converted(const Values& values) {
  return std::visit(
      [](const auto& all) -> std::vector<T> {
        using Element = typename std::remove_cvref_t<decltype(all)>::value_type;
        if constexpr (std::is_arithmetic_v<Element>) {
          return std::vector<T>(all.begin(), all.end());
        } else {
          return {};
        }
      },
      values);
}

bool is_integer(const Values& values) {
  return std::visit(
      [](const auto& all) {
        return std::is_integral_v<typename std::remove_cvref_t<decltype(all)>::value_type>;
      },
      values);
}

/// Turns codes and categories into a column; checks that every code has its category.
Column categorical(const std::string& where, const std::string& name, const Values& codes,
                   Values categories, bool is_ordered) {
  Column column{name, converted<std::int32_t>(codes)};
  const auto n = static_cast<std::int32_t>(size_of(categories));
  for (const std::int32_t code : std::get<std::vector<std::int32_t>>(column.values))
    if (code < -1 || code >= n)
      throw InputError(fmt::format("{}/{} holds code {} of {} categories; the file is damaged",
                                   where, name, code, n));
  column.categories = std::move(categories);
  column.is_ordered = is_ordered;
  return column;
}

bool read_ordered(hid_t object) {
  if (!h5::has_attribute(object, "ordered")) return false;
  const auto ordered = h5::read_attribute<std::int8_t>(object, "ordered");
  return ordered.size() == 1 && ordered[0] != 0;
}

/// A column of `length` rows stored as a group: categorical or nullable. None: some other encoding.
std::optional<Column> read_group_column(hid_t frame, const std::string& where,
                                        const std::string& name, std::int64_t length) {
  const h5::Group group = h5::open_group(frame, name);
  const std::string encoding = h5::text_attribute_or_empty(group, "encoding-type");
  if (encoding == "categorical") {
    auto codes = read_column_values(group, "codes", length);
    auto categories = read_column_values(group, "categories");
    if (!codes || !categories || !is_integer(*codes)) return std::nullopt;
    return categorical(where, name, *codes, std::move(*categories), read_ordered(group));
  }
  if (encoding.rfind("nullable-", 0) == 0) {
    auto values = read_column_values(group, "values", length);
    auto mask = read_column_values(group, "mask", length);
    if (!values || !mask || !std::holds_alternative<std::vector<Flag>>(*mask) ||
        size_of(*values) != size_of(*mask))
      return std::nullopt;
    Column column{name, std::move(*values), std::get<std::vector<Flag>>(std::move(*mask))};
    column.na_value = h5::text_attribute_or_empty(group, "na-value");
    return column;
  }
  return std::nullopt;
}

std::optional<Column> read_column(hid_t frame, const std::string& where, const std::string& name,
                                  std::int64_t length) {
  if (h5::is_group(frame, name)) return read_group_column(frame, where, name, length);
  auto values = read_column_values(frame, name, length);
  if (!values) return std::nullopt;
  const h5::DataSet set = h5::open_dataset(frame, name);
  const std::string categories = "__categories/" + name;  // anndata 0.7
  if (h5::has_attribute(set, "categories") && h5::exists(frame, categories) &&
      is_integer(*values)) {
    auto known = read_column_values(frame, categories);
    const bool ordered = read_ordered(h5::open_dataset(frame, categories));
    if (!known) return std::nullopt;
    return categorical(where, name, *values, std::move(*known), ordered);
  }
  return Column{name, std::move(*values)};
}

std::string index_name_of(hid_t group, hid_t file, const std::string& name) {
  std::string index = h5::text_attribute_or_empty(group, "_index");
  for (const char* usual : {"_index", "index"})
    if (index.empty() && h5::exists(group, usual)) index = usual;
  if (index.empty() || !h5::exists(group, index))
    throw InputError(fmt::format("{}: {} has no index (attribute _index); not an AnnData table",
                                 h5::file_name(file), name));
  return index;
}

/// In their order. `where`: file and table, for the message.
std::vector<std::string> column_names_of(hid_t group, const std::string& index,
                                         const std::string& where) {
  std::vector<std::string> names;
  if (h5::has_attribute(group, "column-order")) {
    names = h5::read_text_attributes(group, "column-order");
  } else {
    names = h5::names_in(group);
    std::erase(names, index);
    std::erase(names, "__categories");
  }
  std::set<std::string_view> seen;
  for (const std::string& name : names)
    if (!seen.insert(name).second)
      throw InputError(
          fmt::format("{} names the column '{}' twice (attribute column-order); give "
                      "each column a name of its own",
                      where, name));
  return names;
}

/// Rows of a column by its header; none where the column is of an encoding that is left out.
std::optional<std::int64_t> length_of_column(hid_t frame, const std::string& name) {
  const auto length_of = [](hid_t where, const std::string& values) -> std::optional<std::int64_t> {
    const std::vector<std::int64_t> shape = h5::shape_of(where, values);
    if (shape.size() != 1) return std::nullopt;
    return h5::length_of(where, values);
  };
  if (!h5::is_group(frame, name)) return length_of(frame, name);
  const h5::Group group = h5::open_group(frame, name);
  for (const char* values : {"codes", "values"})  // categorical, nullable
    if (h5::exists(group, values) && !h5::is_group(group, values)) return length_of(group, values);
  return std::nullopt;
}

/// Names of rows, which a file may store as any column: text, numbers, categories, nullable text.
std::vector<std::string> names_from(const Column& column, const std::string& where) {
  for (std::size_t row = 0; row < size_of(column.values); ++row)
    if (is_missing(column, row))
      throw InputError(fmt::format("{}: row {} has no name in the index {}; give it one", where,
                                   row, column.name));
  if (!column.categories) return as_texts(column.values);
  const std::vector<std::string> categories = as_texts(*column.categories);
  std::vector<std::string> names;
  for (const std::int32_t code : std::get<std::vector<std::int32_t>>(column.values))
    names.push_back(categories[static_cast<std::size_t>(code)]);
  return names;
}

/// Before anndata 0.7 codes stood in the table and categories in uns; a table's codes are those
/// of uns if each of them has a category, the rule by which anndata itself reads them.
std::optional<Column> legacy_categorical(hid_t file, const std::string& where,
                                         const Column& column) {
  const std::string categories = "uns/" + column.name + "_categories";
  if (!is_integer(column.values) || !h5::exists(file, categories) || h5::is_group(file, categories))
    return std::nullopt;
  Values known;
  if (h5::shape_of(file, categories).empty()) {  // a single category was stored without dimension
    if (h5::class_of(file, categories) != H5T_STRING) return std::nullopt;
    known = h5::read_strings(file, categories);
  } else {
    auto read = read_column_values(file, categories);
    if (!read) return std::nullopt;
    known = std::move(*read);
  }
  const auto n = static_cast<std::int64_t>(size_of(known));
  for (const std::int64_t code : converted<std::int64_t>(column.values))
    if (code >= n || code < -1) return std::nullopt;
  return categorical(h5::file_name(file) + ": " + where, column.name, column.values,
                     std::move(known), false);
}

Frame read_compound(hid_t file, const std::string& name, std::vector<std::string>& left_out) {
  const std::vector<std::string> members = member_names(file, name);
  Frame frame;
  for (const std::string& member : members) {
    auto values = read_member_values(file, name, member);
    if (&member == &members.front()) {
      if (!values) throw InputError(h5::file_name(file) + ": " + name + " has no readable index");
      frame.index = as_texts(*values);
      if (member != "index") frame.index_name = member;
      continue;
    }
    if (!values) {
      left_out.push_back(fmt::format("{}/{}", name, member));
      continue;
    }
    Column column{member, std::move(*values)};
    if (auto found = legacy_categorical(file, name, column)) column = std::move(*found);
    frame.columns.push_back(std::move(column));
  }
  return frame;
}

template <class T>
void write_codes(hid_t where, const std::vector<std::int32_t>& codes) {
  write_values(where, "codes", std::vector<T>(codes.begin(), codes.end()));
}

void write_categorical(hid_t where, const Column& column) {
  const h5::Group group = h5::make_group(where, column.name);
  mark(group, "categorical", "0.2.0");
  const h5::Type flag = flag_type();
  const Flag ordered = column.is_ordered ? Flag::yes : Flag::no;
  h5::write_attribute_values(group, "ordered", flag, &ordered, {});
  const auto& codes = std::get<std::vector<std::int32_t>>(column.values);
  const std::size_t n = size_of(*column.categories);
  if (n <= 127) {  // pandas takes the narrowest type
    write_codes<std::int8_t>(group, codes);
  } else if (n <= 32767) {
    write_codes<std::int16_t>(group, codes);
  } else {
    write_values(group, "codes", codes);
  }
  write_values(group, "categories", *column.categories);
}

void write_nullable(hid_t where, const Column& column) {
  const h5::Group group = h5::make_group(where, column.name);
  if (std::holds_alternative<std::vector<Flag>>(column.values)) {
    mark(group, "nullable-boolean", "0.1.0");
  } else if (std::holds_alternative<std::vector<std::string>>(column.values)) {
    mark(group, "nullable-string-array", "0.1.0");
    if (!column.na_value.empty()) h5::write_attribute(group, "na-value", column.na_value);
  } else {
    mark(group, "nullable-integer", "0.1.0");
  }
  write_values(group, "values", column.values);
  write_values(group, "mask", column.missing);
}

}  // namespace

std::vector<std::string> read_index(hid_t file, const std::string& name) {
  if (!h5::exists(file, name))
    throw InputError(fmt::format("{} has no {}; not an AnnData file", h5::file_name(file), name));
  const std::string where = fmt::format("{}: {}", h5::file_name(file), name);
  std::optional<Column> column;
  if (h5::is_group(file, name)) {
    const h5::Group group = h5::open_group(file, name);
    column = read_column(group, where, index_name_of(group, file, name), h5::any_length);
  } else if (auto values = read_member_values(file, name, member_names(file, name).front())) {
    column = Column{"", std::move(*values)};
  }
  if (!column)
    throw InputError(h5::file_name(file) + ": the index of " + name + " is not readable");
  return names_from(*column, where);
}

FrameHeader read_frame_header(hid_t file, const std::string& name) {
  if (!h5::exists(file, name))
    throw InputError(fmt::format("{} has no {}; not an AnnData file", h5::file_name(file), name));
  FrameHeader header;
  if (!h5::is_group(file, name)) {  // members of a compound type are unique and of one length
    header.n_rows = h5::length_of(file, name);
    header.columns = member_names(file, name);
    header.columns.erase(header.columns.begin());
    return header;
  }
  const h5::Group group = h5::open_group(file, name);
  const std::string index = index_name_of(group, file, name);
  header.n_rows = length_of_column(group, index).value_or(0);
  header.columns = column_names_of(group, index, fmt::format("{}: {}", h5::file_name(file), name));
  for (const std::string& column : header.columns)
    if (const auto n = length_of_column(group, column).value_or(header.n_rows); n != header.n_rows)
      throw InputError(fmt::format("{}: {}/{} has {}, the index has {}; the file is damaged",
                                   h5::file_name(file), name, column, counted(n, "row"),
                                   header.n_rows));
  return header;
}

Frame read_frame(hid_t file, const std::string& name, std::vector<std::string>& left_out) {
  if (!h5::exists(file, name))
    throw InputError(fmt::format("{} has no {}; not an AnnData file", h5::file_name(file), name));
  if (!h5::is_group(file, name)) return read_compound(file, name, left_out);
  const h5::Group group = h5::open_group(file, name);
  Frame frame;
  frame.index_name = index_name_of(group, file, name);
  frame.index = read_index(file, name);
  const std::string where = fmt::format("{}: {}", h5::file_name(file), name);
  for (const std::string& column_name : column_names_of(group, frame.index_name, where)) {
    auto column = read_column(group, where, column_name, frame.n_rows());
    if (!column) {
      left_out.push_back(fmt::format("{}/{}", name, column_name));
      continue;
    }
    frame.columns.push_back(std::move(*column));
  }
  return frame;
}

std::vector<std::string> categories_in_uns(hid_t file) {
  std::vector<std::string> keys;
  for (const char* table : {"obs", "var"}) {
    if (!h5::exists(file, table) || h5::is_group(file, table)) continue;
    std::vector<std::string> left_out;
    for (const Column& column : read_frame(file, table, left_out).columns)
      if (column.categories) keys.push_back(column.name + "_categories");
  }
  return keys;
}

void write_frame(hid_t where, const std::string& name, const Frame& frame) {
  const h5::Group group = h5::make_group_of_large_attributes(where, name);
  mark(group, "dataframe", "0.2.0");
  h5::write_attribute(group, "_index", frame.index_name);
  std::vector<std::string> names;
  for (const Column& column : frame.columns) names.push_back(column.name);
  h5::write_attribute(group, "column-order", names);
  write_values(group, frame.index_name, frame.index);
  for (const Column& column : frame.columns) {
    if (column.name == frame.index_name) continue;  // pandas lets the index be a column as well
    if (column.categories) {
      write_categorical(group, column);
    } else if (!column.missing.empty()) {
      write_nullable(group, column);
    } else {
      write_values(group, column.name, column.values);
    }
  }
}

}  // namespace stamarker::anndata
