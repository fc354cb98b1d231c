"""Study files: what they say, and what is wrong with them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from dsice import Choice, DsiceWarning, Goal, Ordinal, Require, Share, Space, Tuner, When, run
from dsice.cli.main import main
from dsice.errors import DsiceError, OptionError, SpaceError
from dsice.launchers import Batch, Job, Local
from dsice.stopping import LearningCurveMatching, Median, SuccessiveHalving
from dsice.strategies import DSICE, Grid, OptunaSampler, Population
from dsice.study.file import read_study

FULL = """
[study]
command = "python train.py --lr {lr} --batch {batch} --opt {opt} --momentum {momentum:0}"
journal = "runs/a.jsonl"
max_trials = 50
max_seconds = 3600
seed = 4
slots = 3
timeout = 20.5
mode = "rounds"

[space]
batch = [16, 32, 64]
lr = {log = [1e-4, 1e-1], n = 4}
opt = {choice = ["sgd", "adam"]}
momentum = {linear = [0.0, 0.9], n = 4}
depth = {choice = [8, 2]}

[rules]
where = ["batch * lr <= 1"]
when = [{if = "opt == 'sgd'", params = ["momentum"]}]

[goal]
metric = "loss"
maximize = true
at_most = {memory = 16}
time_weight = "auto"
until = {share = 0.5}

[strategy]
name = "DSICE"
max_width = 3
start = {batch = 32, lr = 1e-3, opt = "adam", depth = 8}
"""
SHORT = '[study]\ncommand = "prog {x}"\n[space]\nx = [1, 2, 3]\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "study.toml"
    path.write_text(text)
    return path


def test_everything_a_study_file_says_arrives(tmp_path: Path) -> None:
    study = read_study(written(tmp_path, FULL))
    space = Space(
        {
            "batch": [16, 32, 64],
            "lr": Ordinal.log(1e-4, 1e-1, 4),
            "opt": Choice(["sgd", "adam"]),
            "momentum": Ordinal.linear(0.0, 0.9, 4),
            "depth": Choice([8, 2]),
        },
        where=[Require("batch * lr <= 1"), When("opt == 'sgd'", "momentum")],
    )
    assert study.space.to_dict() == space.to_dict()
    assert study.goal == Goal(
        "loss", maximize=True, at_most={"memory": 16}, time_weight="auto", until=Share(0.5)
    )
    assert study.strategy == DSICE(
        max_width=3, start={"batch": 32, "lr": 1e-3, "opt": "adam", "depth": 8}
    )
    assert study.journal == tmp_path / "runs/a.jsonl"
    options = (
        study.max_trials,
        study.options.max_seconds,
        study.seed,
        study.slots,
        study.timeout,
        study.options.mode,
    )
    assert options == (50, 3600, 4, 3, 20.5, "rounds")
    assert not study.is_function
    assert study.launcher().slots == 3


def test_defaults(tmp_path: Path) -> None:
    study = read_study(written(tmp_path, SHORT))
    assert study.journal == tmp_path / "study.jsonl"
    assert (study.strategy, study.goal, study.options.mode, study.max_trials) == (
        DSICE(),
        Goal(),
        "async",
        None,
    )


def test_strategy_names_ignore_case(tmp_path: Path) -> None:
    assert read_study(
        written(tmp_path, SHORT + '[strategy]\nname = "grid"\nstride = 2\n')
    ).strategy == Grid(stride=2)


def test_a_population_and_a_stopper_can_be_written_in_a_study_file(tmp_path: Path) -> None:
    population = "[strategy]\nname = 'population'\nmembers = 4\nstages = 3\nperturb = ['x']\n"
    matching = (
        "[stopper]\nname = 'LearningCurveMatching'\n"
        "points = [1, 2]\ncheckpoints = [2]\nstop_rank = 0.25\n"
    )
    study = read_study(written(tmp_path, SHORT + population + matching))
    assert study.strategy == Population(members=4, stages=3, perturb=["x"]) and study.goal == Goal(
        stage=2
    )
    assert study.stopper == LearningCurveMatching([1, 2], [2], stop_rank=0.25)
    with study.tuner() as tuner:
        assert len(tuner.ask(9)) == 4
    kept = Tuner.resume(study.journal)
    assert kept.stopper == study.stopper and kept.strategy == study.strategy
    kept.close()
    assert read_study(written(tmp_path, SHORT + "[stopper]\nname = 'median'\n")).stopper == Median()
    halving = "[stopper]\nname = 'successivehalving'\nsteps = [1, 3, 9]\n"
    assert read_study(written(tmp_path, SHORT + halving)).stopper == SuccessiveHalving([1, 3, 9])
    assert read_study(written(tmp_path, SHORT + "[goal]\nstage = 1\n")).goal == Goal(stage=1)


def test_a_sampler_of_optuna_beside_the_study_file_is_found(tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="Optuna is not installed: pip install 'dsice[optuna]'")
    (tmp_path / "my_samplers.py").write_text("from optuna.samplers import RandomSampler as mine\n")
    text = (
        SHORT
        + "[strategy]\nname = 'optunasampler'\nsampler = 'my_samplers:mine'\npending = 'ignore'\n"
    )
    study = read_study(written(tmp_path, text))
    assert study.strategy == OptunaSampler("my_samplers:mine", pending="ignore")
    with study.tuner() as tuner:
        assert len(tuner.ask(2)) == 2
    with pytest.raises(OptionError, match=r"\[strategy\].*'lost_samplers:mine'"):
        read_study(written(tmp_path, text.replace("my_samplers", "lost_samplers")))


def test_a_run_of_a_study_file_stops_trials_early(tmp_path: Path) -> None:
    program = """
