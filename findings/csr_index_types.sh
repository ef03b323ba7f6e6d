#!/usr/bin/env bash
# csr_index_types: anndata reads a CSR matrix with int32 indices and int64 indptr as it is; scipy then refuses it.
#
# Versions: anndata==0.12.19 scipy==1.17.1 numpy==2.4.6 pandas==2.3.3 h5py==3.16.0, Python 3.11
# Expected: one type for both after reading, as scipy's own constructors choose.
# Seen:     row slices by a step and eliminate_zeros() raise "ValueError: Output dtype not compatible with inputs."; sums,
#           products and selection by an array of rows work.
# Here:     the types are valid by the on-disk specification; whatever we write has one type for both.
set -euo pipefail
source "$(dirname "$0")/packages.bash"
packages anndata==0.12.19 scipy==1.17.1 numpy==2.4.6 pandas==2.3.3 h5py==3.16.0

python - << 'END'
import anndata, h5py, numpy as np, scipy.sparse

anndata.AnnData(scipy.sparse.eye(20, format="csr", dtype=np.float32)).write_h5ad("section.h5ad")
with h5py.File("section.h5ad", "r+") as file:
    indptr = file["X/indptr"][:].astype(np.int64)
    del file["X/indptr"]
    file["X/indptr"] = indptr
data = anndata.read_h5ad("section.h5ad")
assert (data.X.indices.dtype, data.X.indptr.dtype) == (np.int32, np.int64)
assert data.X.sum() == 20 and data.X[np.arange(0, 20, 2)].shape == (10, 20)
for work in (lambda: data[::2].X, lambda: data.X.eliminate_zeros()):
    try:
        work()
    except ValueError as error:
        assert "Output dtype not compatible with inputs" in str(error), error
    else:
        raise SystemExit("scipy takes two types of index")
END
