"""Data that is not read: one line says what it is, and the way in that the line gives leads in."""

import bz2
import gzip
import lzma
import os
import subprocess
import tarfile
import zipfile

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from support import PROGRAMS, dense, dump, refusal, run
from test_input_tenx import N_GENES, N_SPOTS, make, prepare, write_market, write_positions, write_v3

COUNTS = np.random.default_rng(3).poisson(0.6, (N_SPOTS, N_GENES)).astype(np.float32)
SPOTS = [f"spot{i}" for i in range(N_SPOTS)]
PLACES = pd.DataFrame({"x": np.arange(N_SPOTS) % 7 + 0.5, "y": np.arange(N_SPOTS) // 7 * 1.0}, index=SPOTS)


def section(places=True):
    data = anndata.AnnData(scipy.sparse.csr_matrix(COUNTS))
    data.obs_names, data.var_names = SPOTS, [f"Gene{g}" for g in range(N_GENES)]
    if places:
        data.obsm["spatial"] = PLACES.to_numpy()
    return data


def take_the_way_in(refused, folder, monkeypatch):
    """Runs the Python that ends the line, which writes section.h5ad."""
    monkeypatch.chdir(folder)
    exec(refused.split("in Python: ")[1], {})


def expect_same_section(path, tmp_path, *options):
    mine, _ = dump(path, tmp_path, *options)
    np.testing.assert_array_equal(dense(mine.X), COUNTS)
    np.testing.assert_array_equal(mine.obsm["spatial"], PLACES.to_numpy())


FILES = {
    "empty.h5ad": (b"", "an empty file, which is not read; copy or download it again"),
    "page.h5ad": (b"\n<!DOCTYPE html>\n<html><body>Sign in</body></html>", "a web page, which is not read; the download"),
    "pointer.h5ad": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n", "git lfs pull"),
    "matrix.mtx.gz": (gzip.compress(b"%%MatrixMarket matrix coordinate integer general\n1 1 0\n"), "name its folder"),
    "section.h5ad.bz2": (bz2.compress(b"some"), "compressed by bzip2, which is not read; decompress it"),
    "section.h5ad.xz": (lzma.compress(b"some"), "compressed by xz"),
    "section.h5ad.zst": (b"\x28\xb5\x2f\xfd\0some", "compressed by zstd"),
    "section.rds": (gzip.compress(b"X\n\0\0\0\3\0\4\1\0"), "a file of R, which is not read; save it as .h5ad in R"),
    "section.RData": (gzip.compress(b"RDX3\nX\n\0\0\0\3"), "a file of R"),
    "counts.gem.gz": (gzip.compress(b"#FileFormat=GEMv0.1\n#Bin=1\ngeneID\tx\ty\tMIDCount\n"), "a Stereo-seq GEM file"),
    "bare.gem": (b"geneID\tx\ty\tMIDCounts\nA\t1\t2\t3\n", "a Stereo-seq GEM file"),
    "tissue_positions.csv": (b"barcode,in_tissue,array_row,array_col,pxl_row_in_fullres,pxl_col_in_fullres\n",
                             "a table of positions, without counts, which is not read; name the matrix"),
    "tissue_positions_list.csv": (b"AAAC-1,0,0,0,10,20\n", "a table of positions"),
}


@pytest.mark.parametrize("name", FILES)
def test_says_what_a_file_is_by_its_contents(tmp_path, name):
    contents, message = FILES[name]
    for path in (tmp_path / name, tmp_path / "renamed"):
        path.write_bytes(contents)
        refused = refusal(path, tmp_path)
        assert refused.startswith(f"{path} is ") and message in refused


def test_inflates_what_was_compressed_as_a_whole_and_unpacks_archives(tmp_path):
    section().write_h5ad(tmp_path / "a.h5ad")
    (tmp_path / "b.h5ad.gz").write_bytes(gzip.compress((tmp_path / "a.h5ad").read_bytes()))
    refused = refusal(tmp_path / "b.h5ad.gz", tmp_path)
    assert "an HDF5 file inside gzip" in refused
    subprocess.run(refused.split("inflate it: ")[1], shell=True, check=True)
    expect_same_section(tmp_path / "b.h5ad", tmp_path)

    with zipfile.ZipFile(tmp_path / "c.zip", "w") as file:
        file.write(tmp_path / "a.h5ad")
    assert f'an archive, which is not read; unpack it and name what was in it: unzip "{tmp_path}/c.zip"' in refusal(
        tmp_path / "c.zip", tmp_path)
    for name, mode in (("d.tar", "w"), ("d.tar.gz", "w:gz")):
        with tarfile.open(tmp_path / name, mode) as file:
            file.add(tmp_path / "a.h5ad")
        assert f'tar -xf "{tmp_path}/{name}"' in refusal(tmp_path / name, tmp_path)


@pytest.mark.parametrize(("name", "separator"), [("counts.csv", ","), ("counts.tsv.gz", "\t"), ("counts.txt", ";")])
def test_leads_from_a_table_of_counts_to_an_anndata_file(tmp_path, monkeypatch, name, separator):
    table = section().to_df().astype(int)
    table.to_csv(tmp_path / name, sep=separator)
    PLACES[::-1].to_csv(tmp_path / "coordinates.csv")
    refused = refusal(tmp_path / name, tmp_path)
    assert "is a table of text, which is not read" in refused
    take_the_way_in(refused, tmp_path, monkeypatch)
    expect_same_section(tmp_path / "section.h5ad", tmp_path)


def test_leads_from_a_parquet_table_and_a_folder_of_tables(tmp_path, monkeypatch):
    folder = tmp_path / "in"
    folder.mkdir()
    section().to_df().astype(int).to_csv(folder / "e_counts.csv")
    PLACES.to_csv(folder / "coordinates.csv")
    refused = refusal(folder, tmp_path)
    assert f"{folder} is a folder of text tables, which is not read" in refused
    take_the_way_in(refused, folder, monkeypatch)
    expect_same_section(folder / "section.h5ad", tmp_path)

    section().to_df().to_parquet(folder / "counts.parquet")
    refused = refusal(folder / "counts.parquet", tmp_path)
    assert "is a table in Parquet" in refused
    take_the_way_in(refused, folder, monkeypatch)
    expect_same_section(folder / "section.h5ad", tmp_path)


@pytest.mark.parametrize("modality", ["rna", "spatial \"A\""])
def test_leads_from_mudata_to_one_of_its_modalities(tmp_path, monkeypatch, modality):
    with h5py.File(tmp_path / "in.h5mu", "w") as file:
        anndata.io.write_elem(file, f"mod/{modality}", section())
        anndata.io.write_elem(file, "obs", section().obs)
        anndata.io.write_elem(file, "var", section().var)
    refused = refusal(tmp_path / "in.h5mu", tmp_path)
    assert "is a MuData file" in refused
    take_the_way_in(refused, tmp_path, monkeypatch)
    expect_same_section(tmp_path / "section.h5ad", tmp_path)


def test_names_other_files_in_hdf5(tmp_path):
    def said(*names):
        with h5py.File(tmp_path / "in.h5", "w") as file:
            for name in names:
                file[name] = np.arange(3)
        return refusal(tmp_path / "in.h5", tmp_path)

    refused = said("matrix", "col_attrs/CellID", "col_attrs/X", "col_attrs/Y", "row_attrs/Gene")
    assert "is a loom file" in refused and 'a.obs[["X", "Y"]]' in refused
    assert "is an h5Seurat file" in said("assays/RNA", "meta.data/n", "cell.names")
    assert "is a Stereo-seq GEF file" in said("geneExp/bin1/expression")
    assert "is a molecule_info.h5 of 10x" in said("barcode_idx", "barcodes", "count")
    assert "(no barcodes); it holds a, b" in said("a", "b/c")


def test_leads_from_zarr_to_an_anndata_file(tmp_path, monkeypatch):
    section().write_zarr(tmp_path / "in.zarr")
    refused = refusal(tmp_path / "in.zarr", tmp_path)
    assert "in.zarr is AnnData in zarr, which is not read" in refused
    take_the_way_in(refused, tmp_path, monkeypatch)
    expect_same_section(tmp_path / "section.h5ad", tmp_path)

    section().write_zarr(tmp_path / "spatial.zarr" / "tables" / "cells")
    for name in ("zarr.json", "points"):
        (tmp_path / "spatial.zarr" / name).mkdir()
    refused = refusal(tmp_path / "spatial.zarr", tmp_path)
    assert 'is SpatialData in zarr' in refused and '.tables["cells"].write_h5ad("section.h5ad")' in refused


def write_visium_hd(bins, parts):
    """One size of bins, as Space Ranger 3 writes it."""
    bins.mkdir(parents=True)
    write_v3(bins / "filtered_feature_bc_matrix.h5", *parts)
    write_market(bins / "filtered_feature_bc_matrix", *parts)
    write_positions(bins / "spatial", parts[1], True)
    table = pd.read_csv(bins / "spatial" / "tissue_positions.csv")
    table.to_parquet(bins / "spatial" / "tissue_positions.parquet")
    (bins / "spatial" / "tissue_positions.csv").unlink()


@pytest.mark.parametrize("given", ["", "binned_outputs", "binned_outputs/square_008um",
                                   "binned_outputs/square_008um/filtered_feature_bc_matrix.h5",
                                   "binned_outputs/square_008um/filtered_feature_bc_matrix"])
def test_leads_from_visium_hd_to_one_size_of_bins(tmp_path, monkeypatch, given):
    bins = tmp_path / "outs" / "binned_outputs" / "square_008um"
    write_visium_hd(bins, make())
    refused = refusal(tmp_path / "outs" / given, tmp_path)
    assert "is Visium HD with positions in Parquet" in refused and f'set input.path to "{bins}"' in refused
    take_the_way_in(refused, tmp_path, monkeypatch)
    mine, _ = dump(bins, tmp_path)
    assert list(mine.obs["array_col"]) == [i % 7 for i in range(N_SPOTS)]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("cells", ["cells.csv.gz", "cells.parquet"])
def test_leads_from_a_xenium_folder_to_an_anndata_file(tmp_path, monkeypatch, cells):
    counts, barcodes, genes, ids, types = make()
    types[-3:] = ["Negative Control Probe"] * 3
    write_v3(tmp_path / "cell_feature_matrix.h5", counts, barcodes, genes, ids, types)
    table = pd.DataFrame({"cell_id": barcodes, "x_centroid": np.arange(N_SPOTS) * 1.5, "y_centroid": 2.0})[::-1]
    table.to_csv(tmp_path / cells, index=False) if "csv" in cells else table.to_parquet(tmp_path / cells)
    for path in (tmp_path, tmp_path / "cell_feature_matrix.h5"):
        refused = refusal(path, tmp_path)
        assert f"{tmp_path} is a Xenium folder, which is not read" in refused
    take_the_way_in(refused, tmp_path, monkeypatch)
    mine, _ = dump(tmp_path / "section.h5ad", tmp_path)
    assert mine.n_vars == N_GENES - 3
    np.testing.assert_array_equal(mine.obsm["spatial"][:, 0], np.arange(N_SPOTS) * 1.5)


@pytest.mark.filterwarnings("ignore")
def test_leads_from_a_cosmx_folder_to_coordinates_of_the_whole_slide(tmp_path, monkeypatch):
    cells = pd.DataFrame({"fov": np.arange(N_SPOTS) // 20 + 1, "cell_ID": np.arange(N_SPOTS) % 20 + 1})
    table = section().to_df().astype(int).reset_index(drop=True)
    pd.concat([cells, table], axis=1).to_csv(tmp_path / "S1_exprMat_file.csv", index=False)
    cells["CenterX_local_px"] = cells["CenterY_local_px"] = 1
    cells["CenterX_global_px"], cells["CenterY_global_px"] = PLACES["x"].to_numpy(), PLACES["y"].to_numpy()
    cells.to_csv(tmp_path / "S1_metadata_file.csv", index=False)
    refused = refusal(tmp_path, tmp_path)
    assert "is a CosMx folder, which is not read; set input.spatial_key: spatial_fov" in refused
    take_the_way_in(refused, tmp_path, monkeypatch)
    expect_same_section(tmp_path / "section.h5ad", tmp_path, "X", "spatial_fov")


@pytest.mark.filterwarnings("ignore")
def test_leads_from_a_merscope_folder_to_an_anndata_file(tmp_path, monkeypatch):
    table = section().to_df().astype(int)
    table["Blank-1"] = 1
    table.index = np.arange(N_SPOTS)
    table.to_csv(tmp_path / "cell_by_gene.csv", index_label="cell")
    cells = pd.DataFrame({"center_x": PLACES["x"].to_numpy(), "center_y": PLACES["y"].to_numpy()})
    cells.to_csv(tmp_path / "cell_metadata.csv")
    refused = refusal(tmp_path, tmp_path)
    assert "is a MERSCOPE folder, which is not read" in refused
    take_the_way_in(refused, tmp_path, monkeypatch)
    expect_same_section(tmp_path / "section.h5ad", tmp_path)


@pytest.mark.parametrize("market", [True, False])
def test_leads_from_names_with_a_sample_in_front_to_a_folder_that_is_read(tmp_path, market):
    folder = tmp_path / "GSE1"
    parts = make()
    if market:
        write_market(folder, *parts)
    else:
        folder.mkdir()
        write_v3(folder / "filtered_feature_bc_matrix.h5", *parts)
    write_positions(folder, parts[1], False)
    for file in list(folder.iterdir()):
        file.rename(folder / f"GSM12_A1.{file.name}")
    refused = refusal(folder, tmp_path)
    assert "a folder whose files have a sample's name in front (GSM12_A1.), which is not read" in refused
    subprocess.run(refused.split("in this folder: ")[1], shell=True, check=True, cwd=folder)
    mine, _ = dump(folder / "sample", tmp_path)
    assert list(mine.obs_names) == parts[1]


def test_names_the_files_of_a_folder_that_could_be_meant(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    section().write_h5ad(folder / "b.h5ad")
    write_v3(folder / "raw_feature_bc_matrix.h5", *make())
    assert "a folder that holds b.h5ad, raw_feature_bc_matrix.h5, which is not read; name the one" in refusal(
        folder, tmp_path)


def test_leads_from_coordinates_that_stand_in_obs_alone(tmp_path, monkeypatch):
    for x, y in (("x", "y"), ("X", "Y"), ("array_col", "array_row"), ("center_x", "center_y"), ("imagecol", "imagerow"),
                 ("CenterX_global_px", "CenterY_global_px"), ("pxl_col_in_fullres", "pxl_row_in_fullres")):
        data = section(places=False)
        data.obsm["X_pca"] = np.zeros((N_SPOTS, 5))
        data.obs[x], data.obs[y] = PLACES["x"], PLACES["y"]
        data.obs["n_genes"] = 1
        data.write_h5ad(tmp_path / "in.h5ad")
        refused = refusal(tmp_path / "in.h5ad", tmp_path)
        assert f"has no obsm/spatial with the coordinates, but columns {x} and {y} of obs" in refused
        take_the_way_in(refused, tmp_path, monkeypatch)
        expect_same_section(tmp_path / "section.h5ad", tmp_path)

    data.obsm["X_spatial"] = data.obsm["X_pca"]
    data.write_h5ad(tmp_path / "in.h5ad")
    assert "(obsm holds: X_pca, X_spatial); set input.spatial_key" in refusal(tmp_path / "in.h5ad", tmp_path)
    section(places=False).write_h5ad(tmp_path / "in.h5ad")
    assert "(obsm holds: nothing); put them there, an array of spots x 2" in refusal(tmp_path / "in.h5ad", tmp_path)

    for places in (PLACES.astype(str), PLACES.astype(str).to_numpy().astype(object)):
        data = section(places=False)
        data.obsm["spatial"] = places
        data.write_h5ad(tmp_path / "in.h5ad")
        refused = refusal(tmp_path / "in.h5ad", tmp_path)
        assert "obsm/spatial does not hold numbers; if they stand there as text" in refused
        take_the_way_in(refused, tmp_path, monkeypatch)
        expect_same_section(tmp_path / "section.h5ad", tmp_path)


def test_says_that_a_matrix_is_transposed_and_how_to_turn_it(tmp_path, monkeypatch):
    def refused_of(data):
        data.write_h5ad(tmp_path / "in.h5ad")
        refused = refusal(tmp_path / "in.h5ad", tmp_path)
        assert "is genes x spots, not spots x genes (" in refused
        return refused

    refused = refused_of(section().T)
    assert "(the coordinates are in varm/spatial)" in refused
    take_the_way_in(refused, tmp_path, monkeypatch)
    expect_same_section(tmp_path / "section.h5ad", tmp_path)

    data = section()
    data.obs_names = [f"ENSMUSG{i:011d}.2" for i in range(N_SPOTS)]
    assert "(obs holds genes, such as ENSMUSG00000000000.2)" in refused_of(data)
    data = section()
    data.var_names = ["".join("ACGT"[(g >> 2 * k) % 4] for k in range(16)) + "-1" for g in range(N_GENES)]
    assert "(var holds barcodes, such as AAAAAAAAAAAAAAAA-1)" in refused_of(data)
    data.obs_names, data.var_names = [f"{name}-1" for name in data.var_names[:1]] * N_SPOTS, section().var_names
    data.obs_names_make_unique()
    data.write_h5ad(tmp_path / "in.h5ad")
    dump(tmp_path / "in.h5ad", tmp_path)  # spots may have such names

    folder = tmp_path / "market"
    parts = make()
    write_market(folder, parts[0].T, *parts[1:], zipped=False)
    write_positions(folder, parts[1], True)
    refused = refusal(folder, tmp_path)
    assert "matrix.mtx is spots x genes, 40 x 25, where genes x spots is expected" in refused
    take_the_way_in(refused, tmp_path, monkeypatch)
    mine, _ = dump(folder, tmp_path)
    np.testing.assert_array_equal(dense(mine.X), parts[0].T.toarray()[:, : N_GENES - 3])


def test_names_the_layers_there_are(tmp_path):
    data = section()
    data.layers["raw"], data.layers["counts"] = data.X.copy(), data.X * 2
    data.write_h5ad(tmp_path / "in.h5ad")
    refused = refusal(tmp_path / "in.h5ad", tmp_path, "raw")
    assert "input.layer = raw (" in refused
    assert "has no raw; to read its layer of that name: input.layer: layers/raw)" in refused
    expect_same_section(tmp_path / "in.h5ad", tmp_path, "layers/raw")
    assert "layers: counts, raw; or X" in refusal(tmp_path / "in.h5ad", tmp_path, "count")
    del data.layers["raw"]
    data.raw, data.X = data, None
    data.write_h5ad(tmp_path / "in.h5ad")
    assert "has no X; set input.layer (there: layers: counts; raw)" in refusal(tmp_path / "in.h5ad", tmp_path)


@pytest.mark.parametrize("in_matrix", [True, False])
def test_matches_barcodes_that_differ_by_their_ending_alone(tmp_path, in_matrix):
    parts = make()
    bare = [name[:-2] for name in parts[1]]
    write_market(tmp_path / "in", parts[0], parts[1] if in_matrix else bare, *parts[2:])
    write_positions(tmp_path / "in", bare if in_matrix else parts[1], True)
    mine, _ = dump(tmp_path / "in", tmp_path)
    assert list(mine.obs_names) == (parts[1] if in_matrix else bare)
    assert list(mine.obs["array_col"]) == [i % 7 for i in range(N_SPOTS)]

    where = "the matrix" if in_matrix else str(tmp_path / "in" / "tissue_positions.csv")
    assert f"warning: barcodes end in -1 in {where} alone, and were matched without it" in prepare(
        tmp_path / "in", tmp_path).stderr

    write_positions(tmp_path / "in", [*bare[:5], *parts[1][5:]], True)
    refused = refusal(tmp_path / "in", tmp_path)
    assert f"no line for barcode {(parts[1] if in_matrix else bare)[0 if in_matrix else 5]} of the matrix" in refused
    assert f"nor for {5 if in_matrix else 35} of 40 in all" in refused


def test_shows_a_name_of_the_table_where_none_is_in_the_matrix(tmp_path):
    parts = make()
    write_market(tmp_path / "in", parts[0], [f"S1_{name}" for name in parts[1]], *parts[2:])
    (tmp_path / "in" / "coordinates.csv").write_text("AAAC0000-1,1,2\n")
    refused = refusal(tmp_path / "in", tmp_path)
    assert "has no line for barcode S1_AAAC0000-1 of the matrix, nor for 40 of 40 in all" in refused
    assert "or one has something before or behind the barcodes (there: AAAC0000-1)" in refused


def test_accepts_a_byte_order_mark_and_refuses_utf_16(tmp_path):
    parts = make()
    write_market(tmp_path / "in", *parts, zipped=False)
    table = "".join(f"{name},{i}.5,{i % 6}\n" for i, name in enumerate(parts[1]))
    for file in ("barcodes.tsv", "features.tsv", "matrix.mtx"):
        path = tmp_path / "in" / file
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    (tmp_path / "in" / "coordinates.csv").write_text(table, encoding="utf-8-sig")
    mine, _ = dump(tmp_path / "in", tmp_path)
    assert list(mine.obs_names) == parts[1]
    assert mine.obsm["spatial"][3, 0] == 3.5

    (tmp_path / "in" / "coordinates.csv").write_text(table, encoding="utf-16")
    assert "coordinates.csv is text in UTF-16; save it as UTF-8" in refusal(tmp_path / "in", tmp_path)


def test_says_why_a_path_cannot_be_read(tmp_path):
    (tmp_path / "link").symlink_to("nowhere.h5ad")
    assert "link is a link to nowhere.h5ad, which does not exist" in refusal(tmp_path / "link", tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    assert "loop cannot be read (Too many levels of symbolic links)" in refusal(tmp_path / "loop", tmp_path)
    folder = tmp_path / "closed"
    folder.mkdir(mode=0)
    command = [PROGRAMS / "dump_dataset", folder, tmp_path / "none.h5ad"]
    if os.geteuid() == 0:  # whom no mode keeps out
        command = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", *command]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout == f"InputError: input.path: {folder} cannot be read (Permission denied)\n"


@pytest.mark.parametrize(("place", "message"), [
    ("nan,1", "coordinates.csv: spot 'AAAC0005-1' has the coordinate nan (every spot needs a position"),
    ("inf,1", "coordinates.csv: spot 'AAAC0005-1' has the coordinate inf"),
    (",1", "coordinates.csv, line 6 is not: name, x, y and perhaps z, between commas"),
    ("1", "coordinates.csv, line 6 is not: name, x, y"),
    ("3.5,7", "coordinates.csv: all 40 spots have the same coordinates (a graph needs their places)"),
])
def test_refuses_coordinates_that_are_no_places(tmp_path, place, message):
    names = make()[1]
    write_market(tmp_path / "in", *make())
    places = ["3.5,7"] * 5 + [place] + ["3.5,7"] * (N_SPOTS - 6)
    table = "".join(f"{name},{at}\n" for name, at in zip(names, places, strict=True))
    (tmp_path / "in" / "coordinates.csv").write_text(table)
    lines = prepare(tmp_path / "in", tmp_path, exit_code=2).stderr.splitlines()
    assert len(lines) == 1 and message in lines[0]
    assert not (tmp_path / "run").exists()


def test_refuses_coordinates_of_one_column_or_of_another_number_of_spots(tmp_path):
    data = section()
    data.obsm["spatial"] = PLACES[["x"]].to_numpy()
    data.write_h5ad(tmp_path / "in.h5ad")
    assert "obsm/spatial has shape (40, 1), 40 spots x 2 or 3 coordinates expected" in refusal(
        tmp_path / "in.h5ad", tmp_path)
    with h5py.File(tmp_path / "in.h5ad", "r+") as file:
        del file["obsm/spatial"]
        file["obsm/spatial"] = np.zeros((N_GENES, 2))
    assert "obsm/spatial has shape (25, 2), 40 spots x 2 or 3 coordinates expected (there are 25 genes: the matrix may " \
           "be transposed)" in refusal(tmp_path / "in.h5ad", tmp_path)


def test_refuses_one_of_several_sections_whose_spots_are_all_at_one_place(tmp_path):
    data = section()
    data.obs["slice"] = ["a"] * 20 + ["b"] * 20
    data.obsm["spatial"][20:] = 4
    data.write_h5ad(tmp_path / "in.h5ad")
    prepare(tmp_path / "in.h5ad", tmp_path)
    (tmp_path / "run.yaml").write_text((tmp_path / "run.yaml").read_text().replace("in.h5ad", "in.h5ad, batch_key: slice"))
    done = run(PROGRAMS.parent / "stamarker", "prepare", tmp_path / "run.yaml", "--overwrite")
    assert done.returncode == 2
    assert "in.h5ad: obsm/spatial: all 20 spots of section 'b' have the same coordinates" in done.stderr


@pytest.mark.parametrize("kind", [int, float, bool])
def test_warns_of_spots_outside_the_tissue_in_an_anndata_file(tmp_path, kind):
    data = section()
    data.obs["in_tissue"] = (np.arange(N_SPOTS) % 4 > 0).astype(kind)
    data.write_h5ad(tmp_path / "in.h5ad")
    warning = "10 of 40 spots are outside the tissue by obs/in_tissue and are used all the same"
    assert warning in prepare(tmp_path / "in.h5ad", tmp_path).stderr

    data[data.obs["in_tissue"] == 1].write_h5ad(tmp_path / "in.h5ad")
    assert "in_tissue" not in prepare(tmp_path / "in.h5ad", tmp_path).stderr
