"""Files that are replaced in one step: a reader sees the old content or the new one, never half."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def replace_file(
    path: Path, data: str | bytes, *, fsync: bool = True, temporary: Path | None = None
) -> None:
    """Write a file beside `path`, then rename it over `path`.

    Parameters
    ----------
    path
        The file, which need not exist.
    data
        Its new content; text is written as UTF-8.
    fsync
        Whether the content is on the disk before the rename, so that it survives a power failure.
    temporary
        The file that is written first, in the same directory; default: `path` with ``.new`` after
        its name. Where several processes may write `path` at once, each needs a name of its own.

    Raises
    ------
    OSError
        It cannot be written; `path` is as it was and the other file is gone.
    """
    if temporary is None:
        temporary = path.with_name(path.name + ".new")
    content = data.encode() if isinstance(data, str) else data
    try:
        with temporary.open("wb") as out:
            out.write(content)
            if fsync:
                out.flush()
                os.fsync(out.fileno())
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
