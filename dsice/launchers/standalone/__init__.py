"""Two scripts that run beside a trial, also on machines without dsice: standard library only.

`_supervise` watches over a trial, `_call` calls a Python function as a trial; `_processes` and
`_seldom` are parts of the first, and the second is loaded only when something is wrong. They are
imported by their bare names from this folder, which is put into ``sys.path`` of the trial's
process, or copied to where a job runs. Nothing else may be put here: a user's module of the same
name would be hidden, or hide it.
"""
