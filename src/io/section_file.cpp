#include "io/section_file.hpp"

#include <algorithm>

#include "data/sparse_rows.hpp"
#include "io/anndata_frame.hpp"
#include "io/atomic_file.hpp"

namespace stamarker {

namespace {

/// A one-dimensional dataset that grows.
template <class T>
class Growing {
 public:
  Growing(hid_t where, const std::string& name, hid_t file_type = h5::native_type<T>())
      : set_(make(where, name, file_type)) {}

  void append(std::span<const T> values) {
    if (values.empty()) return;
    const hsize_t n = values.size(), first = std::exchange(size_, size_ + n);
    h5::check(H5Dset_extent(set_, &size_));
    const h5::Space in_file{H5Dget_space(set_)};
    h5::check(H5Sselect_hyperslab(in_file, H5S_SELECT_SET, &first, nullptr, &n, nullptr));
    const h5::Space in_memory = h5::space_of({static_cast<std::int64_t>(n)});
    h5::check(H5Dwrite(set_, h5::native_type<T>(), in_memory, in_file, H5P_DEFAULT, values.data()));
  }

 private:
  static h5::DataSet make(hid_t where, const std::string& name, hid_t file_type) {
    const hsize_t none = 0, unlimited = H5S_UNLIMITED, chunk = 1 << 17;
    const h5::Space space{H5Screate_simple(1, &none, &unlimited)};
    const h5::Properties how{H5Pcreate(H5P_DATASET_CREATE)};
    h5::check(H5Pset_chunk(how, 1, &chunk));
    h5::check(H5Pset_obj_track_times(how, false));  // equal contents give equal bytes
    return h5::DataSet{
        H5Dcreate2(where, name.c_str(), file_type, space, H5P_DEFAULT, how, H5P_DEFAULT)};
  }

  h5::DataSet set_;
  hsize_t size_ = 0;
};

void write_counts(hid_t file, int n_spots, int n_genes, std::int64_t most_nonzeros,
                  const std::function<SparseRows(int first, int last)>& rows) {
  const h5::Group group = h5::make_group(file, "X");
  anndata::mark(group, "csr_matrix", "0.1.0");
  h5::write_attribute(group, "shape", std::vector<std::int64_t>{n_spots, n_genes});
  Growing<float> data(group, "data");
  const hid_t index = anndata::index_type(most_nonzeros);
  Growing<std::int32_t> indices(group, "indices", index);
  Growing<std::int64_t> indptr(group, "indptr", index);
  std::vector<std::int64_t> ends{0};
  constexpr int block = 4096;  // spots held at a time
  for (int first = 0; first < n_spots; first += block) {
    const int last = std::min(n_spots, first + block);
    const SparseRows part = rows(first, last);
    expects(part.n_rows == last - first && part.n_cols == n_genes, "the rows asked for");
    data.append(part.value);
    indices.append(part.column);
    const std::int64_t before = ends.back();
    if (first > 0) ends.clear();
    for (int i = 1; i <= part.n_rows; ++i) ends.push_back(before + part.row_start[i]);
    indptr.append(ends);
  }
  expects(ends.back() <= most_nonzeros, "as many nonzeros as promised");
}

}  // namespace

void write_section(const std::string& path, const Frame& obs, const Frame& var,
                   const Coordinates& coordinates, std::int64_t most_nonzeros,
                   const std::function<SparseRows(int first, int last)>& rows) {
  expects(coordinates.n_spots() == obs.n_rows(), "a place for each spot");
  h5::write_file(path, [&](hid_t file) {
    anndata::mark(file, "anndata", "0.1.0");
    for (const char* group : {"layers", "obsm", "obsp", "uns", "varm", "varp"})
      anndata::make_dict(file, group);
    anndata::write_frame(file, "obs", obs);
    anndata::write_frame(file, "var", var);
    anndata::write_array(file, "obsm/spatial", std::span<const double>(coordinates.values),
                         {obs.n_rows(), coordinates.n_dims});
    write_counts(file, obs.n_rows(), var.n_rows(), most_nonzeros, rows);
  });
}

void write_section(const std::string& path, const Dataset& data, Frame obs, Frame var) {
  if (obs.index.empty()) obs.index = data.spot_names;
  if (var.index.empty()) var.index = data.gene_names;
  if (data.section_names.size() > 1)
    obs.set(categorical_column("section", data.section, data.section_names));
  write_section(path, obs, var, data.coordinates, data.counts.n_entries(),
                [&](int first, int last) { return rows_of(data.counts, first, last); });
}

}  // namespace stamarker
