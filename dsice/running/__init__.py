"""The coordinator: it asks a tuner for trials, has a launcher run them, and tells the results.

Ask and tell is the usual cut between an optimiser and the programs that it tunes: whoever calls
`ask` and `tell` decides where and when the programs run. Here dsice does that itself. In mode
``"async"`` each free slot gets a new trial at once, in mode ``"rounds"`` all slots wait for the
slowest trial of a batch. What a coordinator knows is in the journal: another one goes on where it
stopped, and a trial that the machine lost is started again.

`run` has the functions that users call, `options` their options, `loop` the loop itself,
`preparing` the work that all trials depend on, `progress` the line on the terminal.
"""

from dsice.running.run import advance, minimize, run

__all__ = ["advance", "minimize", "run"]
