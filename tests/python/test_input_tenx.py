"""10x matrices and Matrix Market folders, against scanpy's readers."""

import gzip
import shutil

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.io
import scipy.sparse
from support import PROGRAMS, dense, dump, refusal, run

N_SPOTS, N_GENES = 40, 25


def make(seed=0):
    rng = np.random.default_rng(seed)
    counts = scipy.sparse.csc_matrix(rng.poisson(0.5, (N_GENES, N_SPOTS)))  # genes x spots, as 10x has it
    barcodes = [f"AAAC{i:04d}-1" for i in range(N_SPOTS)]
    genes = [f"Gene{g}" for g in range(N_GENES)]
    genes[7] = genes[9] = genes[3]  # names are not unique in real files
    genes[11] = f"{genes[3]}-1"
    ids = [f"ENSG{g:05d}" for g in range(N_GENES)]
    types = ["Gene Expression"] * (N_GENES - 3) + ["Antibody Capture"] * 3
    return counts, barcodes, genes, ids, types


def write_v3(path, counts, barcodes, genes, ids, types):
    with h5py.File(path, "w") as file:
        file.attrs["library_ids"] = np.array([b"library"])
        group = file.create_group("matrix")
        group["barcodes"] = np.array(barcodes, dtype="S")
        for name in ("data", "indices", "indptr"):
            group[name] = getattr(counts, name).astype("i4" if name == "data" else "i8")
        group["shape"] = np.array(counts.shape, dtype="i4")
        group["features/id"] = np.array(ids, dtype="S")
        group["features/name"] = np.array(genes, dtype="S")
        group["features/feature_type"] = np.array(types, dtype="S")
        group["features/genome"] = np.array(["GRCh38"] * len(genes), dtype="S")
        group["features/_all_tag_keys"] = np.array(["genome"], dtype="S")


def write_v2(path, counts, barcodes, genes, ids, _):
    with h5py.File(path, "w") as file:
        group = file.create_group("GRCh38")
        group["barcodes"] = np.array(barcodes, dtype="S")
        group["genes"], group["gene_names"] = np.array(ids, dtype="S"), np.array(genes, dtype="S")
        for name in ("data", "indices", "indptr"):
            group[name] = getattr(counts, name).astype("i4" if name == "data" else "i8")
        group["shape"] = np.array(counts.shape, dtype="i4")


def write_market(folder, counts, barcodes, genes, ids, types, zipped=True, old=False):
    folder.mkdir(parents=True, exist_ok=True)
    scipy.io.mmwrite(folder / "matrix.mtx", counts, field="integer")
    (folder / "barcodes.tsv").write_text("".join(f"{b}\n" for b in barcodes))
    rows = zip(ids, genes, strict=True) if old else zip(ids, genes, types, strict=True)
    name = "genes.tsv" if old else "features.tsv"
    (folder / name).write_text("".join("\t".join(row) + "\n" for row in rows))
    if zipped:
        for file in ("matrix.mtx", "barcodes.tsv", name):
            (folder / f"{file}.gz").write_bytes(gzip.compress((folder / file).read_bytes()))
            (folder / file).unlink()


