"""Directories that are, or may be, in the hands of other users."""

from __future__ import annotations

import grp
import os
import pwd
import secrets
import shlex
import stat
from collections.abc import Set
from pathlib import Path

from dsice.errors import LaunchError
from dsice.journal.files import create_file


def check(directory: Path, owners: Set[int], writable: bool) -> None:
    """Refuse a directory in which other users can exchange files, unless it only looks so.

    Owner and permissions are compared with those of a new file of this user, since some file
    systems know other users than this machine does, or no permissions at all.

    Parameters
    ----------
    owners
        Other users that own the directory, or the link that leads to it.
    writable
        Whether its permissions let others write.

    Raises
    ------
    LaunchError
        Others can write there; the message says what helps.
    OSError
        It cannot be looked at.
    """
    sample = _sample(directory)
    if owners - {sample.st_uid}:
        raise LaunchError(
            f"directory {directory} belongs to another user (number {max(owners)}), who could "
            "exchange what trials run there; give the launcher a directory of your own"
        )
    found = directory.stat()
    mode = stat.S_IMODE(found.st_mode)
    shared = mode & 0o002 or not _is_own_group(directory, found.st_gid)
    if writable and shared and not stat.S_IMODE(sample.st_mode) & 0o022:
        raise LaunchError(
            f"directory {directory} can be written to by other users (its mode is "
            f"{mode:04o}), who could exchange what trials run there. "
            "If you trust what is in it, take that right from them "
            f"(chmod -R go-w {shlex.quote(str(directory))}); else give the launcher another "
            "directory"
        )


def _is_own_group(directory: Path, number: int) -> bool:
    """Whether only this user is in the group that may write to a directory.

    Many systems give each user a group of the same name, and new directories its permissions.
    """
    user = os.geteuid()
    if user == 0:  # some systems have administrators in its group
        return False
    try:
        group, account = grp.getgrgid(number), pwd.getpwuid(user)
        acls = os.listxattr(directory) if hasattr(os, "listxattr") else []
    except (KeyError, OSError):
        return False
    own = (group.gr_name, number) == (account.pw_name, account.pw_gid)
    return own and set(group.gr_mem) <= {account.pw_name} and "system.posix_acl_access" not in acls


def _sample(directory: Path) -> os.stat_result:
    """What a new file of this user, private as far as the file system can tell, looks like."""
    path = directory / f".dsice-{secrets.token_hex(8)}"
    fd = create_file(path, 0o600)
    try:
        return os.fstat(fd)
    finally:
        os.close(fd)
        path.unlink(missing_ok=True)
