r"""Record what dsice 0.1.0 makes of generated outputs of programs, for `test_measurement.py`.

Run it with a checkout of 0.1.0 (commit 79ae3c9) as PYTHONPATH::

    PYTHONPATH=/path/to/0.1.0 python tests/launchers/record_outputs.py \
        | gzip -n9 > tests/launchers/outputs.json.gz

Outputs that 0.1.0 refuses are left out, and two kinds that are meant to have another meaning since:
a metric of the goal that is true or false, and the key ``invalid`` with true or a text.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import warnings
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

SEED, WANTED = 17, 400
GOALS: list[dict[str, Any]] = [
    {"metric": "loss"},
    {"metric": "value"},
    {"metric": "accuracy", "maximize": True},
    {"metric": "loss", "at_most": {"memory": 8}},
    {"metric": "ms", "at_most": {"error": 1e-3}, "at_least": {"accuracy": 0.5}},
    {"metric": "value", "at_most": {"memory": 8}},
    {"metric": "loss", "at_most": {"value": 3}},
]
NAMES = ("loss", "accuracy", "memory", "ms", "error", "value", "epoch", "größe", "a b", "x.y")
NOISE = (
    "epoch 1 ...",
    "",
    "  ",
    "\x1b[32mok\x1b[0m",
    '{"epoch": 1}',
    "loss: 0.7",
    "100%|###|\r",
    "}",
)


def number(random: random.Random) -> str:
    """A number as a program may print it."""
    kinds = (
        lambda: repr(random.uniform(-2, 2)),
        lambda: str(random.randint(-5, 300)),
        lambda: f"{random.uniform(-9, 9):.2e}",
        lambda: f"{random.lognormvariate(0, 30):.17g}".replace("inf", "Infinity"),
        lambda: random.choice(
            ["NaN", "Infinity", "-Infinity", "null", "0", "-0.0", "1E5", "1e400"]
        ),
        lambda: str(random.randint(10**17, 10**30)),
    )
    return random.choices(kinds, (6, 6, 3, 1, 1, 1))[0]()


def measurement(random: random.Random, goal: Mapping[str, Any]) -> tuple[str, bool]:
    """A last line, and whether it is of a kind that has another meaning now."""
    kind = random.random()
    if kind < 0.2:
        return number(random), False
    if kind < 0.35:
        return "[" + ", ".join(number(random) for _ in range(random.randint(1, 5))) + "]", False
    bounded = [*goal.get("at_most", {}), *goal.get("at_least", {})]
    names = list(dict.fromkeys((goal["metric"], *bounded))) if random.random() < 0.9 else []
    names += random.sample(NAMES, random.randint(0, 4))
    random.shuffle(names)
    values = {name: number(random) for name in names}
    for name in names:
        if random.random() < 0.06:
            values[name] = random.choice(["true", "false"])
    blank = random.choice(["", " ", "\t"])
    fields = (f"{json.dumps(name)}:{blank}{value}" for name, value in values.items())
    changed = values.get(goal["metric"]) in ("true", "false")
    return "{" + f",{blank}".join(fields) + "}", changed


def output(random: random.Random, goal: Mapping[str, Any]) -> tuple[str, bool]:
    """All that a program prints."""
    line, changed = measurement(random, goal)
    noise = [random.choice(NOISE) for _ in range(random.randint(0, 4))]
    end = random.choice(["\n", "", "\n\n", "\r\n", " \n", "\n \n\t\n"])
    return "\n".join([*noise, random.choice(["", "", "  "]) + line]) + end, changed


def told(goal: Mapping[str, Any], text: str, folder: Path) -> dict[str, Any] | None:
    """What 0.1.0 records of an output; None: it refuses it."""
    from dsice import Goal, Tuner
    from dsice.errors import TellError

    _output: Any = import_module("dsice.launchers._output")

    path = folder / "stdout"
    path.write_bytes(text.encode())
    try:
        value, metrics = _output.measurement(_output.last_line(path))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tuner = Tuner({"x": [1, 2, 3]}, goal=Goal(**goal))
            trial = tuner.tell(tuner.ask(1)[0], value, metrics=metrics)
    except (_output.NoMeasurement, TellError):
        return None
    return recorded(trial)


def recorded(trial: Any) -> dict[str, Any]:
    """What is compared of a trial, as text: NaN is no number of JSON."""
    return {
        "state": str(trial.state),
        "values": list(map(repr, trial.values)),
        "metrics": {name: repr(value) for name, value in sorted(trial.metrics.items())},
    }


def main() -> None:
    """Print the outputs and what became of them."""
    draw = random.Random(SEED)
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        while len(found) < WANTED:
            goal = draw.choice(GOALS)
            text, changed = output(draw, goal)
            if not changed and (trial := told(goal, text, Path(folder))) is not None:
                found.append({"goal": goal, "output": text, "told": trial})
    lines = ",\n".join(json.dumps(entry) for entry in found)
    sys.stdout.write(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
