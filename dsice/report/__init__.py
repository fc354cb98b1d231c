"""The report of a search: one HTML file that shows all of it, and that needs nothing else.

A person looks before reading, and often on a machine that has no server and no network. So the
file holds everything: the data as JSON, and a page of plain JavaScript that draws it. Whatever is
marked in one chart is marked in all others (linked brushing; Becker and Cleveland, Technometrics
29, 1987), in the table of the trials too. Works on a journal that is being written.

- `writing`: `write_report`, the only way in;
- `contents`: all parts of a report, as one object of JSON;
- `study`: what was tuned, from which start, and how to do it again;
- `outcome`: the best, what it gained, why the search ended; `advice`: what to try next;
- `trials`: the columns of all trials; `curves`: their learning curves; `failures`: why some failed;
- `model`: importance, effects; `lines`: pictures of lines through the grid;
- `encode`: numbers, columns and texts as JSON that is safe inside HTML;
- `joining`: the modules and styles in ``page/`` as one file with its security policy.
"""

from dsice.report.writing import write_report

__all__ = ["write_report"]