import time, dsice
def train(x):
    for epoch in range(1, 400):
        if dsice.step(epoch, x) or (epoch == 3 and x <= 2):
            break
        time.sleep(0.05)
    return x
"""
    (tmp_path / "early_end.py").write_text(program)
    text = SHORT.replace('command = "prog {x}"', 'function = "early_end:train"').replace(
        "[1, 2, 3]", "[1, 2, 3, 4, 5]"
    )
    stopper = "[strategy]\nname = 'grid'\n[stopper]\nname = 'median'\ncomplete = 2\n"
    study = read_study(written(tmp_path, text.replace("[space]", "slots = 1\n[space]") + stopper))
    with study.tuner() as tuner, study.launcher() as launcher:
        run(tuner, launcher, progress=False)
    assert [str(t.state) for t in tuner.history] == [
        "done",
        "done",
        "stopped",
        "stopped",
        "stopped",
    ]
    assert tuner.best is not None and tuner.best.value == 1


WRONG = [
    (SHORT + "[stopper]\ncomplete = 2\n", ["[stopper]", "name is missing"]),
    (SHORT + "[stopper]\nname = 'medain'\n", ["[stopper]", "medain", "'median'"]),
    (SHORT + "[stopper]\nname = 'median'\nquantile = 2\n", ["[stopper]", "quantile", "warmup"]),
    (
        SHORT + "[stopper]\nname = 'learningcurvematching'\npoints = [1]\n",
        ["[stopper]", "checkpoints missing"],
    ),
    (SHORT + "[stopper]\nname = 'median'\ncomplete = 'two'\n", ["[stopper]", "complete", "'two'"]),
    (
        SHORT + "[stopper]\nname = 'successivehalving'\nsteps = [1]\nkeep = 3\n",
        ["[stopper]", "keep=3", "1/3"],
    ),
    (SHORT + "[stoper]\nname = 'median'\n", ["stoper", "'stopper'"]),
    (
        SHORT + "[strategy]\nname = 'population'\nstages = 3\n[goal]\nstage = 1\n",
        ["[goal]", "stage = 1", "expected 2"],
    ),
    (SHORT + "[strategy]\nname = 'population'\nperturb = ['y']\n", ["[strategy]", "'y'", "['x']"]),
    (SHORT + "[strategy]\nname = 'population'\nperturb = 3\n", ["[strategy]", "perturb=3"]),
    (SHORT + "[strategy]\nname = 'population'\nmembers = 1\n", ["[strategy]", "members=1"]),
    (SHORT + "[strategy]\nname = 'optunasampler'\noptions = ['a']\n", ["[strategy]", "options"]),
    (SHORT + "[strategy]\nname = 'optunasampler'\npending = 'model'\n", ["[strategy]", "pending"]),
    (SHORT.replace("[space]", "[spaec]"), ["spaec", "'space'"]),
    (SHORT.replace("[space]\nx = [1, 2, 3]", ""), ["[space]", "missing"]),
    (SHORT.replace("command", "comand"), ["[study]", "comand", "'command'"]),
    (SHORT + "[goal]\nmaximise = true\n", ["[goal]", "maximise", "'maximize'"]),
    (SHORT + "[goal]\nmaximize = 1\n", ["[goal]", "maximize", "true or false"]),
    (SHORT + "[goal]\nuntil = {rounds = 3}\n", ["until", "rounds", "trials"]),
    (SHORT + "[goal]\nat_most = 3\n", ["[goal]", "at_most"]),
    (SHORT + "[rules]\nwhere = 'x < 2'\n", ["[rules]", "where", "list"]),
    (SHORT + "[rules]\nwhere = ['y < 2']\n", ["y"]),
    (SHORT + "[rules]\nwhen = [{iff = 'x < 2', params = ['x']}]\n", ["rules.when, entry 1", "iff"]),
    (SHORT + "[strategy]\nname = 'dsise'\n", ["[strategy]", "dsise", "'dsice'"]),
    (SHORT + "[strategy]\nmax_widht = 2\n", ["max_widht", "max_width"]),
    (SHORT + "[strategy]\nstart = {x = 7}\n", ["[strategy]", "start", "7"]),
    (SHORT + "[strategy]\nstart = 7\n", ["[strategy]", "start", "7"]),
    (SHORT.replace("{x}", "{z}"), ["placeholder", "'z'", "x"]),
    (SHORT.replace("{x}", "{x"), ["{"]),
    (SHORT.replace("[1, 2, 3]", "{log = [1], n = 3}"), ["space.x", "log", "[lo, hi]"]),
    (SHORT.replace("[1, 2, 3]", "{log = [1, 5]}"), ["[space]", "n = 5"]),
    (SHORT.replace("[1, 2, 3]", "{log = [0, 5], n = 3}"), ["space.x", "positive"]),
    (SHORT.replace("[1, 2, 3]", "3"), ["[space]", "x = 3"]),
    (SHORT.replace("[1, 2, 3]", "[1, 1]"), ["x", "1"]),
    (SHORT.replace("[space]", "max_trials = 0\n[space]"), ["[study]", "max_trials = 0", ">= 1"]),
    (SHORT.replace("[space]", "timeout = -2\n[space]"), ["[study]", "timeout"]),
    (SHORT.replace("[space]", "mode = 'batch'\n[space]"), ["[study]", "mode", "rounds"]),
    (SHORT.replace("[space]", "function = 'a:b'\n[space]"), ["either", "function"]),
    (SHORT.replace('command = "prog {x}"', "function = 'a.b'"), ["module:function"]),
    ("[study", ["TOML"]),
    (SHORT.replace("{x}", "'{x}'"), ["[study]", "end the quotes", "'{x}'"]),
    (SHORT.replace("{x}", "{x:.2f} {y:1}").replace("[1, 2, 3]", "['a', 'b']"), ["format", "'a'"]),
    (SHORT.replace("{x}", "{x?--x}"), ["True, False or None", "x is 1"]),
    (SHORT + "[metrics]\nloss = 'loss: .*'\n", ["[metrics]", "one group", "loss: .*"]),
    (SHORT + "[metrics]\nloss = 'loss: (.*'\n", ["[metrics]", "no regular expression"]),
    (SHORT + "[metrics]\nloss = 3\n", ["[metrics]", "regular expression", "3"]),
    (SHORT.replace("[space]", "result = '/a'\n[space]"), ["[study]", "trial's directory", "'/a'"]),
    (SHORT.replace("[space]", "invalid_exit = 0\n[space]"), ["[study]", "invalid_exit=0"]),
    (
        SHORT.replace('command = "prog {x}"', "function = 'a:b'\nresult = 'r'"),
        ["[study]", "result", "dsice.Invalid"],
    ),
]


def test_programs_that_cannot_be_changed(tmp_path: Path) -> None:
    text = """
