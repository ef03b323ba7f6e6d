"""Runs scripts/slurm under a real Slurm that this test configures, starts and ends in namespaces of its own.

One node, two nodes, an array, `scontrol requeue` in the middle, a time limit on two nodes, mpirun as launcher, a
cancelled job: each ends with the bits of a run without Slurm. A job on two nodes that loses a rank fails soon, and
goes on when it is submitted again. Network, processes and mounts belong to the
test alone: nothing outside is seen or reached, and nothing stays.
"""
import argparse
import os
import pathlib
import re
import signal
import subprocess
import time

from runs import (ENVIRONMENT, PROGRAM, Section, check_files, enter_own_namespaces, expect, expect_same_result,
                  is_program, send, skip)

ROOT = pathlib.Path(__file__).resolve().parents[2]
PATIENCE_S = 300

CONFIG = """\
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
SlurmctldPort=26817
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd_%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd_%n.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool_%n
TmpFS={folder}/tmp_%n
SlurmdParameters=config_overrides
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
KillWait=30
MinJobAge=3600
NodeName=n1 NodeHostname=localhost NodeAddr=127.0.0.1 Port=26818 CPUs=8 RealMemory=100000
NodeName=n2 NodeHostname=localhost NodeAddr=127.0.0.1 Port=26819 CPUs=8 RealMemory=100000
PartitionName=all Nodes=n1,n2 Default=YES MaxTime=UNLIMITED State=UP OverSubscribe=NO
"""


class Slurm:
    """A controller and two nodes on the loopback of this namespace."""

    def __init__(self, folder):
        self.folder = folder
        for name in ("munge", "state", "spool_n1", "spool_n2", "tmp_n1", "tmp_n2"):
            (folder / name).mkdir(parents=True)
        (folder / "munge").chmod(0o700)
        (folder / "slurm.conf").write_text(CONFIG.format(folder=folder))
        (folder / "munge" / "key").write_bytes(os.urandom(1024))
        (folder / "munge" / "key").chmod(0o600)
        os.environ["SLURM_CONF"] = ENVIRONMENT["SLURM_CONF"] = str(folder / "slurm.conf")
        munge = folder / "munge"
        self.daemons = [
            self.daemon("munged", "--foreground", "--force", f"--key-file={munge}/key", f"--socket={munge}/socket",
                        f"--pid-file={munge}/pid", f"--log-file={munge}/log", f"--seed-file={munge}/seed"),
            self.daemon("slurmctld", "-D", "-c"),
            self.daemon("slurmd", "-D", "-N", "n1"), self.daemon("slurmd", "-D", "-N", "n2")]
        self.wait("two idle nodes", lambda: ask("sinfo", "-h", "-o", "%T %D") == "idle 2")

    def daemon(self, *words):
        out = open(self.folder / f"{words[0]}{words[-1]}.out".replace("/", "_"), "wb")
        return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def wait(self, what, holds):
        end = time.monotonic() + PATIENCE_S
        while not holds():
            expect(time.monotonic() < end, f"no {what} after {PATIENCE_S} s:\n{self.story()}")
            time.sleep(0.1)

    def story(self):
        """What the queue and the logs say, for a failure's message."""
        logs = [path.read_text(errors="replace")[-2000:] for path in sorted(self.folder.glob("*.log"))]
        return "\n".join([ask("scontrol", "show", "job"), *logs])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for daemon in reversed(self.daemons):
            daemon.kill()  # what it started ends with this namespace of processes
            daemon.wait()


def ask(*words) -> str:
    return subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_S).stdout.strip()


