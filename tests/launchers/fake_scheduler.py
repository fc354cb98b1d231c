"""Fakes of PJM (pjsub, pjstat, pjdel) and PBS (qsub, qstat, qdel).

They give the documented replies and run jobs as processes of this machine. This script is
installed under those names. Files in ``$FAKE`` steer what it does; a test may change them anytime:

=============  ==========================================================================
``limit``      that many jobs in the queue at most; one more is refused as by a full queue
``hold``       jobs wait and do not start while this file exists
``refuse``     its text is what a submission is answered with, and exit code 1
``swallow``    a submission is answered as by a full queue, though the job is taken
``slow``       a submission is answered after a second
``submit``     its text is what a submission is answered with, though the job is taken
``queue``      its text is what the queue command prints
``down``       the queue command fails with its text
``log``        one line for each command called
=============  ==========================================================================

Jobs get an empty environment: neither PJM (without -X) nor PBS (without -V) passes one on.
"""

# ruff: noqa: PTH108, PTH110, PTH118, PTH119, PTH123, PTH208
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


def jobs() -> list[tuple[int, str, int]]:
    """Id, name and process of each job in the queue; process 0: held."""
    found = []
    for entry in sorted(os.listdir(os.path.join(PLACE, "jobs")), key=int):
        name, _, pid = (told(f"jobs/{entry}") or "").partition(" ")
        if pid and (int(pid) == 0 or alive(int(pid))):
            found.append((int(entry), name, int(pid)))
    return found


def start(script: str) -> int:
    log = re.search(r'^#P\w+ -o "?([^"\n]+)"?$', told(script) or "", re.MULTILINE)
    assert log is not None
    with open(log[1], "ab") as out:
        clean = {"PATH": "/usr/bin:/bin", "HOME": "/"}
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
    limit = told("limit")
    if limit is not None and len(jobs()) >= int(limit):
        print(FULL[ME], file=sys.stderr)
        return 1
    with open(os.path.join(PLACE, "counter"), "a+") as counter:
        fcntl.flock(counter, fcntl.LOCK_EX)
        counter.seek(0)
        number = len(counter.read()) + 100
        counter.write("x")
    name = re.search(r"^#P\w+ -N (\S+)$", told(script) or "", re.MULTILINE)
    assert name is not None and len(name[1]) <= 15
    held = os.path.exists(os.path.join(PLACE, "hold"))
    # real schedulers copy the script, too: the file may change afterwards
    copy = os.path.join(PLACE, f"script.{number}")
    with open(script) as source, open(copy, "w") as target:
        target.write(source.read())
    with open(os.path.join(PLACE, "jobs", str(number)), "w") as file:
        file.write(f"{name[1]} {0 if held else start(copy)}")
    if told("swallow") is not None:
        print(FULL[ME], file=sys.stderr)
        return 1
    print(
        told("submit")
        or (
            f"[INFO] PJM 0000 pjsub Job {number} submitted."
            if ME == "pjsub"
            else f"{number}.server"
        )
    )
    return 0


def queue() -> int:
    if (no := told("down")) is not None:
        print(no, file=sys.stderr)
        return 1
    if (text := told("queue")) is not None:
        print(text)
        return 0
    if ME == "pjstat":
        assert sys.argv[1:] == ["--choose", "jid,st,jnam"]
        print("JOB_ID     ST  JOB_NAME")
        for number, name, pid in jobs():
            print(f"{number:<10} {'RUN' if pid else 'QUE'} {name}")
    elif jobs():
        print("Job id            Name             User              Time Use S Queue")
        print("----------------  ---------------- ----------------  -------- - -----")
        for number, name, pid in jobs():
            used, state = ("00:00:00", "R") if pid else ("0", "Q")
            print(f"{f'{number}.server':<17} {name:<16} {'someone':<16}  {used:>8} {state} workq")
    return 0


def cancel(ids: list[str]) -> int:
    for number, _, pid in jobs():
        if str(number) in ids:
            for sign in (signal.SIGTERM, signal.SIGKILL):
                if pid and alive(pid):
                    os.killpg(pid, sign)
                    until = time.monotonic() + 2
                    while alive(pid) and time.monotonic() < until:
                        time.sleep(0.02)
            os.unlink(os.path.join(PLACE, "jobs", str(number)))
            if ME == "pjdel":
                print(f"[INFO] PJM 0100 pjdel Accepted job {number}.")
    return 0


with open(os.path.join(PLACE, "log"), "a") as diary:
    diary.write(f"{ME} {' '.join(sys.argv[1:])}\n")
if ME in FULL:
    sys.exit(submit(sys.argv[1]))
sys.exit(queue() if ME in ("pjstat", "qstat") else cancel(sys.argv[1:]))