[study]
command = 'cd "$DSICE_DIR"; (echo accuracy: 0.1; echo accuracy: 0.9{x}) > log; exit {x}'
result = "log"
invalid_exit = 3
slots = 1
[space]
x = [0, 3, 5]
[goal]
metric = "accuracy"
maximize = true
[metrics]
accuracy = 'accuracy: ([-+0-9.eE]+)'
[strategy]
name = "grid"
"""
    study = read_study(written(tmp_path, text))
    with study.tuner() as tuner, study.launcher() as launcher:
        run(tuner, launcher, progress=False)
    assert [str(trial.state) for trial in tuner.history] == ["done", "invalid", "failed"]
    assert tuner.best is not None and tuner.best.metrics == {"accuracy": 0.9}


@pytest.mark.parametrize(("text", "words"), WRONG)
def test_wrong_study_files_are_refused_with_the_reason(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    with pytest.raises(DsiceError) as caught:
        read_study(written(tmp_path, text))
    assert isinstance(caught.value, ValueError | RuntimeError)
    for word in words:
        assert word in str(caught.value)


def test_a_conditional_parameter_needs_a_default_in_the_command(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"\{momentum:DEFAULT\}"):
        read_study(written(tmp_path, FULL.replace("{momentum:0}", "{momentum}")))


def test_a_missing_study_file(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="No such file"):
        read_study(tmp_path / "none.toml")


def test_a_function_beside_the_study_file_is_found_and_run(tmp_path: Path) -> None:
    (tmp_path / "beside_the_study.py").write_text("def cost(x):\n    return 10.0 * x\n")
    study = read_study(
        written(
            tmp_path,
            SHORT.replace('command = "prog {x}"', "function = 'beside_the_study:cost'\nslots = 1"),
        )
    )
    with study.launcher() as launcher:
        launcher.submit([Job(0, {"x": 3})])
        (result,) = launcher.collect(timeout=60)
    assert result.value == 30.0


@pytest.mark.parametrize(
    ("name", "word"), [("no_such_module:f", "no_such_module"), ("math:no_such", "no_such")]
)
def test_a_function_that_is_not_there(tmp_path: Path, name: str, word: str) -> None:
    study = read_study(
        written(tmp_path, SHORT.replace('command = "prog {x}"', f"function = '{name}'"))
    )
    with pytest.raises(OptionError, match=word):
        study.launcher()


def test_the_study_file_of_the_example_says_what_its_script_says() -> None:
    folder = Path(__file__).parents[2] / "examples" / "digits"
    spec = importlib.util.spec_from_file_location("digits_tune", folder / "tune.py")
    assert spec is not None and spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    study = read_study(folder / "study.toml")
    assert study.space.to_dict() == Space(script.SPACE).to_dict()
    assert study.strategy == DSICE(start=script.START)
    assert study.goal.metric == "loss"


def test_axes_that_are_wrong_name_the_axis(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match="'x'"):
        read_study(written(tmp_path, SHORT.replace("[1, 2, 3]", "[3, 1, 2]")))


# ---------------------------------------------------------------------- launcher
BATCH = """
[launcher]
kind = "batch"
scheduler = "pjm"
resources = {rscgrp = "small", elapse = "1:00:00", "-g" = "hp123456"}
requeue = 2
setup = ["module load python"]
env = {OMP_NUM_THREADS = "12"}
python = "python3"
"""


def test_a_study_file_can_choose_the_batch_launcher(tmp_path: Path) -> None:
    launcher = read_study(
        written(tmp_path, SHORT.replace("[space]", "slots = 7\n[space]") + BATCH)
    ).launcher()
    assert isinstance(launcher, Batch) and launcher.slots == 7
    assert launcher.directory == tmp_path / "study.jsonl.trials"
    text = launcher.dry_run([Job(3, {"x": 2})])[0].text
    for line in (
        '#PJM -L "rscgrp=small"',
        "#PJM -g hp123456",
        "export OMP_NUM_THREADS=12",
        "module load python",
    ):
        assert line in text.splitlines()
    assert "prog 2" in text
    assert isinstance(read_study(written(tmp_path, SHORT)).launcher(), Local)


def test_a_study_for_a_larger_machine_is_read_and_refused_only_where_trials_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    for option in ("gpus = 8", "cpus_per_trial = 4096"):
        study = read_study(written(tmp_path, f"{SHORT}\n[launcher]\n{option}\n"))
        with pytest.raises(OptionError, match=option.replace(" = ", "=")):
            study.launcher()


def test_each_slot_of_this_machine_has_its_gpus_and_cores(tmp_path: Path) -> None:
    text = """
