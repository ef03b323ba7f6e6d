"""What products with X would save by taking the genes that most spots express densely.

  build/venv/bin/python bench/dense_genes.py run/prepared.h5 ...

Counts, for each prepared section, the entries of genes that are non-zero in at least half of the
spots. By its entries a gene costs as many FMAs as it has entries, densely as many as there
are spots; --sparse and --dense are the shares of the machine's FMAs that these two reach
(docs/performance.md). Packing, gathering and a second pass over the result are not counted.
"""
import argparse

import h5py
import numpy as np


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prepared", nargs="+", help="prepared.h5 of a run")
    parser.add_argument("--least", type=float, default=0.5, help="share of spots of a dense gene")
    parser.add_argument("--sparse", type=float, default=0.42)
    parser.add_argument("--dense", type=float, default=0.75)
    options = parser.parse_args()
    print("| section | spots | genes | non-zero | dense genes | their entries | time of all |")
    print("|---|---|---|---|---|---|---|")
    for path in options.prepared:
        with h5py.File(path) as file:
            n_spots, n_genes = len(file["counts/indptr"]) - 1, len(file["gene_names"])
            share = np.bincount(file["counts/indices"][:], minlength=n_genes) / n_spots
        is_dense = share >= options.least
        before = share.sum() / options.sparse
        after = share[~is_dense].sum() / options.sparse + is_dense.sum() / options.dense
        print(f"| {path} | {n_spots} | {n_genes} | {share.mean():.1%} | {is_dense.sum()} | "
              f"{share[is_dense].sum() / share.sum():.0%} | {after / before:.0%} |")


if __name__ == "__main__":
    main()
