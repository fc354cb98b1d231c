"""Tables on disk and their columns: read here for sources and for the launcher `Table`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dsice.errors import MissingPackageError, TableError
from dsice.typing import Bools, Floats

if TYPE_CHECKING:
    import pandas as pd

_NOT_A_NUMBER = {"", "na", "n/a", "nan", "none", "null", "<na>"}
_TRUE, _FALSE = {"true", "1", "1.0", "yes"}, {"false", "0", "0.0", "no", *_NOT_A_NUMBER}


def read_frame(path: Path) -> pd.DataFrame:
    """Read a CSV (.csv, .csv.gz, .tsv) or Parquet file.

    Raises
    ------
    TableError
        It is unreadable or has another ending.
    MissingPackageError
        Parquet without pyarrow.
    """
    import pandas as pd

    name = path.name.lower()
    try:
        if name.endswith((".csv", ".csv.gz", ".tsv", ".tsv.gz")):
            # "None" and "NA" are good names of levels; `_numbers` knows them in other columns
            separator = "\t" if ".tsv" in name else ","
            frame = pd.read_csv(path, sep=separator, keep_default_na=False, na_values=[""])
            row_numbers = [c for c in frame.columns if str(c).startswith("Unnamed:")]
            return frame.drop(columns=row_numbers)
        if name.endswith((".parquet", ".pq")):
            return pd.read_parquet(path)
    except ImportError as error:
        raise MissingPackageError(
            f"reading {path} needs pyarrow: pip install 'dsice[parquet]'"
        ) from error
    except (OSError, ValueError) as error:  # pandas' and pyarrow's own errors are subclasses
        raise TableError(f"table {path} cannot be read: {error}") from error
    raise TableError(
        f"table {path} has an unknown ending; expected .csv, .csv.gz, .tsv, .parquet, .jsonl for "
        "a journal, or .json for results of Kernel Tuner and KTT"
    )


def listed(frame: pd.DataFrame) -> str:
    """Names of the columns, for a message."""
    return ", ".join(map(str, frame.columns))


def numbers(column: pd.Series[Any], source: str) -> Floats:
    """A measured column as floats; words for "nothing" are NaN."""
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    for row in np.flatnonzero(np.isnan(numbers)):
        text = column.iloc[row]
        if isinstance(text, str) and text.strip().lower() not in _NOT_A_NUMBER:
            raise TableError(
                f"{source}: column {column.name!r} holds {text!r} in row {row}, expected a number"
            )
    return np.asarray(numbers, dtype=np.float64)


def bools(column: pd.Series[Any], source: str) -> Bools:
    """A column of true and false, also in words."""
    if column.dtype.kind == "b":
        return column.to_numpy(dtype=bool)
    words = [str(value).strip().lower() for value in column.tolist()]
    for row, word in enumerate(words):
        if word not in _TRUE and word not in _FALSE:
            raise TableError(
                f"{source}: column {column.name!r} holds {word!r} in row {row}, "
                "expected true or false"
            )
    return np.array([word in _TRUE for word in words])