[study]
command = "echo $CUDA_VISIBLE_DEVICES $OMP_NUM_THREADS >> seen-{x}; sleep 0.5; echo {x}"
max_trials = 2

[space]
x = [1, 2]

[launcher]
gpus = ["0,1", "2,3"]
cpus_per_trial = [[0], [0]]
stop_grace = 7
"""
    study = written(tmp_path, text.replace("seen", str(tmp_path / "seen")))
    launcher = read_study(study).launcher()
    launcher.close()
    assert launcher.slots == 2
    assert main(["run", str(study), "--no-progress"]) == 0
    seen = [(tmp_path / f"seen-{x}").read_text().strip() for x in (1, 2)]
    assert sorted(seen) == ["0,1 1", "2,3 1"]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (
            'kind = "btach"',
            r"study.toml, \[launcher\]: unknown kind 'btach' \(did you mean 'batch'",
        ),
        ('kind = "batch"\npartition = "gpu"', r"\[launcher\]: unknown key 'partition'"),
        (
            'kind = "batch"\nscheduler = "lsf"',
            r"study.toml, \[launcher\]: scheduler must be one of slurm, pjm, pbs",
        ),
        ('kind = "batch"\nresources = ["gpu"]', r"\[launcher\]: resources must be a mapping"),
        (
            'kind = "batch"\nenv = ["A=1"]',
            r"\[launcher\]: Batch\(env=\[\'A=1\'\]\): expected a mapping",
        ),
        ('kind = "local"\nscheduler = "slurm"', r"\[launcher\]: unknown key 'scheduler'"),
        ("restart_elsewhere = 1", r"\[launcher\]: Local\(restart_elsewhere=1\): expected True"),
        ('kind = "batch"\nrestart_elsewhere = true', "unknown key 'restart_elsewhere'"),
    ],
)
def test_a_wrong_launcher_is_found_when_the_file_is_read(
    section: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match=message):
        read_study(written(tmp_path, f"{SHORT}\n[launcher]\n{section}\n"))


def test_a_study_file_says_what_repeats_count_as_and_how_often_the_best_are_confirmed(
    tmp_path: Path,
) -> None:
    text = SHORT.replace("[space]", "confirm = 2\nrepeats = 5\n[space]")
    text += '[goal]\nmetric = "ms"\nof = "median"\n'
    study = read_study(written(tmp_path, text))
    assert study.goal == Goal("ms", of="median")
    assert (study.options.confirm, study.options.repeats) == (2, 5)
    with pytest.raises(
        OptionError, match=r"study.toml, .goal.: .*of='best'.*'mean', 'median' or 'min'"
    ):
        read_study(written(tmp_path, text.replace('"median"', '"best"')))
    with pytest.raises(OptionError, match=r"repeats = 0; expected a whole number >= 1"):
        read_study(written(tmp_path, text.replace("repeats = 5", "repeats = 0")))
    with pytest.raises(OptionError, match=r"repeats=5.*give confirm=k too"):
        read_study(written(tmp_path, text.replace("confirm = 2", "")))


def test_a_kernel_is_tuned_by_the_median_of_its_timings_and_the_best_are_confirmed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The whole way: a program that prints a list, a study file, and the commands."""
    (tmp_path / "time.sh").write_text(
        "x=$1\n"
        "second=$((9 - x))\n"
        "if test $DSICE_STAGE = 1; then second=$((9 + (x - 3) * (x - 3))); fi\n"
        "echo [$((9 - x)).5, $second.25, 40.0]\n"
    )
    path = written(
        tmp_path,
        '[study]\ncommand = "sh time.sh {x}"\nslots = 2\nconfirm = 3\nrepeats = 2\n'
        "[space]\nx = [0, 1, 2, 3, 4]\n"
        '[goal]\nmetric = "ms"\nof = "median"\n[strategy]\nname = "grid"\n',
    )
    assert main(["run", str(path)]) == 0
    out = capfd.readouterr().out
    assert "best ms  9.25 (median of 6, sd 16.6, confirmed)\n  x      3\n" in out
    assert "(3 points are too few for a rank correlation)" in out
    tuner = Tuner.read(path.with_suffix(".jsonl"))
    assert tuner.history.best is not None and tuner.history.best.params == {"x": 4}
    assert tuner.best is not None and tuner.best.params == {"x": 3}
    assert tuner.best.values == (6.5, 9.25, 40.0) * 2


