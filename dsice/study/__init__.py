"""Study files: a tuning described in TOML."""

from dsice.study.file import Study, read_study

__all__ = ["Study", "read_study"]
