"""Writes the tables of docs/performance.md from what scripts/bench left in build/bench.

A part that was not measured keeps its table. Each table says the commit and the machine.
"""
import json
import pathlib
import platform
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/performance.md"
RESULTS = ROOT / "build/bench"


def provenance():
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], check=True,
                            capture_output=True, text=True).stdout.strip()
    processor = platform.machine()
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        found = re.match(r"(model name|cpu family|flags)\s*: (.*)", line)
        if found and found[1] == "model name":
            processor = found[2]
        elif found and found[1] == "cpu family":
            processor += f", family {found[2]}"
        elif found:
            processor += ", AVX-512" if "avx512f" in found[2] else ""
            break
    return f"Commit {commit}; {processor}, one core of {len_of_affinity()}."


def len_of_affinity():
    return pathlib.Path("/proc/cpuinfo").read_text().count("processor\t:")


def operations(read):
    context = read["context"]
    machine = [f"{name} {float(context[name]):.0f}" for name in
               ("GFLOP/s of a core, multiply-adds", "GFLOP/s of a core, dense product",
                "GB/s of a core")]
    lines = ["Measured peaks: " + "; ".join(machine) + ".", "",
             "| section, profile | operation | ms | GFLOP/s | of multiply-adds | GB/s | of memory |",
             "|---|---|---|---|---|---|---|"]
    for run in read["benchmarks"]:
        profile, spots, operation = run["name"].split("/")[:3]
        lines.append(f"| {spots}, {profile} | {operation} | {run['cpu_time']:.2f} | "
                     f"{run['GFLOP/s']:.0f} | {run['of_FMA']:.0%} | {run['GB/s']:.1f} | "
                     f"{run['of_memory']:.0%} |")
    return lines


def ratios(read):
    lines = ["| case | spots | unit | ours, s | peer, s | ratio of processor time | of wall time | "
             "of peak memory |", "|---|---|---|---|---|---|---|---|"]
    for r in read:
        lines.append(f"| {r['case']} | {r['spots']} | {r['unit']} | {r['ours']['cpu_seconds']:.4g} | "
                     f"{r['peer']['cpu_seconds']:.4g} | {r['ratios']['cpu_seconds']:.1f} | "
                     f"{r['ratios']['seconds']:.1f} | {r['ratios']['peak_bytes']:.1f} |")
    return lines


def growth(read):
    lines = ["| spots | tiles | profile | s an epoch | us a spot | peak MiB |", "|---|---|---|---|---|---|"]
    for r in read:
        lines.append(f"| {r['spots']} | {r['tiles']} | {r['profile']} | {r['cpu_seconds']:.4g} | "
                     f"{r['cpu_seconds'] / r['spots'] * 1e6:.2f} | {r['peak_bytes'] / 2**20:.0f} |")
    return lines


def main():
    page = PAGE.read_text()
    for part in (operations, growth, ratios):
        file = RESULTS / f"{part.__name__}.json"
        if not file.exists():
            continue
        begin, end = f"<!-- {part.__name__}: by scripts/bench -->\n", f"<!-- end of {part.__name__} -->\n"
        head, _, rest = page.partition(begin)
        tail = rest.partition(end)[2]
        table = [provenance(), "", *part(json.loads(file.read_text()))]
        page = head + begin + "\n".join(table) + "\n" + end + tail
    PAGE.write_text(page)


if __name__ == "__main__":
    main()
