#!/usr/bin/env python3
"""Time of a training epoch per spot as sections grow: 3000 genes, 3 % non-zero, one thread.

  bench/growth.py --sizes 4000 25641 100000 1000000 --json growth.json

The number of tiles is that of compute.tiles: auto. Times are processor times.
"""
import argparse
import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[1]
SPOTS_PER_TILE = 50000  # of compute.tiles: auto


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+",
                        default=[1000, 4000, 25641, 100000, 1000000])
    parser.add_argument("--profiles", nargs="+", default=["reference", "full"])
    parser.add_argument("--program", default=str(ROOT / "build/release/bench/stage_time"))
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build/bench")
    parser.add_argument("--json", type=pathlib.Path)
    arguments = parser.parse_args()
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    records = []
    for n_spots in arguments.sizes:
        arguments.work.mkdir(parents=True, exist_ok=True)
        file = arguments.work / f"growth_{n_spots}.h5"
        subprocess.run([arguments.program, "make", file, "--spots", str(n_spots),
                        "--density", "0.03"], check=True)
        tiles = -(-n_spots // SPOTS_PER_TILE)
        for profile in arguments.profiles:
            epochs = max(1, min(20, 100000 // n_spots))
            ended = subprocess.run([arguments.program, "train", file, "--profile", profile,
                                    "--epochs", str(epochs), "--tiles", str(tiles)],
                                   env=environment, check=True, stdout=subprocess.PIPE, text=True)
            record = {"spots": n_spots, "profile": profile, "tiles": tiles,
                      **json.loads(ended.stdout)}
            records.append(record)
            print(f"{n_spots} spots, {tiles} tiles, {profile}: {record['cpu_seconds']:.4g} s an epoch, "
                  f"{record['cpu_seconds'] / n_spots * 1e6:.2f} us a spot, "
                  f"{record['peak_bytes'] / 2**20:.0f} MiB", flush=True)
        file.unlink()
    if arguments.json:
        arguments.json.write_text(json.dumps(records, indent=1) + "\n")


if __name__ == "__main__":
    main()
