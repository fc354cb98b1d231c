"""Tables of measurements that others wrote: what of them is what, cell by cell.

A log is a table with a row for each measurement. Every program writes it in its own way: separators
and decimal commas, words for "failed", run times as durations, a column of numbers that is an id.
What is read here is read rightly or refused by name, for sources (`dsice.reuse`), replays
(`dsice.launchers.Table`) and imports (`Tuner.add_all`) alike.

`files` reads a file into a table, by the ending of its name (`delimited` and `json_lines` know
two formats); `columns` finds the columns that mean something, `looks` what one looks like; `cells`
makes numbers, run times and states of cells; `axes` guesses the axes of a log; `measurements` has
its rows as they are told;
`writing` writes the trials of a study as such a table.
"""
