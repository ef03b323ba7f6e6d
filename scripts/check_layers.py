#!/usr/bin/env python3
"""Fails when a layer includes what it may not see.

Down only, and only along ALLOWED; <mpi.h> in comm/ and io/, <hdf5.h> in io/, CUDA under kernels/cuda/.
"""
import argparse
import pathlib
import re
import sys

ALLOWED = {
    "base": set(),
    "kernels": {"base"},
    "comm": {"base"},
    "data": {"base"},
    "cluster": {"base", "data"},
    "model": {"base", "data", "kernels"},
    "io": {"base", "comm", "data"},
    "app": {"base", "comm", "data", "io", "model", "cluster", "kernels"},
}
# library header -> folders that may name it
RESERVED = {
    r"mpi\.h": ("src/comm/", "src/io/"),
    r"hdf5(_hl)?\.h|H5\w+\.h": ("src/io/",),
    r"cuda\w*\.hp?p?|cublas\w*\.h|cusparse\w*\.h|nccl\.h|cooperative_groups\.h|cub/.*|thrust/.*": (
        "kernels/cuda/",
    ),
}
SUFFIXES = {".hpp", ".cpp", ".h", ".cu", ".cuh"}


def layer_of(path: pathlib.PurePath) -> str:
    """`kernels` for kernels/..., otherwise the folder below src/."""
    return path.parts[0] if path.parts[0] == "kernels" else path.parts[1]


def violations(root: pathlib.Path) -> list[str]:
    """One line for each include that breaks the rule, of all sources below root."""
    found = []
    sources = [p for top in ("src", "kernels") for p in (root / top).rglob("*") if p.suffix in SUFFIXES]
    if not sources:
        return [f"no sources below {root}"]
    for absolute in sorted(sources):
        path = absolute.relative_to(root)
        layer = layer_of(path)
        if layer not in ALLOWED:
            found.append(f"{path}: {layer} is no layer; add it to ALLOWED in scripts/check_layers.py")
            continue
        for number, line in enumerate(absolute.read_text(encoding="utf-8").splitlines(), start=1):
            include = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            if include is None:
                continue
            name = include.group(2)
            used = name.split("/")[0]
            if used in ALLOWED and "/" in name and used != layer and used not in ALLOWED[layer]:
                found.append(f"{path}:{number}: includes {name}, but {layer} may not see {used}")
            for pattern, folders in RESERVED.items():
                if re.fullmatch(pattern, name) and not str(path).startswith(folders):
                    found.append(f"{path}:{number}: includes {name}, allowed only in {', '.join(folders)}")
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", nargs="?", type=pathlib.Path, default=pathlib.Path(__file__).parents[1])
    problems = violations(parser.parse_args().root)
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)
