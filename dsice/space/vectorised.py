"""String rules at many points at once, with the answers that they give one by one.

A rule is evaluated with numpy wherever that gives Python's answer (see `calculated`). A point where
something may raise is doubtful: whoever asked evaluates it alone. A rule for which none of this can
be done raises `Unsupported`.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial, reduce
from typing import Any, Final

import numpy as np

from dsice.errors import SpaceError
from dsice.space.calculated import (
    NO,
    OF_ONE,
    Unsupported,
    Values,
    alike,
    calculated,
    compare,
    extreme,
    negative,
    number,
    one_by_one,
    union,
    values_of,
)
from dsice.space.expression import CALLS, Expression
from dsice.typing import Bools

_COMPARISONS: Final[dict[type[ast.cmpop], Callable[[Any, Any], Any]]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


class VectorRule:
    """A string rule that can be evaluated at many points at once.

    Parameters
    ----------
    expression
        The rule.
    """

    def __init__(self, expression: Expression) -> None:
        self._tree = expression.tree()

    def __call__(
        self, columns: Mapping[str, Values], check: Callable[[], None]
    ) -> tuple[Bools, Bools]:
        """Whether the rule holds, and where that is doubtful, in the common shape of the columns.

        Parameters
        ----------
        columns
            The values of the axes that it mentions, by name.
        check
            Called again and again; what it raises ends the evaluation.

        Raises
        ------
        Unsupported
            Python has to evaluate it point by point.
        """
        with np.errstate(all="ignore"):
            try:
                truth, doubtful = _Evaluation(columns, check).truth(self._tree)
            except SpaceError:  # what `check` raises is a ValueError, too
                raise
            except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
                raise Unsupported from error
        shape = np.broadcast_shapes(*(values.data.shape for values in columns.values()))
        return np.broadcast_to(truth, shape), np.broadcast_to(doubtful, shape)


class _Evaluation:
    """One evaluation of a rule, node by node."""

    def __init__(self, columns: Mapping[str, Values], check: Callable[[], None]) -> None:
        self._columns = columns
        self._check = check

    def truth(self, node: ast.expr) -> tuple[Any, Any]:
        """Whether the value counts as true, and where that is doubtful."""
        match node:
            case ast.BoolOp(op=op, values=parts):
                is_and = isinstance(op, ast.And)
                truth, doubtful = self.truth(parts[0])
                for part in parts[1:]:
                    needed = truth if is_and else ~truth
                    found, doubt = self.truth(part)
                    doubtful = doubtful | (needed & doubt)
                    truth = truth & found if is_and else truth | found
                return truth, doubtful
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                truth, doubtful = self.truth(operand)
                return ~truth, doubtful
            case ast.IfExp(test=test, body=body, orelse=orelse):
                which, doubtful = self.truth(test)
                first, second = self.truth(body), self.truth(orelse)
                doubtful = doubtful | np.where(which, first[1], second[1])
                return np.where(which, first[0], second[0]), doubtful
        found = self.value(node)
        if found.kind == "O":  # an error, or true where it is not empty
            raise Unsupported
        return found.data != 0, found.doubtful

    def value(self, node: ast.expr) -> Values:
        """The value itself."""
        self._check()
        match node:
            case ast.Constant(value=value):
                one = values_of([value])
                return replace(one, data=one.data.reshape(()))
            case ast.Name(id=name):
                return self._columns[name]
            case ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
                return self._logical(node)
            case ast.UnaryOp(op=op, operand=operand):
                one = number(self.value(operand))
                return one if isinstance(op, ast.UAdd) else negative(one)
            case ast.BinOp(left=left, op=op, right=right):
                return calculated(type(op), self._number(left), self._number(right))
            case ast.Compare():
                return self._compared(node)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                which, doubtful = self.truth(test)
                first, second = alike([self.value(body), self.value(orelse)])
                doubtful = doubtful | np.where(which, first.doubtful, second.doubtful)
                return replace(
                    union([first, second]),
                    data=np.where(which, first.data, second.data),
                    doubtful=doubtful,
                )
            case ast.Call(func=ast.Name(id=name), args=arguments):
                return self._called(name, arguments)
        raise Unsupported

    def _number(self, node: ast.expr) -> Values:
        return number(self.value(node))

    def _logical(self, node: ast.BoolOp | ast.UnaryOp) -> Values:
        if not self._is_logical(node):
            raise Unsupported  # its value is one of the operands
        truth, doubtful = self.truth(node)
        return Values(np.asarray(truth), 0, 1, doubtful)

    def _is_logical(self, node: ast.expr) -> bool:
        """Whether the value can be True and False only, as far as that is easily seen."""
        match node:
            case ast.BoolOp(values=parts):
                return all(map(self._is_logical, parts))
            case ast.Compare() | ast.UnaryOp(op=ast.Not()) | ast.Constant(value=bool()):
                return True
            case ast.Name(id=name):
                return self._columns[name].kind == "b"
        return False

    def _compared(self, node: ast.Compare) -> Values:
        left = self.value(node.left)
        doubtful: Any = left.doubtful
        truth: Any = np.True_
        for op, other in zip(node.ops, node.comparators, strict=True):
            if isinstance(op, (ast.In, ast.NotIn)):
                if len(node.ops) > 1:
                    raise Unsupported
                found: Any = np.False_
                doubt: Any = NO
                for item in map(self.value, self._items(other)):
                    found = found | compare(operator.eq, left, item)
                    doubt = doubt | item.doubtful
                found = ~found if isinstance(op, ast.NotIn) else found
            else:
                right = self.value(other)
                found, doubt = compare(_COMPARISONS[type(op)], left, right), right.doubtful
                left = right
            doubtful = doubtful | (truth & doubt)
            truth = truth & found
        return Values(np.asarray(truth), 0, 1, doubtful)

    def _items(self, node: ast.expr) -> list[ast.expr]:
        if not isinstance(node, (ast.Tuple, ast.List, ast.Set)):
            raise Unsupported
        return node.elts

    def _called(self, name: str, arguments: list[ast.expr]) -> Values:
        if name in ("min", "max"):
            items = arguments if len(arguments) > 1 else self._items(arguments[0])
            # one after the other: a short text may have hundreds
            return reduce(partial(extreme, name), map(self._number, items))
        given = [self.value(argument) for argument in arguments]
        if len(given) == 1 and name in OF_ONE:
            return OF_ONE[name](number(given[0]))
        if name in ("int", "float"):
            raise Unsupported
        if any(one.mixed for one in given) and name == "round":
            raise Unsupported
        return one_by_one(CALLS[name], given)
