"""Fakes of PJM (pjsub, pjstat, pjdel), PBS (qsub, qstat, qdel) and Slurm (sbatch, squeue, scancel).

They give the documented replies and run jobs as processes of this machine. This script is
installed under those names. Files in ``$FAKE`` steer what it does; a test may change them anytime:

=============  ==========================================================================
``limit``      that many jobs in the queue at most; one more is refused as by a full queue
``hold``       jobs wait and do not start while this file exists
``refuse``     its text is what a submission is answered with, and exit code 1
``array``      an array of more jobs than this is refused
``swallow``    a submission is answered as by a full queue, though the job is taken
``lie``        the next so many submissions are answered as timed out, though they are taken
``slow``       a submission is answered after a second
``submit``     its text is what a submission is answered with, though the job is taken
``late``       a job is listed only so many seconds after its submission
``queue``      its text is what the queue command prints
``noise``      its text stands in front of every list of jobs
``cut``        lists of jobs lack their last so many characters
``empty``      lists of jobs are empty, with exit code 0 and its text on stderr
``down``       the queue command fails with its text
``keep``       every command leaves a process that keeps its output open for so many seconds
``hang``       every command does not end by itself, after it has done what it is to do
``log``        one line for each command called
=============  ==========================================================================

Jobs get an empty environment: neither PJM (without -X) nor PBS (without -V) passes one on.
"""

# ruff: noqa: PTH108, PTH110, PTH118, PTH119, PTH123, PTH204, PTH208
from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import sys
import time

PLACE = os.environ["FAKE"]
ME = os.path.basename(sys.argv[0])
FULL = {
    "pjsub": "[ERR.] PJM 0058 pjsub The number of jobs exceeds the upper limit.",
    "qsub": "qsub: would exceed queue workq's per-user limit of jobs in 'Q' state",
    "sbatch": "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission "
    "failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
}
LATE = {
    "pjsub": "[ERR.] PJM 0063 pjsub The connection timed out.",
    "qsub": "qsub: Connection timed out",
    "sbatch": "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
}
TOO_LARGE = "sbatch: error: Batch job submission failed: Invalid job array specification"
GONE = {
    "pjstat": "[ERR.] PJM 0130 pjstat Job {} does not exist.",
    "qstat": "qstat: Unknown Job Id {}.server",
    "squeue": "slurm_load_jobs error: Invalid job id specified",
}


def told(name: str) -> str | None:
    try:
        with open(os.path.join(PLACE, name)) as file:
            return file.read()
    except OSError:
        return None


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def number(job: str) -> list[int]:
    return [int(part) for part in job.split("_")]


def jobs(*, all: bool = True) -> list[tuple[str, str, int]]:
    """Id, name and process of each job in the queue; process 0: held."""
    found = []
    late = 0.0 if all else float(told("late") or 0)
    for entry in sorted(os.listdir(os.path.join(PLACE, "jobs")), key=number):
        name, _, pid = (told(f"jobs/{entry}") or "").rpartition(" ")
        if pid and (int(pid) == 0 or alive(int(pid))):
            age = time.time() - os.path.getmtime(os.path.join(PLACE, "jobs", entry))
            if age >= late:
                found.append((entry, name, int(pid)))
    return found


def directive(script: str, pattern: str) -> str | None:
    found = re.search(rf"^#[SP]\w+ {pattern}$", told(script) or "", re.MULTILINE)
    return found and (found[1] or found[2])