# ------------------------------------------------------------------ values of axes
def test_axes_of_lists_tables_and_digits(tmp_path: Path) -> None:
    text = """
[study]
command = "prog {tile} {model.lr} {batch-size} {opt} {share} {lr}"
[space]
tile = [[16, 16], [32, 8]]
opt = {choice = [{name = "sgd", betas = [0.9]}, {name = "adam"}]}
share = {linear = [0, 1], n = 5, integer = false}
lr = {log = [1e-4, 1e-1], n = 7, digits = 3}
"model.lr" = [1, 2]
batch-size = [16, 32]
[rules]
where = ["model.lr * batch-size <= 32", "len(tile) == 2"]
[strategy]
nearest = true
[strategy.start]
tile = [32, 8]
opt = {name = "adam"}
share = 0.3
lr = 3e-4
"model.lr" = 1
batch-size = 33
"""
    study = read_study(written(tmp_path, text))
    assert study.space.axes["tile"].values == ((16, 16), (32, 8))
    assert study.space.axes["share"].values == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert study.space.axes["lr"].values[1] == 0.000316
    assert study.space.count == 2 * 2 * 5 * 7 * 3
    with study.tuner() as tuner:
        assert tuner.ask()[0].params == {
            "tile": (32, 8),
            "opt": {"name": "adam"},
            "share": 0.25,
            "lr": 0.000316,
            "model.lr": 1,
            "batch-size": 32,
        }
    with read_study(tmp_path / "study.toml").tuner() as tuner:
        assert len(tuner.history) == 1
    with pytest.raises(SpaceError, match=r"\[strategy\].*not on the axis.*nearest=True takes"):
        read_study(written(tmp_path, text.replace("nearest = true", "")))


@pytest.mark.parametrize(
    ("axis", "message"),
    [
        ("{linear = [0, 1], n = 5, integer = 1}", "space.x.*integer=1"),
        ("{log = [1.0, 2.0], n = 5, digits = 0}", "space.x.*digits=0"),
        ("{choice = [1, 2], digits = 2}", "space.x.*unknown key 'digits'"),
        ("{choice = [1, 1]}", "space.x.*1 twice"),
        ("[1, [2]]", "axis 'x': numbers mixed with"),
        ("[1979-05-27]", "axis 'x': .*datetime.date"),
    ],
)
def test_what_is_wrong_with_an_axis_is_said_with_its_name(
    tmp_path: Path, axis: str, message: str
) -> None:
    with pytest.raises(DsiceError, match=message):
        read_study(written(tmp_path, SHORT.replace("[1, 2, 3]", axis)))


def test_fewer_values_than_asked_come_with_a_warning(tmp_path: Path) -> None:
    text = SHORT.replace("[1, 2, 3]", "{linear = [0, 1], n = 11}")
    with pytest.warns(DsiceWarning, match=r"only 2 of 11 values.*integer=False"):
        assert read_study(written(tmp_path, text)).space.count == 2
