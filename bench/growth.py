#!/usr/bin/env python3
"""Time of a training epoch per spot as sections grow: 3000 genes, one thread.

  bench/growth.py --sizes 4000 25641 100000 1000000 --densities 0.1 --json growth.json

The number of tiles is that of compute.tiles: auto. Times are CPU times, the medians of --turns
rounds over all sizes, for the speed of a machine drifts within minutes.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[1]
SPOTS_PER_TILE = 50000  # of compute.tiles: auto


def n_tiles(n_spots):
    return -(-n_spots // SPOTS_PER_TILE)


def section(arguments, n_spots, density):
    return arguments.work / f"growth_{n_spots}_{density}.h5"


def measured(arguments, n_spots, density, profile):
    epochs = max(1, min(20, 100000 // n_spots))
    ended = subprocess.run([arguments.program, "train", section(arguments, n_spots, density), "--profile", profile,
                            "--epochs", str(epochs), "--tiles", str(n_tiles(n_spots))],
                           env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True,
                           stdout=subprocess.PIPE, text=True)
    return json.loads(ended.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+",
                        default=[1000, 4000, 25641, 100000, 1000000])
    parser.add_argument("--densities", type=float, nargs="+", default=[0.03, 0.1], metavar="SHARE",
                        help="shares of non-zero entries: 0.03 as Slide-seq has them, 0.1 as Visium")
    parser.add_argument("--profiles", nargs="+", default=["reference", "full"])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--program", default=str(ROOT / "build/release/bench/stage_time"))
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build/bench")
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    sections = [(n_spots, density) for density in arguments.densities for n_spots in arguments.sizes]
    for n_spots, density in sections:
        subprocess.run([arguments.program, "make", section(arguments, n_spots, density), "--spots", str(n_spots),
                        "--density", str(density)], check=True)
    cases = [(*made, profile) for made in sections for profile in arguments.profiles]
    turns = [{case: measured(arguments, *case) for case in cases} for _ in range(arguments.turns)]
    records = []
    for n_spots, density, profile in cases:
        runs = [turn[n_spots, density, profile] for turn in turns]
        record = {"spots": n_spots, "density": density, "profile": profile, "tiles": n_tiles(n_spots),
                  **{key: statistics.median(run[key] for run in runs) for key in ("cpu_seconds", "peak_bytes")}}
        records.append(record)
        print(f"{n_spots} spots, {density:.0%} non-zero, {record['tiles']} tiles, {profile}: "
              f"{record['cpu_seconds']:.4g} s an epoch, {record['cpu_seconds'] / n_spots * 1e6:.2f} us a spot, "
              f"{record['peak_bytes'] / 2**20:.0f} MiB", flush=True)
    for made in sections:
        section(arguments, *made).unlink()
    if arguments.json:
        arguments.json.write_text(json.dumps(records, indent=1) + "\n")


if __name__ == "__main__":
    main()