def start(script: str, index: int | None) -> int:
    log = directive(script, r'(?:-o |--output=)(?:"([^"\n]+)"|([^\s"]+))')
    assert log is not None
    with open(log, "ab") as out:
        clean = {"PATH": "/usr/bin:/bin", "HOME": "/"}
        if index is not None:
            clean["SLURM_ARRAY_TASK_ID"] = str(index)
        job = subprocess.Popen(
            ["/bin/bash", script],
            env=clean,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    return job.pid


def submit(script: str) -> int:
    if (no := told("refuse")) is not None:
        print(no, file=sys.stderr)
        return 1
    if told("slow") is not None:
        time.sleep(1)
    last = directive(script, r"--array=0-(\d+)()")
    size = 1 if last is None else int(last) + 1
    if size > int(told("array") or 1000):
        print(TOO_LARGE, file=sys.stderr)
        return 1
    limit = told("limit")
    if limit is not None and len(jobs()) + size > int(limit):
        print(FULL[ME], file=sys.stderr)
        return 1
    with open(os.path.join(PLACE, "counter"), "a+") as counter:
        fcntl.flock(counter, fcntl.LOCK_EX)
        counter.seek(0)
        job = len(counter.read()) + 100
        counter.write("x")
    name = directive(script, r"(?:-N |--job-name=)(\S+)()")
    assert name is not None and len(name) <= 15
    held = os.path.exists(os.path.join(PLACE, "hold"))
    # real schedulers copy the script, too: the file may change afterwards
    copy = os.path.join(PLACE, f"script.{job}")
    with open(script) as source, open(copy, "w") as target:
        target.write(source.read())
    for index in range(size):
        element = None if last is None else index
        entry = str(job) if element is None else f"{job}_{element}"
        with open(os.path.join(PLACE, "jobs", entry), "w") as file:
            file.write(f"{name} {0 if held else start(copy, element)}")
    if told("swallow") is not None:
        print(FULL[ME], file=sys.stderr)
        return 1
    if int(told("lie") or 0) > 0:
        with open(os.path.join(PLACE, "lie"), "r+") as lies:
            left = int(lies.read()) - 1
            lies.seek(0)
            lies.truncate()
            lies.write(str(left))
        print(LATE[ME], file=sys.stderr)
        return 1
    answers = {
        "pjsub": f"[INFO] PJM 0000 pjsub Job {job} submitted.",
        "qsub": f"{job}.server",
        "sbatch": str(job),
    }
    print(told("submit") or answers[ME])
    return 0


def lines() -> list[str]:
    """The list of all jobs, as this scheduler prints it."""
    listed = jobs(all=False)
    if ME == "pjstat":
        return ["JOB_ID     ST  JOB_NAME"] + [
            f"{job:<10} {'RUN' if pid else 'QUE'} {name}" for job, name, pid in listed
        ]
    if ME == "squeue":
        return [f"{job}|{'R' if pid else 'PD'}|{name}" for job, name, pid in listed]
    head = [
        "Job id            Name             User              Time Use S Queue",
        "----------------  ---------------- ----------------  -------- - -----",
    ]
    body = []
    for job, name, pid in listed:
        used, state = ("00:00:00", "R") if pid else ("0", "Q")
        body.append(f"{f'{job}.server':<17} {name:<16} {'someone':<16}  {used:>8} {state} workq")
    return head + body if body else []


def queue(arguments: list[str]) -> int:
    if (no := told("down")) is not None:
        print(no, file=sys.stderr)
        return 1
    if (no := told("empty")) is not None:
        print(no, end="", file=sys.stderr)
        return 0
    if (text := told("queue")) is not None:
        print(text)
        return 0
    shown = lines()
    known = ["--choose", "jid,st,jnam"]
    wanted = [a.removeprefix("--jobs=") for a in arguments if re.fullmatch(r"(--jobs=)?[\d_]+", a)]
    if ME == "pjstat":
        assert [a for a in arguments if a not in ("-H", *wanted)] == known
        if "-H" in arguments:
            shown = shown[:1]
    if wanted:
        found = [line for line in shown if re.split(r"[\s.|]", line)[0] == wanted[0]]
        if not found:
            print(GONE[ME].format(wanted[0]), file=sys.stderr)
            return 1
        shown = found
    text = "".join(f"{line}\n" for line in [*(told("noise") or "").splitlines(), *shown])
    cut = int(told("cut") or 0)
    print(text[:-cut] if cut else text, end="")
    return 0


def cancel(ids: list[str]) -> int:
    for job, _, pid in jobs():
        if job in ids:
            for sign in (signal.SIGTERM, signal.SIGKILL):
                if pid and alive(pid):
                    os.killpg(pid, sign)
                    until = time.monotonic() + 2
                    while alive(pid) and time.monotonic() < until:
                        time.sleep(0.02)
            os.unlink(os.path.join(PLACE, "jobs", job))
            if ME == "pjdel":
                print(f"[INFO] PJM 0100 pjdel Accepted job {job}.")
    return 0


with open(os.path.join(PLACE, "log"), "a") as diary:
    diary.write(f"{ME} {' '.join(sys.argv[1:])}\n")
if told("keep"):  # as the master of a shared ssh connection does
    subprocess.Popen(["sleep", told("keep") or ""], start_new_session=True)
if ME in FULL:
    code = submit(sys.argv[-1])
else:
    code = queue(sys.argv[1:]) if ME in GONE else cancel(sys.argv[1:])
sys.stdout.flush()
if told("hang") is not None:
    subprocess.Popen(["sleep", "1000"])
    time.sleep(1000)
sys.exit(code)
