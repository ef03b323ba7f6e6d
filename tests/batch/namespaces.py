"""Runs one job on two hosts without two hosts: network namespaces joined by a cable, MPI over TCP.

mpirun starts in the first namespace and reaches the second by a launch agent in place of ssh. The result
has the bits of the same run without namespaces, and the cable's counter shows that ranks talked through it.
"""
import argparse
import json
import subprocess

from runs import MPIRUN, Section, check_files, enter_own_namespaces, expect, expect_same_result, skip

HERE, THERE = "192.0.2.1", "192.0.2.2"  # of TEST-NET-1, which no network routes

WAYS = {"models": ("autoencoder.epochs=200",),
        "tiles": ("compute.tiles=2", "compute.tile_groups=2", "models=2", "autoencoder.epochs=30")}


def call(words) -> None:
    done = subprocess.run(words.split(), capture_output=True, text=True)
    if done.returncode != 0:
        skip(f"namespaces: `{words}` says {done.stderr.strip()}")


class SecondHost:
    """A process that holds the second network and host name, joined to ours by a cable."""

    def __init__(self):
        self.process = subprocess.Popen(["unshare", "--net", "--uts", "sh", "-c",
                                         "hostname second && echo ready && exec sleep infinity"],
                                        stdout=subprocess.PIPE, text=True)
        expect(self.process.stdout.readline() == "ready\n", "no second host")
        pid = self.process.pid
        self.enter = f"nsenter --target {pid} --net --uts"
        call("hostname first")
        call("ip link set lo up")
        call(f"ip link add cable type veth peer name cable netns {pid}")
        call(f"ip addr add {HERE}/24 dev cable")
        call("ip link set cable up")
        for words in ("link set lo up", f"addr add {THERE}/24 dev cable", "link set cable up"):
            call(f"{self.enter} ip {words}")

    def mpirun(self, folder):
        """The words of mpirun with one rank on each host; its launch agent goes to `folder`."""
        agent = folder / "agent"
        agent.write_text(f'#!/bin/sh\n# agent HOST COMMAND...: as ssh would\nshift\nexec {self.enter} sh -c "$*"\n')
        agent.chmod(0o755)
        return [*MPIRUN, "--host", f"{HERE}:1,{THERE}:1", "--mca", "plm_rsh_agent", str(agent),
                "--mca", "btl", "tcp,self", "--mca", "pml", "ob1",
                "--mca", "btl_tcp_if_include", "cable", "--mca", "oob_tcp_if_include", "cable"]


def bytes_through_cable() -> int:
    shown = subprocess.run(["ip", "-json", "-statistics", "link", "show", "cable"], check=True, capture_output=True)
    counters = json.loads(shown.stdout)[0]["stats64"]
    return counters["rx"]["bytes"] + counters["tx"]["bytes"]


def main():
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    enter_own_namespaces("namespaces", ("nsenter", "hostname"), "hostname", "to make networks", "--uts")
    host = SecondHost()
    with Section() as section:
        for name, settings in WAYS.items():
            alone = section.run(f"alone_{name}", 2 if name == "tiles" else 0, settings=settings)
            expect(alone.code == 0, alone.error)
            before = bytes_through_cable()
            joined = section.run(f"joined_{name}", 2, settings=settings, mpirun=host.mpirun(section.folder))
            expect(joined.code == 0, f"exit code {joined.code}: {joined.out}{joined.error}")
            n_bytes = bytes_through_cable() - before
            check_files(section.folder / f"joined_{name}", may_leave_partial=False)
            expect_same_result(section.folder / f"alone_{name}", section.folder / f"joined_{name}")
            # What the gradients of 2 models x 30 epochs weigh: (100 x 32 + 32 x 8) floats a step.
            expect(name != "tiles" or n_bytes > 2 * 30 * 4 * (100 * 32 + 32 * 8), f"only {n_bytes} bytes")
            print(f"{name}: {joined.seconds:.2f} s on two hosts, {n_bytes} bytes through the cable, the same bits",
                  flush=True)


if __name__ == "__main__":
    main()
