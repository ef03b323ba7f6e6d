"""The file that the program reads, and its parts by the names that they have in Python."""

import filecmp
import os
import pathlib
import re
import warnings

import anndata
import numpy as np
import pandas as pd
import scipy.sparse

DEFAULTS = {"layer": "X", "spatial_key": "spatial", "batch_key": "none"}  # of the section `input`


class Input:
    """The file of `data` for a run in `where`. An AnnData is written next to `where`, as OUTPUT.input.h5ad.

    data         AnnData, or the path of a file or folder
    options      section `input` of the configuration
    where        run directory
    is_replaced  whether data of another run may be replaced

    Raises FileNotFoundError for a missing path, TypeError for other data, ValueError when the AnnData lacks what
    `options` name or when `where` holds a run of other data.
    """

    def __init__(self, data, options, where, is_replaced):
        self._names = {}  # part of the file -> expression of Python
        if isinstance(data, anndata.AnnData):
            options = {key: str(options.get(key, default)) for key, default in DEFAULTS.items()}
            self.path = where.with_name(where.name + ".input.h5ad")
            self._write(_needed(data, **options), where, is_replaced)
            self._names = _names(**options)
        elif isinstance(data, (str, bytes, os.PathLike)):
            self.path = pathlib.Path(os.fsdecode(data))
            os.stat(self.path)
        else:
            raise TypeError(f"data is a {type(data).__name__}; an AnnData or a path is expected")

    def named(self, text):
        """`text` of the program, which speaks of `adata` in place of its file."""
        if not self._names:
            return text
        for part, name in self._names.items():
            text = re.sub(re.escape(f"{self.path}: {part}") + r"(?!\w)", lambda _: name, text)
        return text.replace(str(self.path), "adata")

    def _write(self, part, where, is_replaced):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_name(self.path.name + ".partial")
        try:
            try:
                part.write_h5ad(partial)
            except (TypeError, ValueError, NotImplementedError) as error:
                raise ValueError(f"anndata cannot write the counts, coordinates or sections of adata: {error}") from error
            has_run = self.path.exists() and (where / "config.resolved.yaml").exists()
            if has_run and not is_replaced and not filecmp.cmp(self.path, partial, shallow=False):
                raise ValueError(f"output = {where} (holds a run of other data than these, those of {self.path}; pass "
                                 "that path as data, another output, or overwrite=True)")
            partial.replace(self.path)
        finally:
            partial.unlink(missing_ok=True)


def _names(layer, spatial_key, batch_key):
    counts = {"X": "adata.X", "raw": "adata.raw.X"}.get(layer, f"adata.layers[{layer!r}]")
    return {"raw/X": counts, f"layers/{layer}": counts, layer: counts,  # the program's words for counts
            f"obsm/{spatial_key}": f"adata.obsm[{spatial_key!r}]", f"obs/{batch_key}": f"adata.obs[{batch_key!r}]"}


def _needed(data, layer, spatial_key, batch_key):
    """What the method needs of `data`: counts, coordinates, sections and names. Its arrays are those of `data`."""
    obs = pd.DataFrame(index=_index(data.obs_names))
    if batch_key not in ("none", ""):
        obs[batch_key] = _sections(_found(data.obs, batch_key, "batch_key", "adata.obs")).array
    obsm = {}
    if spatial_key:
        obsm[spatial_key] = _coordinates(_found(data.obsm, spatial_key, "spatial_key", "adata.obsm"), spatial_key)
    var = pd.DataFrame(index=_index(data.var_names))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names that are not unique: the program tells which
        if layer == "raw":
            if data.raw is None:
                raise ValueError("input.layer = raw (adata.raw is None)")
            part = anndata.AnnData(obs=obs, var=var, obsm=obsm)
            genes = pd.DataFrame(index=_index(data.raw.var_names))
            part.raw = anndata.AnnData(data.raw.X, obs=obs[[]], var=genes)
            return part
        if layer in ("X", ""):
            if data.X is None:
                raise ValueError(f"input.layer = X (adata.X is None; adata.layers has: {', '.join(data.layers)})")
            return anndata.AnnData(data.X, obs=obs, var=var, obsm=obsm)
        counts = _found(data.layers, layer, "layer", "adata.layers")
        return anndata.AnnData(obs=obs, var=var, obsm=obsm, layers={layer: counts})


def _found(mapping, key, option, name):
    if key not in mapping:
        raise ValueError(f"input.{option} = {key} ({name} has: {', '.join(map(str, mapping)) or 'nothing'})")
    return mapping[key]


def _index(names):
    return names.astype(str).rename(None)  # a column may have the index's name


def _sections(column):
    """Sections as anndata can write them: objects of any type by their text."""
    if column.dtype != object:
        return column
    return column.where(column.isna(), column.astype(str)).astype("category")


def _coordinates(values, key):
    if scipy.sparse.issparse(values):
        return values  # the program's refusal says what is expected
    values = np.asarray(values)
    if values.dtype.kind in "iuf":
        return values
    try:
        return values.astype(float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"adata.obsm[{key!r}] does not hold numbers ({error})") from None
