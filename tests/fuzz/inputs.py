"""Valid inputs of every kind, and a valid run directory, from which the cases are made."""

import gzip
import json
import pathlib
import shutil

import anndata
import h5py
import numpy as np
import pandas as pd
import scipy.io
import scipy.sparse

N_SPOTS, N_GENES = 36, 20
TEXT = h5py.string_dtype()

# Nothing is filtered, so that all that is read stands in prepared.h5.
SETTINGS = {
    "output": "run",
    "domains": 2,
    "models": 2,
    "prepare": {"min_cells": 0, "min_counts": 0, "n_top_genes": 100, "rad_cutoff": 15},
    "autoencoder": {"hidden_dims": [8, 3], "epochs": 1},
    "clustering": {"n_init": 1},
    "classifier": {"epochs": 1},
    "saliency": {"write": True},
    "compute": {"threads": 1},
}


def counts():
    rng = np.random.default_rng(0)
    mean = np.ones((N_SPOTS, N_GENES))
    mean[: N_SPOTS // 2, :6] = mean[N_SPOTS // 2 :, 6:12] = 6
    return rng.poisson(mean).astype(np.float32)


def positions():
    """A grid of whole numbers below 100, which every type of number holds."""
    return np.array([[i % 6 * 10, i // 6 * 10] for i in range(N_SPOTS)], dtype=float)


def spot_names():
    return [f"AAAC{i:03d}-1" for i in range(N_SPOTS)]


def gene_names():
    return [f"Gene{g}" for g in range(N_GENES)]


def section(matrix):
    """A section with elements of every kind that the last stage copies."""
    data = anndata.AnnData(matrix)
    data.obs_names, data.var_names = spot_names(), gene_names()
    data.obsm["spatial"] = positions()
    data.obs["section"] = pd.Categorical(["a", "b"] * (N_SPOTS // 2))
    data.obs["amount"] = np.arange(N_SPOTS) / 2
    data.obs["note"] = [f"note {i}" for i in range(N_SPOTS)]
    data.obs["flag"] = np.arange(N_SPOTS) % 2 == 0
    data.obs["maybe"] = pd.array([None if i % 3 == 0 else i for i in range(N_SPOTS)], dtype="Int32")
    data.var["gene_ids"] = [f"ENSG{g}" for g in range(N_GENES)]
    data.obsm["X_pca"] = np.arange(3.0 * N_SPOTS).reshape(-1, 3).astype(np.float32)
    data.obsm["table"] = pd.DataFrame({"a": np.arange(N_SPOTS)}, index=data.obs_names)
    data.varm["loadings"] = np.ones((N_GENES, 2))
    pairs = scipy.sparse.csr_matrix(np.arange(N_SPOTS**2).reshape(N_SPOTS, -1) % 5)
    data.obsp["near"], data.obsp["dense"] = pairs.astype(np.float32), np.ones((N_SPOTS, N_SPOTS))
    data.varp["together"] = scipy.sparse.csc_matrix(np.eye(N_GENES))
    data.layers["doubled"] = data.X * 2
    data.uns["title"], data.uns["answer"] = "a title", 42
    data.uns["nested"] = {"deep": {"values": np.arange(3.0), "names": np.array(["a", "b"])}}
    data.uns["graph"] = scipy.sparse.eye(5, format="csr")
    data.uns["records"] = np.array([(1, 2.0), (3, 4.0)], dtype=[("a", "i4"), ("b", "f8")])
    return data


def write_h5ad(path, matrix, **how):
    section(matrix).write_h5ad(path, **how)


def write_old_h5ad(path):
    """As anndata before 0.7 stored it: compound tables, obsm one table, matrices of h5sparse."""
    with h5py.File(path, "w") as file:
        write_old_sparse(file, "X", scipy.sparse.csr_matrix(counts()))
        write_old_sparse(file, "uns/neighbors/connectivities", scipy.sparse.eye(N_SPOTS, format="csr"))
        file["uns/neighbors/params/n_neighbors"] = 15
        file["uns/kind_categories"] = np.array([b"x", b"y"])
        file["uns/title"] = np.array([b"a title"])
        obs = np.zeros(N_SPOTS, dtype=[("index", "S12"), ("kind", "i1"), ("amount", "f8"), ("note", TEXT)])
        obs["index"], obs["kind"] = spot_names(), np.arange(N_SPOTS) % 2
        obs["note"] = "a note"
        var = np.zeros(N_GENES, dtype=[("index", "S12"), ("gene_ids", "S12")])
        var["index"] = var["gene_ids"] = gene_names()
        obsm = np.zeros(N_SPOTS, dtype=[("spatial", "f8", (2,)), ("X_pca", "f4", (3,)), ("one", "i4")])
        obsm["spatial"] = positions()
        file["obs"], file["var"], file["obsm"] = obs, var, obsm


def write_old_sparse(parent, name, matrix):
    group = parent.create_group(name)
    group.attrs["h5sparse_format"] = matrix.format
    group.attrs["h5sparse_shape"] = np.array(matrix.shape)
    for part in ("data", "indices", "indptr"):
        group[part] = getattr(matrix, part)


def write_positions(folder):
    (folder / "spatial").mkdir(parents=True)
    lines = [f"{name},1,{i // 6},{i % 6},{y:.0f},{x:.0f}\n"
             for i, (name, (x, y)) in enumerate(zip(spot_names(), positions(), strict=True))]
    (folder / "spatial/tissue_positions_list.csv").write_text("".join(lines))


def write_tenx(path):
    write_positions(path.parent)
    genes_by_spots = scipy.sparse.csc_matrix(counts().T)
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        group["barcodes"] = np.array(spot_names(), dtype="S")
        for part, kind in (("data", "i4"), ("indices", "i8"), ("indptr", "i8")):
            group.create_dataset(part, data=getattr(genes_by_spots, part).astype(kind), compression="gzip")
        group["shape"] = np.array(genes_by_spots.shape, dtype="i4")
        group["features/id"] = np.array([f"ENSG{g}" for g in range(N_GENES)], dtype="S")
        group["features/name"] = np.array(gene_names(), dtype="S")
        group["features/feature_type"] = np.array(["Gene Expression"] * N_GENES, dtype="S")


def write_market(folder, is_zipped):
    write_positions(folder)
    scipy.io.mmwrite(folder / "matrix.mtx", scipy.sparse.csc_matrix(counts().T.astype(int)), field="integer")
    (folder / "barcodes.tsv").write_text("".join(f"{name}\n" for name in spot_names()))
    (folder / "features.tsv").write_text(
        "".join(f"ENSG{g}\t{name}\tGene Expression\n" for g, name in enumerate(gene_names())))
    for name in ("matrix.mtx", "barcodes.tsv", "features.tsv") if is_zipped else ():
        (folder / f"{name}.gz").write_bytes(gzip.compress((folder / name).read_bytes(), mtime=0))
        (folder / name).unlink()


# Kind: path of the input in the folder of a case, and what writes it.
KINDS = {
    "csr": ("in.h5ad", lambda path: write_h5ad(path, scipy.sparse.csr_matrix(counts()))),
    "csc": ("in.h5ad", lambda path: write_h5ad(path, scipy.sparse.csc_matrix(counts()))),
    "dense": ("in.h5ad", lambda path: write_h5ad(path, counts())),
    "gzip": ("in.h5ad", lambda path: write_h5ad(path, scipy.sparse.csr_matrix(counts()), compression="gzip")),
    "lzf": ("in.h5ad", lambda path: write_h5ad(path, counts(), compression="lzf")),
    "old": ("in.h5ad", write_old_h5ad),
    "tenx": ("outs/filtered_feature_bc_matrix.h5", write_tenx),
    "market": ("matrix", lambda path: write_market(path, is_zipped=False)),
    "market_gz": ("matrix", lambda path: write_market(path, is_zipped=True)),
}


def write_inputs(folder: pathlib.Path):
    """One folder for each kind: the input and config.yaml, which is JSON."""
    for kind, (name, write) in KINDS.items():
        path = folder / kind / name
        path.parent.mkdir(parents=True)
        write(path)
        settings = {"input": {"path": name}, **SETTINGS}
        if kind == "csc":
            settings["input"]["batch_key"] = "section"
        (folder / kind / "config.yaml").write_text(json.dumps(settings))


def write_runs(folder: pathlib.Path, start):
    """Runs of the inputs by `start(folder, words)`; of `csr` also one that stopped amid its clusterings."""
    for kind in KINDS:
        start(folder / kind, ["run", "config.yaml"])
    halfway = folder / "halfway"
    shutil.copytree(folder / "csr", halfway)
    for name in ("clusters.h5", "consensus.h5", "classifiers", "saliency", "result.h5ad", "svgs.tsv"):
        path = halfway / "run" / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    in_the_way = halfway / "run/clusters/model_001.h5.partial"
    (in_the_way / "folder").mkdir(parents=True)
    start(halfway, ["cluster", "config.yaml"], expected=2)
    shutil.rmtree(in_the_way)
    assert (halfway / "run/clusters/model_000.h5").exists()
