"""Layouts of X and of an embedding in result.h5ad: size, time to write, to read whole, and to read rows.

  build/venv/bin/python bench/result_layout.py --spots 50000 --genes 3000

A log-normalised CSR matrix with 5 % non-zeros is written contiguous, and in chunks of several lengths without
compression, with gzip and with shuffle and gzip; then read whole and, in anndata's backed mode, in 200 runs of 100
spots. An embedding of 30 columns likewise, by h5py. Medians of --repeats; times are CPU time and depend little on
what else the machine does. The tables of docs/files.md.
"""
import argparse
import pathlib
import statistics
import tempfile
import time

import anndata
import h5py
import numpy as np
import scipy.sparse


def random_expression(n_spots, n_genes, density, rng):
    n = int(n_spots * n_genes * density)
    counts = scipy.sparse.csr_matrix((rng.geometric(0.6, n).astype(np.float32), (
        rng.integers(0, n_spots, n), rng.integers(0, n_genes, n))), (n_spots, n_genes))
    scale = 1e4 / np.maximum(1, np.asarray(counts.sum(1)).ravel())
    counts.data = np.log1p(counts.data * np.repeat(scale, np.diff(counts.indptr))).astype(np.float32)
    return counts


def write(path, x, options):
    with h5py.File(path, "w") as file:
        for name in ("layers", "obsm", "obsp", "uns", "varm", "varp"):
            file.create_group(name).attrs.update({"encoding-type": "dict", "encoding-version": "0.1.0"})
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        group = file.create_group("X")
        group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": x.shape})
        group.create_dataset("indptr", data=x.indptr)
        for name, values in (("data", x.data), ("indices", x.indices)):
            group.create_dataset(name, data=values, **options)
        for name, n in zip(("obs", "var"), x.shape, strict=True):
            table = file.create_group(name)
            table.attrs.update({"encoding-type": "dataframe", "encoding-version": "0.2.0", "_index": "_index",
                                "column-order": np.array([], dtype="S1")})
            table.create_dataset("_index", data=[str(i) for i in range(n)], dtype=h5py.string_dtype())


def read_rows(path, rng):
    backed = anndata.read_h5ad(path, backed="r")
    for first in rng.integers(0, backed.n_obs - 100, 200):
        backed.X[first:first + 100]
    backed.file.close()


def write_dense(path, values, options):
    with h5py.File(path, "w") as file:
        file.create_dataset("embedding", data=values, **options)


def read_dense_rows(path, rng):
    with h5py.File(path, "r") as file:
        embedding = file["embedding"]
        for first in rng.integers(0, len(embedding) - 100, 200):
            embedding[first:first + 100]


def read_dense(path):
    with h5py.File(path, "r") as file:
        file["embedding"][()]


def seconds(work, repeats):
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--spots", type=int, default=50_000)
    options.add_argument("--genes", type=int, default=3000)
    options.add_argument("--density", type=float, default=0.05)
    options.add_argument("--embedded", type=int, default=1_000_000, help="spots of the embedding in obsm")
    options.add_argument("--repeats", type=int, default=3)
    options = options.parse_args()
    x = random_expression(options.spots, options.genes, options.density, np.random.default_rng(0))
    layouts = [("contiguous", {})]
    for log in (14, 17, 20):
        chunk = {"chunks": (min(1 << log, x.nnz),)}
        layouts += [(f"chunks of 2^{log}", chunk),
                    (f"chunks of 2^{log}, gzip 1", chunk | {"compression": "gzip", "compression_opts": 1}),
                    (f"chunks of 2^{log}, shuffle, gzip 1",
                     chunk | {"compression": "gzip", "compression_opts": 1, "shuffle": True})]
    def measure(layouts, n_values, write_it, read_it, read_its_rows):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "result.h5ad"
            for name, layout in layouts:
                writing = seconds(lambda: write_it(path, layout), options.repeats)
                size = path.stat().st_size / n_values
                reading = seconds(lambda: read_it(path), options.repeats)
                rows = seconds(lambda: read_its_rows(path, np.random.default_rng(1)), options.repeats)
                print(f"| {name} | {size:.1f} | {writing:.2f} | {reading:.2f} | {rows:.2f} |", flush=True)

    print(f"X, {options.spots} x {options.genes}, {x.nnz} non-zeros\n")
    print("| layout | bytes an entry | write [s] | read [s] | 200 x 100 rows [s] |\n|---|---|---|---|---|")
    measure(layouts, x.nnz, lambda path, layout: write(path, x, layout), anndata.read_h5ad, read_rows)
    embedding = np.random.default_rng(2).normal(size=(options.embedded, 30)).astype(np.float32)
    dense_layouts = [("contiguous", {})]
    for log in (10, 14, 17):
        chunk = {"chunks": (min(1 << log, options.embedded), 30)}
        dense_layouts += [(f"chunks of 2^{log} rows", chunk),
                          (f"chunks of 2^{log} rows, shuffle, gzip 1",
                           chunk | {"compression": "gzip", "compression_opts": 1, "shuffle": True})]
    print(f"\nobsm, {options.embedded} x 30\n")
    print("| layout | bytes a value | write [s] | read [s] | 200 x 100 rows [s] |\n|---|---|---|---|---|")
    measure(dense_layouts, embedding.size, lambda path, layout: write_dense(path, embedding, layout), read_dense,
            read_dense_rows)


if __name__ == "__main__":
    main()
