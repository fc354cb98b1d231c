"""Numerical libraries behind the splines: numba (`kernel`) and the threads of BLAS (`one_thread`).

Neither numba nor scipy is imported before it is used.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

Function = TypeVar("Function", bound=Callable[..., Any])


def kernel(*, parallel: bool = False, inline: bool = False) -> Callable[[Function], Function]:
    """Compile a function with numba on its first call and cache the machine code where possible.

    ``parallel``: loops over ``prange`` run on all threads; ``inline``: merged into the kernels that
    call it. With the JIT switched off (``NUMBA_DISABLE_JIT=1``) the function stays plain Python.

    - numba looks for a writable place when the decorator runs and raises where there is none
      (read-only installation and no usable home): the kernel is then compiled afresh in each
      process. A user without a home is told apart first (`_has_place`).
    - A cache that cannot be read or written when the kernel is first called (full disk, quota, a
      damaged file) counts as no cache.
    - Each kernel is only ever called with one signature: numba updates the index of a function's
      cache without a lock, and two processes that compile *different* signatures at once could be
      handed each other's code. Hence arrays are converted before every call, and tests count the
      signatures.
    """
    options: dict[str, Any] = {"error_model": "numpy", "nogil": True, "parallel": parallel}
    if inline:
        options["forceinline"] = True

    import numba

    def decorate(function: Function) -> Function:
        if not _has_place():
            return numba.njit(**options)(function)  # type: ignore[no-any-return]
        try:
            compiled = numba.njit(cache=True, **options)(function)
        except RuntimeError:  # "cannot cache function: no locator available"
            return numba.njit(**options)(function)  # type: ignore[no-any-return]
        cache = getattr(compiled, "_cache", None)
        if cache is not None:
            compiled._cache = ForgivingCache(cache)
        return compiled  # type: ignore[no-any-return]

    return decorate


def _has_place() -> bool:
    """Whether numba's cache has a place of its own.

    For a user without a home numba makes a folder called ``~`` in the working directory, and loads
    code from there. It does so where the installation is read-only and no variable names a place.
    """
    named = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    with suppress(RuntimeError):  # no home
        return bool(named or Path.home())
    return os.access(Path(__file__).parent, os.W_OK)


class ForgivingCache:
    """A numba function cache whose failures mean "not cached" instead of a failed call."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return self._cache.load_overload(sig, target_context)
        except Exception:
            # an unreadable or damaged cache raises anything from OSError to UnpicklingError
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            self._cache.save_overload(sig, data)
        except Exception:
            return


@contextmanager
def one_thread() -> Iterator[None]:
    """Limit the linear algebra libraries of this process to one thread inside the context.

    Matrices of a few hundred rows take several times the processor time on two threads, and the
    last bit of a result would depend on the machine.
    """
    with _libraries().limit(limits=1, user_api="blas"):
        yield


@lru_cache(maxsize=1)
def _libraries() -> ThreadpoolController:
    """Controller of the libraries of numpy and scipy, which differ: both must be loaded first."""
    import scipy.linalg.lapack  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
