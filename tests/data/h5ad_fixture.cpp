#include "h5ad_fixture.hpp"

#include "io/h5.hpp"

namespace stamarker::test {

Dataset read_section(const std::filesystem::path& path) {
  const h5::File file = h5::open_to_read(path.string());
  const h5::Group x(H5Gopen2(file, "X", H5P_DEFAULT));
  expects(h5::read_text_attribute(x, "encoding-type") == "csr_matrix", "X stored by rows");
  const auto shape = h5::read_attribute<std::int64_t>(x, "shape");
  Dataset data;
  data.counts.n_rows = static_cast<int>(shape[0]);
  data.counts.n_cols = static_cast<int>(shape[1]);
  data.counts.row_start = h5::read<std::int64_t>(file, "X/indptr");
  data.counts.column = h5::read<std::int32_t>(file, "X/indices");
  data.counts.value = h5::read<float>(file, "X/data");
  data.coordinates.n_dims = static_cast<int>(h5::shape_of(file, "obsm/spatial")[1]);
  data.coordinates.values = h5::read<double>(file, "obsm/spatial");
  for (int i = 0; i < data.n_spots(); ++i) data.spot_names.push_back(std::to_string(i));
  for (int g = 0; g < data.n_genes(); ++g) data.gene_names.push_back(std::to_string(g));
  data.section.assign(data.counts.n_rows, 0);
  data.section_names = {"all"};
  return data;
}

}  // namespace stamarker::test
