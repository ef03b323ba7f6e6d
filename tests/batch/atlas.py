"""The whole pipeline on one section in three ways: one rank, two ranks by models, two ranks by tiles.

    build/venv/bin/python tests/batch/atlas.py --spots 200000 --genes 3000 --counts 600

Simulates the section, runs the ways one after another, and prints a table: seconds and peak memory of each, how well
its domains agree with those of one rank and with the truth (adjusted Rand index). Fails unless two ranks by
models give the bits of one rank, and two ranks by tiles its domains (above 0.99).
"""
import argparse
import os
import pathlib
import re
import subprocess
import tempfile
import time

import h5py
import numpy as np

from runs import ENVIRONMENT, MPIRUN, PROGRAM, comparable, expect, skip

try:
    from sklearn.metrics import adjusted_rand_score
except ImportError:
    skip("no scikit-learn in this Python; scripts/make-venv makes one that has it")

CONFIG = """\
input: {{path: section.h5ad}}
models: {models}
domains: {domains}
autoencoder: {{hidden_dims: [{hidden}, 30], epochs: {epochs}}}
"""
WAYS = {"1 rank": (1, 1), "2 ranks by models": (2, 1), "2 ranks by tiles": (2, 2)}  # ranks, compute.tile_groups


def codes(result: pathlib.Path, column: str) -> np.ndarray:
    with h5py.File(result, "r") as file:
        return file[f"obs/{column}/codes"][()].astype(np.int64)


def run(folder: pathlib.Path, way: str) -> dict:
    n_ranks, tile_groups = WAYS[way]
    output = folder / way.replace(" ", "_")
    words = [*MPIRUN, "-n", str(n_ranks), PROGRAM, "run", "run.yaml", "--set", f"output={output}",
             "--set", f"compute.tile_groups={tile_groups}"]
    begin = time.monotonic()
    ended = subprocess.run(words, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True)
    seconds = time.monotonic() - begin
    expect(ended.returncode == 0, f"{way}: exit code {ended.returncode}: {ended.stderr}")
    stages = dict(re.findall(r"(\w+) took ([\d.]+) s", (output / "run.log").read_text()))
    memory = re.search(r"memory +([\d.]+ \wB) at most", ended.stdout)[1]
    print(f"{way}: " + ", ".join(f"{stage} {value} s" for stage, value in stages.items()), flush=True)
    result = output / "result.h5ad"
    return {"seconds": seconds, "training": float(stages["train"]), "memory": memory, "result": result,
            "domains": codes(result, "stamarker"), "truth": codes(result, "domain")}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spots", type=int, default=2000)
    parser.add_argument("--genes", type=int, default=1200)
    parser.add_argument("--counts", type=float, default=1500, help="mean of a spot")
    parser.add_argument("--fold", type=float, default=8, help="of a domain's SVGs, clear enough for few epochs")
    parser.add_argument("--domains", type=int, default=6)
    parser.add_argument("--models", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--work", help="where the folder of the runs is made and deleted, with space for three results")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="stamarker_atlas_", dir=arguments.work) as name:
        folder = pathlib.Path(name)
        subprocess.run([PROGRAM, "simulate", "section.h5ad", "--n-spots", str(arguments.spots), "--n-genes",
                        str(arguments.genes), "--n-domains", str(arguments.domains), "--mean-counts",
                        str(arguments.counts), "--fold-change", str(arguments.fold)], cwd=folder, check=True)
        (folder / "run.yaml").write_text(CONFIG.format(**vars(arguments)))
        found = {way: run(folder, way) for way in WAYS}
        one, by_models, by_tiles = (found[way] for way in WAYS)
        bits = {way: comparable(of["result"]) for way, of in found.items()}
    print(f"\n{arguments.spots} spots, M {arguments.models}, {arguments.epochs} epochs, {os.cpu_count()} cores\n\n"
          "| way | seconds | of them training | memory of a rank | ARI with 1 rank | bits of 1 rank | ARI with the truth |\n"
          "|---|---|---|---|---|---|---|")
    for way, of in found.items():
        print(f"| {way} | {of['seconds']:.0f} | {of['training']:.0f} | {of['memory']} | "
              f"{adjusted_rand_score(of['domains'], one['domains']):.4f} | {'yes' if bits[way] == bits['1 rank'] else 'no'} | "
              f"{adjusted_rand_score(of['domains'], of['truth']):.3f} |")
    different = [name for name, value in bits["1 rank"].items() if bits["2 ranks by models"].get(name) != value]
    expect(not different and np.array_equal(one["domains"], by_models["domains"]),
           f"2 ranks by models differ from 1 rank in {different}")
    agreement = adjusted_rand_score(by_tiles["domains"], one["domains"])
    expect(agreement > 0.99, f"domains of 2 ranks by tiles agree with those of 1 rank to {agreement:.4f} only")


if __name__ == "__main__":
    main()
