"""A process that has imported rushlight and forks the ranks of jobs.

Importing is most of what a small job costs. ``Nursery`` is the tests' side; run as a program, this
file is the other side: it reads a job per line (JSON: environments, the program and its arguments,
a file for each rank's output), forks, waits, and writes exit codes.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path


class Nursery:
    """Ranks of jobs, without the cost of starting Python."""

    def __init__(self, environment):
        self.environment = environment
        self.process = None

    def _start(self):
        self.process = subprocess.Popen(
            [sys.executable, __file__],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, environments, argv, timeout):
        """Exit codes and outputs of the ranks."""
        if self.process is None:
            self._start()
        with tempfile.TemporaryDirectory() as folder:
            files = [str(Path(folder) / str(i)) for i in range(len(environments))]
            request = {"environments": environments, "argv": argv, "files": files}
            self.process.stdin.write(f"{json.dumps({**request, 'timeout': timeout})}\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
            texts = [Path(f).read_text(errors="replace") for f in files if Path(f).exists()]
            if not answer:
                raise RuntimeError(f"the nursery has died: {texts}")
            codes = json.loads(answer)
            if codes is None:
                raise TimeoutError(f"not ended after {timeout} s: {texts}")
            return codes, texts

    def close(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.stdout.close()
            self.process.wait(20)


# ---- the other side ------------------------------------------------------------------------------


def become(environment, argv, file, main):
    """The rank's own process: never returns."""
    import atexit
    import threading

    os.setsid()
    out = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    null = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, null), (1, out), (2, out)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(environment)
    code = 1
    try:
        code = main(argv)
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
    try:
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code or 0)


def serve(main):
    for line in sys.stdin:
        job = json.loads(line)
        pids = []
        for environment, file in zip(job["environments"], job["files"], strict=True):
            pid = os.fork()
            if pid == 0:
                signal.alarm(0)
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                become(environment, job["argv"], file, main)
            pids.append(pid)
        late = []

        def end(*_, pids=pids, late=late):
            late.append(True)
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)

        signal.signal(signal.SIGALRM, end)
        signal.alarm(int(job["timeout"]))
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        signal.alarm(0)
        print(json.dumps(None if late else codes), file=answers, flush=True)


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w")
    from rushlight import distributed  # noqa: F401 (so that the ranks have it)
    from rushlight.__main__ import main

    serve(main)
