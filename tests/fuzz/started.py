"""Starts the program under limits and says how it ended."""

import dataclasses
import os
import pathlib
import re
import resource
import signal
import subprocess
import time

MOST_BYTES = 2 * 2**30  # of memory in use
ADDRESS_SPACE = 8 * 2**30  # guards the machine; a sanitizer needs far more, and has a limit of its own
ERROR_OF_SANITIZER = 99
FRAME = re.compile(r"^\s*#\d+ +(?:0x[0-9a-f]+ +)?(?:in +)?(.*)", re.MULTILINE)
# Frames that say nothing of who called: the C library, the sanitizers' own functions, signal handlers.
RUNTIME = re.compile(r"libasan|libubsan|libc\.so|/libc-|sanitizer|libpthread|<signal handler|^__|^_?_GI_|^raise|^abort|"
                     r"^mem(cpy|move|set|cmp)|^str(len|dup|cmp|cpy)|^operator|^malloc|^calloc|^realloc|^free|^kill|sysdeps|"
                     r"pthread_kill|^\?\? \(\)$")


@dataclasses.dataclass
class Ended:
    code: int  # negative: the signal
    out: str
    error: str
    seconds: float
    bytes: int
    is_timeout: bool = False
    stack: str = ""

    @property
    def is_crash(self):
        return self.code < 0 or self.code == ERROR_OF_SANITIZER


def environment():
    sanitizers = (f"exitcode={ERROR_OF_SANITIZER}:detect_leaks=0:hard_rss_limit_mb={MOST_BYTES >> 20}:"
                  f"max_allocation_size_mb={MOST_BYTES >> 20}:allocator_may_return_null=0:handle_abort=1")
    return os.environ | {
        "OMP_NUM_THREADS": "1",
        "OMPI_MCA_opal_signal": "",  # its handler may wait for ever; we want the signal itself
        "OMPI_MCA_btl": "self",
        "HDF5_USE_FILE_LOCKING": "FALSE",
        "ASAN_OPTIONS": sanitizers,
        "UBSAN_OPTIONS": f"print_stacktrace=1:exitcode={ERROR_OF_SANITIZER}",
    }


def is_sanitized(program):
    return b"__asan_init" in pathlib.Path(program).read_bytes()


def start(program, folder, words, seconds, limit_address_space):
    def limit():
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**28, 2**28))
        if limit_address_space:
            resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))

    out, error = folder / "stdout.txt", folder / "stderr.txt"
    began = time.monotonic()
    with open(out, "wb") as to_out, open(error, "wb") as to_error:
        process = subprocess.Popen([program, *words], cwd=folder, stdout=to_out, stderr=to_error, stdin=subprocess.DEVNULL,
                                   env=environment(), preexec_fn=limit)
        is_timeout, stack = False, ""
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            passed = time.monotonic() - began
            if pid != 0:
                break
            if passed > 4 * seconds and not is_timeout:
                is_timeout, stack = True, stack_of_running(process.pid)
                process.kill()
            time.sleep(0.002 if passed < 1 else 0.05)
    process.returncode = os.waitstatus_to_exitcode(status)
    code = process.returncode
    is_timeout = is_timeout or code == -signal.SIGXCPU
    text = [path.read_text(errors="replace") for path in (out, error)]
    return Ended(code, *text, seconds=passed, bytes=usage.ru_maxrss * 1024, is_timeout=is_timeout, stack=stack)


def stack_of_running(pid):
    done = subprocess.run(["gdb", "-batch", "-p", str(pid), "-ex", "bt 40"], capture_output=True, text=True, timeout=120)
    return done.stdout


def stack_of_crash(program, folder, words, seconds):
    """The same once more under gdb, for a program without sanitizers."""
    command = ["gdb", "-batch", "-ex", "set startup-with-shell off", "-ex", "run", "-ex", "bt 40", "--args",
               program, *words]
    try:
        done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=4 * seconds,
                              stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"no stack: {error}"
    return done.stdout


def frames_of(stack):
    return [frame for frame in FRAME.findall(stack) if not RUNTIME.search(frame)]


def is_of_hdf5(frame):
    return "libhdf5" in frame or re.match(r"H5\w+ ", frame) is not None


def is_fault_of_hdf5(stack):
    """Whether the innermost function is HDF5's and the memory at fault, if any is told, is its own too."""
    parts = re.split(r"(?:previously )?allocated by thread|is located in stack", stack)
    of_crash = frames_of(parts[0])
    if not of_crash or not is_of_hdf5(of_crash[0]):
        return False
    of_memory = frames_of(parts[1]) if len(parts) > 1 else []
    return not of_memory or is_of_hdf5(of_memory[0])
