"""The grid that is searched: axes of discrete values, and rules about allowed combinations.

Each parameter is an *axis*: an ordered list of numbers or a set of alternatives. A point of the
grid is a tuple of *levels*, one per axis, and a space turns the names and values that a program
gets (params) into levels and back; everything that searches works on levels alone. Rules forbid
combinations (``Require("tile_x * tile_y <= 1024")``) or make a parameter conditional on others
(``When("optimizer == 'sgd'", "momentum")``), as conditional hyperparameters do in ConfigSpace. A
conditional parameter that is not active is at level 0, so that all its values are one point.
Where the valid points are known one by one - those of a log, or what the solver of another
framework found - `Space.among` takes them as they are.

- `values`, `spacing`: which values are the same, and evenly or logarithmically spaced ones;
- `axes`, `choice`: the types of axes, `Ordinal` and `Choice`, and the registry of all types;
- `expression`, `names`: rules as text, a safe subset of Python, and the names in them;
- `points`, `rows`: points as arrays, sets of points, and points as people have them;
- `among`: a set of points as a rule, and how it is written down;
- `rules`: `Require` and `When`;
- `tabulated`: one rule with the answers that it gave;
- `validity`: all rules of a space, bound to its axes;
- `sampling`: uniform samples of valid points, also of grids too large to enumerate;
- `serialise`: spaces as JSON, fingerprints, differences;
- `space`: `Space`, which puts all this together.
"""

from dsice.space.among import Among
from dsice.space.axes import Axis, Ordinal
from dsice.space.choice import Choice
from dsice.space.rules import Require, Rule, When
from dsice.space.space import Space

__all__ = ["Among", "Axis", "Choice", "Ordinal", "Require", "Rule", "Space", "When"]