def write_positions(folder, barcodes, header, in_tissue=lambda i: 1):
    """Six columns; more barcodes than the matrix has, in another order."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(5)
    lines = [f"{b},{in_tissue(i)},{i // 7},{i % 7},{1000 + 3 * i},{rng.integers(5000)}" for i, b in enumerate(barcodes)]
    lines = ["TTTT-1,0,99,99,1,2", *lines[::-1]]
    if header:
        lines.insert(0, "barcode,in_tissue,array_row,array_col,pxl_row_in_fullres,pxl_col_in_fullres")
    name = "tissue_positions.csv" if header else "tissue_positions_list.csv"
    (folder / name).write_text("\n".join(lines) + "\n")


def write_images(folder):
    """What scanpy.read_visium insists on."""
    import matplotlib.image

    (folder / "scalefactors_json.json").write_text('{"tissue_hires_scalef": 0.1, "spot_diameter_fullres": 9.0}')
    for name in ("hires", "lowres"):
        matplotlib.image.imsave(folder / f"tissue_{name}_image.png", np.zeros((4, 4, 3)))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("by_folder", [True, False])
def test_reads_space_ranger_output_as_scanpy_does(tmp_path, header, by_folder):
    outs = tmp_path / "outs"
    outs.mkdir()
    parts = make()
    write_v3(outs / "filtered_feature_bc_matrix.h5", *parts)
    write_positions(outs / "spatial", parts[1], header)
    write_images(outs / "spatial")
    theirs = sc.read_visium(outs)
    theirs.var_names_make_unique()

    mine, _ = dump(outs if by_folder else outs / "filtered_feature_bc_matrix.h5", tmp_path)

    np.testing.assert_array_equal(dense(mine.X), dense(theirs.X))
    np.testing.assert_array_equal(mine.obsm["spatial"], theirs.obsm["spatial"].astype(float))
    assert list(mine.obs_names) == list(theirs.obs_names)
    assert list(mine.var_names) == list(theirs.var_names)
    for column in ("in_tissue", "array_row", "array_col"):
        np.testing.assert_array_equal(mine.obs[column], theirs.obs[column])
    assert list(mine.var_names[[3, 7, 9, 11]]) == ["Gene3", "Gene3-2", "Gene3-3", "Gene3-1"]
    assert list(mine.var["gene_ids"]) == list(theirs.var["gene_ids"])
    assert list(mine.var["feature_types"]) == list(theirs.var["feature_types"])


def test_reads_version_2_and_drops_spots_outside_the_tissue(tmp_path):
    parts = make()
    write_v2(tmp_path / "old.h5", *parts)
    write_positions(tmp_path / "spatial", parts[1], False, lambda i: int(i % 4 != 0))
    theirs = sc.read_10x_h5(tmp_path / "old.h5")

    mine, _ = dump(tmp_path / "old.h5", tmp_path)

    kept = np.arange(N_SPOTS) % 4 != 0
    np.testing.assert_array_equal(dense(mine.X), dense(theirs.X)[kept])
    assert list(mine.obs_names) == list(theirs.obs_names[kept])
    assert (mine.obs["in_tissue"] == 1).all()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("old", [True, False])
def test_reads_matrix_market_as_scanpy_does(tmp_path, zipped, old):
    parts = make()
    folder = tmp_path / "filtered_feature_bc_matrix"
    write_market(folder, *parts, zipped=zipped, old=old)
    write_positions(tmp_path / "spatial", parts[1], True)
    mine, _ = dump(tmp_path, tmp_path)

    whole = scipy.sparse.csr_matrix(parts[0].T)
    n_kept = N_GENES if old else N_GENES - 3  # genes.tsv tells no types
    np.testing.assert_array_equal(dense(mine.X), dense(whole)[:, :n_kept])
    assert list(mine.obs_names) == parts[1]
    theirs = anndata.AnnData(var=pd.DataFrame(index=parts[2][:n_kept]))
    theirs.var_names_make_unique()
    assert list(mine.var_names) == list(theirs.var_names)
    assert list(mine.var["gene_ids"]) == parts[3][:n_kept]
    if zipped != old:  # scanpy reads only features.tsv.gz and genes.tsv
        theirs = sc.read_10x_mtx(folder, make_unique=True)
        np.testing.assert_array_equal(dense(mine.X), dense(theirs.X))
        assert list(mine.var_names) == list(theirs.var_names)


@pytest.mark.parametrize("lines", [
    ["spot,x,y"] + [f"AAAC{i:04d}-1,{i}.5,{2 * i}" for i in range(N_SPOTS)],
    [f"AAAC{i:04d}-1,{i}.5,{2 * i},{-i}" for i in reversed(range(N_SPOTS))],
])
def test_reads_a_plain_table_of_coordinates(tmp_path, lines):
    write_market(tmp_path / "in", *make())
    (tmp_path / "in" / "coordinates.csv").write_text("\r\n".join(lines) + "\r\n")

    mine, _ = dump(tmp_path / "in", tmp_path)

    expected = np.stack([np.arange(N_SPOTS) + 0.5, 2.0 * np.arange(N_SPOTS), -1.0 * np.arange(N_SPOTS)], 1)
    np.testing.assert_array_equal(mine.obsm["spatial"], expected[:, : lines[-1].count(",")])


def test_refuses_incomplete_and_damaged_folders(tmp_path):
    parts = make()
    folder = tmp_path / "in"
    write_market(folder, *parts)
    assert "tissue_positions" in refusal(folder, tmp_path) and "coordinates.csv" in refusal(folder, tmp_path)

    write_positions(folder / "spatial", parts[1][:-1], True)
    assert f"no line for barcode {parts[1][-1]}" in refusal(folder, tmp_path)

    write_positions(folder / "spatial", parts[1], True)
    dump(folder, tmp_path)
    whole = (folder / "matrix.mtx.gz").read_bytes()
    (folder / "matrix.mtx.gz").write_bytes(whole[: len(whole) // 2])
    assert "matrix.mtx.gz is damaged or truncated" in refusal(folder, tmp_path)
    text = gzip.decompress(whole)
    (folder / "matrix.mtx.gz").write_bytes(gzip.compress(text[: text.rindex(b"\n", 0, len(text) // 2) + 1]))
    assert "truncated" in refusal(folder, tmp_path)
    (folder / "matrix.mtx.gz").write_bytes(gzip.compress(text.replace(b"\n1 ", b"\n99 ", 1)))
    assert "line" in refusal(folder, tmp_path)
    (folder / "matrix.mtx.gz").write_bytes(gzip.compress(b"no matrix"))
    assert "line 1 is not" in refusal(folder, tmp_path)
    (folder / "matrix.mtx.gz").write_bytes(whole)
    (folder / "barcodes.tsv.gz").write_bytes(gzip.compress("\n".join(parts[1][:-1]).encode()))
    assert "39 barcodes" in refusal(folder, tmp_path)
    (folder / "barcodes.tsv.gz").write_bytes(gzip.compress("\n".join(["cell", *parts[1]]).encode()))
    assert refusal(folder, tmp_path).endswith(
        "25 features and 41 barcodes (if the first line of barcodes.tsv.gz is a header, 'cell', remove it)")
    (folder / "features.tsv.gz").unlink()
    assert "no features.tsv" in refusal(folder, tmp_path)


def test_refuses_a_damaged_10x_file(tmp_path):
    parts = make()
    path = tmp_path / "in.h5"
    write_v3(path, *parts)
    assert "no spatial/tissue_positions" in refusal(path, tmp_path)
    write_positions(tmp_path / "spatial", parts[1], True, lambda i: 0)
    assert "no spot of the matrix is in_tissue" in refusal(path, tmp_path)
    write_positions(tmp_path / "spatial", parts[1], True)
    assert "input.layer" in refusal(path, tmp_path, "counts")
    shutil.copy(path, tmp_path / "cut.h5")
    with open(tmp_path / "cut.h5", "r+b") as file:
        file.truncate(3000)
    assert "cut.h5" in refusal(tmp_path / "cut.h5", tmp_path)
    with h5py.File(path, "r+") as file:
        file["matrix/indices"][3] = 1000
    assert "index 1000 of 25" in refusal(path, tmp_path)
    with h5py.File(path, "r+") as file:
        file["matrix/shape"][0] = 24
    assert "shape (24, 40)" in refusal(path, tmp_path)


@pytest.mark.parametrize("market", [True, False])
def test_refuses_barcodes_that_occur_twice_unless_outside_the_tissue(tmp_path, market):
    parts = make()
    twice = parts[1][7]
    parts[1][30] = twice
    source = tmp_path / ("filtered_feature_bc_matrix" if market else "in.h5")
    (write_market if market else write_v3)(source, *parts)
    each_once = list(dict.fromkeys(parts[1]))
    write_positions(tmp_path / "spatial", each_once, True)
    assert f"{source}: barcode '{twice}' occurs more than once (" in refusal(source, tmp_path)
    assert "anndata" not in refusal(source, tmp_path)

    write_positions(tmp_path / "spatial", each_once, True, lambda i: int(i != 7))
    mine, _ = dump(source, tmp_path)
    assert mine.n_obs == N_SPOTS - 2


def prepare(source, tmp_path, exit_code=0):
    (tmp_path / "run.yaml").write_text(f"input: {{path: {source}}}\noutput: {tmp_path / 'run'}\ndomains: 2\n"
                                       "prepare: {min_cells: 1}\nautoencoder: {hidden_dims: [16, 4]}\ncompute: {threads: 1}\n")
    done = run(PROGRAMS.parent / "stamarker", "prepare", tmp_path / "run.yaml", "--overwrite")
    assert done.returncode == exit_code, done.stdout + done.stderr
    return done


def places_read(source, tmp_path):
    """The line of the log that names the table of positions."""
    done = prepare(source, tmp_path)
    logged = (tmp_path / "run" / "run.log").read_text()
    lines = [line.split("positions  ")[1] for line in done.stdout.splitlines() if line.startswith("positions  ")]
    assert len(lines) == 1 and f"positions  {lines[0]}\n" in logged
    return lines[0]


def test_takes_the_positions_beside_the_path_as_written_not_beside_the_target_of_a_link(tmp_path):
    parts = make()
    outs, store = tmp_path / "outs", tmp_path / "store"
    write_market(store / "filtered_feature_bc_matrix", *parts)
    outs.mkdir()
    (outs / "filtered_feature_bc_matrix").symlink_to(store / "filtered_feature_bc_matrix")
    write_positions(outs / "spatial", parts[1], True)
    write_positions(store / "spatial", parts[1][::-1], True)  # of another section

    for source in (outs, outs / "filtered_feature_bc_matrix", f"{outs}/filtered_feature_bc_matrix/."):
        mine, _ = dump(source, tmp_path)
        assert list(mine.obs["array_col"]) == [i % 7 for i in range(N_SPOTS)]
        assert places_read(source, tmp_path) == str(outs / "spatial" / "tissue_positions.csv")

    mine, _ = dump(store / "filtered_feature_bc_matrix", tmp_path)
    assert list(mine.obs["array_col"]) == [i % 7 for i in range(N_SPOTS)][::-1]


@pytest.mark.parametrize("market", [True, False])
def test_does_not_climb_to_the_positions_of_another_section(tmp_path, market):
    parts = make()
    folder = tmp_path / "sample"
    folder.mkdir()
    source = folder if market else folder / "sample.h5"
    (write_market if market else write_v3)(source, *parts)
    write_positions(tmp_path / "spatial", parts[1], True)
    refused = refusal(source, tmp_path)
    assert f"{source}: no spatial/tissue_positions.csv" in refused
    assert f"({tmp_path}/spatial may be another section's; if it is not, link it as {folder}/spatial)" in refused

    (folder / "spatial").symlink_to(tmp_path / "spatial")
    assert places_read(source, tmp_path) == str(folder / "spatial" / "tissue_positions.csv")


def test_logs_a_plain_table_of_coordinates_and_those_of_an_anndata_file(tmp_path):
    write_market(tmp_path / "in", *make())
    table = "".join(f"AAAC{i:04d}-1,{i % 6},{i // 6}\n" for i in range(N_SPOTS))
    (tmp_path / "in" / "coordinates.csv").write_text(table)
    assert places_read(tmp_path / "in", tmp_path) == str(tmp_path / "in" / "coordinates.csv")

    mine, _ = dump(tmp_path / "in", tmp_path)
    mine.write_h5ad(tmp_path / "section.h5ad")
    assert places_read(tmp_path / "section.h5ad", tmp_path) == "obsm/spatial"


def test_tells_how_many_spots_are_left_out_as_outside_the_tissue(tmp_path):
    parts = make()
    write_market(tmp_path / "in", *parts)
    write_positions(tmp_path / "in" / "spatial", parts[1], True, lambda i: int(i % 4 != 0))
    assert "10 of 40 spots of the matrix are left out: not in_tissue by " in prepare(tmp_path / "in", tmp_path).stderr

    write_positions(tmp_path / "in" / "spatial", parts[1], True)
    assert "left out" not in prepare(tmp_path / "in", tmp_path).stderr
