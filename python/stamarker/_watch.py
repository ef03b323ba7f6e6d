"""Runs the command of its arguments, and asks it to save and end (SIGUSR1) once standard input closes.

Whoever started it holds the other end of that pipe, which closes however that process ends: by SIGKILL too, as
when the kernel of a notebook is restarted. Ends with the command's exit code, 128 + signal for a killed one.
"""

import os
import signal
import subprocess
import sys
import threading


def ask_when_closed(process):
    while os.read(sys.stdin.fileno(), 1):
        pass
    process.send_signal(signal.SIGUSR1)  # mpirun and srun pass this one on


def main():
    process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    threading.Thread(target=ask_when_closed, args=(process,), daemon=True).start()
    code = process.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
