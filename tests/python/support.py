"""Programs under test and what the tests have in common."""

import os
import pathlib
import subprocess

import anndata
import numpy as np
import pandas as pd
import scipy.sparse

PROGRAMS = pathlib.Path(os.environ["STM_PROGRAMS"])
MPIRUN = os.environ["STM_MPIRUN"].split()


def run(program, *arguments, ranks=1):
    command = [str(PROGRAMS / program), *map(str, arguments)]
    if ranks > 1:
        command = [*MPIRUN, "-n", str(ranks), *command]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def dump(path, tmp_path, *options):
    """What the program reads from `path`, and the parts that it left out."""
    out = tmp_path / "dumped.h5ad"
    done = run("dump_dataset", path, out, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    left_out = [line.split(": ")[1] for line in done.stdout.splitlines() if line.startswith("left out")]
    return anndata.read_h5ad(out), left_out


def refusal(path, tmp_path, *options):
    """The one line by which the program refuses `path`."""
    done = run("dump_dataset", path, tmp_path / "none.h5ad", *options)
    assert done.returncode == 2, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 1, done.stdout
    return lines[0].removeprefix("InputError: ")


def dense(matrix):
    return matrix.toarray() if scipy.sparse.issparse(matrix) else np.asarray(matrix)


def section(n_spots=31, n_genes=17, seed=0):
    """A small section with columns of every kind."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(0.7, (n_spots, n_genes)).astype(np.float32)
    data = anndata.AnnData(scipy.sparse.csr_matrix(counts))
    data.obs_names = [f"spot {i} µ" for i in range(n_spots)]
    data.var_names = [f"gene-{g}" for g in range(n_genes)]
    data.obsm["spatial"] = rng.random((n_spots, 2)) * 100
    obs = data.obs
    obs["kind"] = pd.Categorical(rng.choice(["b", "a", "c"], n_spots), categories=["c", "a", "b", "unused"])
    obs["grade"] = pd.Categorical(rng.choice([3, 1, 2], n_spots), ordered=True)
    obs["holes"] = pd.Categorical([None if i % 4 == 0 else "x" for i in range(n_spots)])
    obs["note"] = [f"note {i}" for i in range(n_spots)]
    obs["flag"] = rng.random(n_spots) < 0.5
    for kind in ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"):
        obs[kind] = rng.integers(0, 100, n_spots).astype(kind)
    obs["maybe_int"] = pd.array([None if i % 3 == 0 else i for i in range(n_spots)], dtype="Int32")
    obs["maybe_bool"] = pd.array([None if i % 5 == 0 else i % 2 == 0 for i in range(n_spots)], dtype="boolean")
    data.var["gene_ids"] = [f"ENSG{g}" for g in range(n_genes)]
    data.var["weight"] = rng.random(n_genes)
    return data


def assert_same_frame(mine, theirs, columns=None):
    columns = list(theirs.columns) if columns is None else columns
    assert list(mine.index) == list(theirs.index)
    for column in columns:
        pd.testing.assert_series_equal(mine[column], theirs[column], check_index_type=False, obj=column)