class Job:
    """A submitted script; its output goes to NAME.txt in the section's folder."""

    def __init__(self, slurm, section, name, script, options, arguments, launch=None):
        self.slurm, self.name, self.folder = slurm, name, section.folder
        environment = {**ENVIRONMENT, "STAMARKER_HOME": str(ROOT), "STAMARKER": PROGRAM,
                       "OMPI_MCA_rmaps_base_oversubscribe": "1"}
        if launch:
            environment["STAMARKER_LAUNCH"] = launch
        words = ["sbatch", "--parsable", f"--output={name}.txt", "--cpus-per-task=1", "--mem-per-cpu=100M",
                 *options, ROOT / "scripts/slurm" / script, *arguments]
        done = subprocess.run(words, cwd=section.folder, env=environment, capture_output=True, text=True, timeout=60)
        expect(done.returncode == 0, f"sbatch: {done.stderr}")
        self.id = done.stdout.strip()

    def field(self, name) -> str:
        found = re.search(rf"\b{name}=(\S+)", ask("scontrol", "show", "job", "-o", self.id))
        return found[1] if found else ""

    @property
    def out(self) -> str:
        path = self.folder / f"{self.name}.txt"
        return path.read_text() if path.exists() else ""

    def ranks(self):
        mark = f"output={self.name}\0".encode()
        return [pid for pid in (int(path.name) for path in pathlib.Path("/proc").glob("[0-9]*"))
                if is_program(pid) and mark in read_bytes(f"/proc/{pid}/cmdline")]

    def stop_in_training(self):
        """Holds the ranks still once the section is prepared, so that what follows comes in time."""
        self.slurm.wait(f"prepared section of {self.name}: {self.out}",
                        lambda: (self.folder / self.name / "prepared.h5").exists())
        held = self.ranks()
        for pid in held:
            send(pid, signal.SIGSTOP)
        expect(held and not (self.folder / self.name / "result.h5ad").exists(), f"{self.name} was not in training")

    def go_on(self):
        for pid in self.ranks():
            send(pid, signal.SIGCONT)

    def wait_until(self, *states):
        self.slurm.wait(f"job {self.name} {states}: {self.out}", lambda: self.field("JobState") in states)

    def expect_whole(self, n_restarts):
        self.wait_until("COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "NODE_FAIL")
        expect(self.field("JobState") == "COMPLETED", f"{self.name}: {self.field('JobState')}: {self.out}")
        restarts = int(self.field("Restarts"))
        expect(restarts >= n_restarts, f"{self.name}: {restarts} restarts: {self.out}")
        check_files(self.folder / self.name, may_leave_partial=False)
        expect_same_result(self.folder / "whole", self.folder / self.name)
        print(f"{self.name}: {restarts} restarts, the same bits", flush=True)


def read_bytes(path) -> bytes:
    try:
        return pathlib.Path(path).read_bytes()
    except OSError:
        return b""


def run_jobs(slurm, section):
    def submit(name, script="one-node.sbatch", options=(), launch=None):
        return Job(slurm, section, name, script, options, ["run.yaml", "--set", f"output={name}"], launch)

    two = ("--ntasks=2",)
    on_two_nodes = ("--nodes=2", "--ntasks-per-node=1")
    # Slurm gives the ranks that are left KillWait seconds: this job ends while the others run.
    bereft = submit("bereft", "many-nodes.sbatch", on_two_nodes)
    bereft.stop_in_training()
    send(bereft.ranks()[-1], signal.SIGKILL)  # as the kernel does where memory runs out
    bereft.go_on()

    # Slurm looks at time limits every 30 s: this job waits for its signal while the others run.
    limited = submit("limited", "many-nodes.sbatch", (*on_two_nodes, "--time=1", "--signal=B:USR1@20"))
    limited.stop_in_training()

    plain = submit("plain", options=two)
    plain.expect_whole(0)

    spread = submit("spread", "many-nodes.sbatch", on_two_nodes)
    requeued = submit("requeued", options=two)
    requeued.stop_in_training()
    ask("scontrol", "requeue", requeued.id)  # continues, ends and starts anew
    spread.expect_whole(0)
    requeued.expect_whole(1)
    expect("interrupted: everything so far is saved" in requeued.out, requeued.out)

    by_mpirun = submit("by_mpirun", options=two, launch=f"{os.environ['STM_MPIRUN']} -n 2")
    by_mpirun.stop_in_training()
    ask("scancel", "--batch", "--signal=USR1", by_mpirun.id)
    slurm.wait("answer to SIGUSR1", lambda: "out of time" in by_mpirun.out)
    by_mpirun.go_on()
    by_mpirun.expect_whole(1)

    cancelled = submit("cancelled", options=two)
    cancelled.stop_in_training()
    ask("scancel", cancelled.id)
    cancelled.wait_until("CANCELLED", "COMPLETED")
    slurm.wait("end of the cancelled ranks", lambda: not cancelled.ranks())
    check_files(section.folder / "cancelled", may_leave_partial=False)
    expect("interrupted: everything so far is saved" in cancelled.out, f"cancelled: {cancelled.out}")
    expect(cancelled.field("JobState") == "CANCELLED", "a cancelled job was requeued")
    submit("cancelled", options=two).expect_whole(0)

    run_array(slurm, section)

    bereft.wait_until("FAILED")
    expect(not bereft.ranks() and int(bereft.field("Restarts")) == 0, f"bereft: ranks {bereft.ranks()}: {bereft.out}")
    submit("bereft", "many-nodes.sbatch", on_two_nodes).expect_whole(0)

    slurm.wait(f"signal before the time limit: {limited.out}", lambda: "out of time" in limited.out)
    limited.go_on()
    limited.expect_whole(1)


def run_array(slurm, section):
    for name in ("left", "right"):
        (section.folder / f"{name}.h5ad").symlink_to("section.h5ad")
    (section.folder / "sections.txt").write_text("left.h5ad 3\nright.h5ad\n")
    job = Job(slurm, section, "array", "sections.sbatch", ("--ntasks=2", "--array=1-2"),
              ["sections.txt", "run.yaml"])
    slurm.wait("end of the array", lambda: all((section.folder / "runs" / name / "result.h5ad").exists()
                                               for name in ("left", "right")) or "error" in job.out)
    slurm.wait("end of the array's tasks", lambda: job.id not in ask("squeue", "-h", "-o", "%F"))
    for name in ("left", "right"):
        expect_same_result(section.folder / "whole", section.folder / "runs" / name,
                           but_for=("uns/stamarker/config",))  # it names the input
    print("array: both sections the same bits", flush=True)


def main():
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    enter_own_namespaces("Slurm", ("munged", "slurmctld", "slurmd", "sbatch", "srun"), "slurm-wlm munge",
                         "to start its daemons in namespaces of their own")
    # Loopback, and one address more: without it getaddrinfo finds no network at all.
    for words in ("link set lo up", "link add stm0 type veth peer name stm1", "addr add 192.0.2.1/24 dev stm0",
                  "link set stm0 up"):
        if subprocess.run(["ip", *words.split()], capture_output=True).returncode != 0:
            skip(f"Slurm: `ip {words}` fails in a network namespace")

    with Section() as section:
        whole = section.run("whole")
        expect(whole.code == 0, whole.error)
        with Slurm(section.folder / "slurm") as slurm:
            run_jobs(slurm, section)


if __name__ == "__main__":
    main()
