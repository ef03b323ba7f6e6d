"""Puts the findings of a result beside what an AnnData has already."""

import numpy as np
import pandas as pd

PREFIX = "stamarker"


def annotate(data, result):
    """Copies domains, embeddings, genes and scores of `result` to `data`, matched by the names of spots and genes.

    obs/stamarker* and obsm/*stamarker*  for the spots that the result has; others get NaN (in obs: no domain)
    var/stamarker*, varm/stamarker*      for the selected genes; others get False or NaN
    uns/stamarker, uns/rank_genes_groups as they are

    Raises ValueError when names are not unique or a spot of the result is not in `data`.
    """
    rows = _places(data.obs_names, result.obs_names, "spot")
    columns = _places(data.var_names, result.var_names, "gene")
    for frame, found, places in ((data.obs, result.obs, rows), (data.var, result.var, columns)):
        for key in _keys(found):
            frame[key] = _column(found[key], frame.index, places)
    for arrays, found, places, n in ((data.obsm, result.obsm, rows, data.n_obs),
                                     (data.varm, result.varm, columns, data.n_vars)):
        for key in _keys(found):
            arrays[key] = _array(np.asarray(found[key]), places, n)
    for key in (PREFIX, "rank_genes_groups"):
        data.uns[key] = result.uns[key]


def _keys(found):
    return [key for key in found if PREFIX in key]


def _places(names, found, what):
    names, found = names.astype(str), found.astype(str)  # as a file has them
    if not (names.is_unique and found.is_unique):
        raise ValueError(f"the names of {what}s are not unique; AnnData has obs_names_make_unique and "
                         "var_names_make_unique")
    places = names.get_indexer(found)
    if (places < 0).any():
        raise ValueError(f"{what} '{found[places < 0][0]}' of the result is not in the data: is it of another section?")
    return places


def _column(values, index, places):
    if values.dtype == bool:
        column = np.zeros(len(index), bool)
        column[places] = values
        return column
    return pd.Series(values.array, index=index[places]).reindex(index)


def _array(values, places, n):
    if len(places) == n and (places == np.arange(n)).all():
        return values
    whole = np.full((n, *values.shape[1:]), np.nan, np.result_type(values.dtype, np.float32))
    whole[places] = values
    return whole
