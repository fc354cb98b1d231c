"""Trials as processes of this machine, each under a supervisor of its own.

A shell starts a program and forgets its children; a trial of `Local` is a whole tree of processes
that really ends when the trial does. Between coordinator and trial stands a supervisor (the script
`dsice.launchers.standalone._supervise`): it holds the time limit, ends what the trial started, and
writes down how it ended even if the coordinator was killed meanwhile, so that a restarted one finds
the trial again. On a machine with four GPUs, ``Local(train, gpus=4)`` gives each trial one.

- `launcher`: `Local` itself, the hooks of a launcher.
- `process`: one running trial, through its supervisor.
- `pinning`: which GPU and which cores belong to each slot.
"""

from dsice.launchers.local.launcher import Local

__all__ = ["Local"]
