"""Rules as text: a small, safe subset of Python expressions, parsed by `ast` and compiled once.

Only what is listed here passes: no attributes, subscripts, lambdas, comprehensions, keyword
arguments or other calls. Operators that could make something huge out of a short text (powers,
products, repeated strings, % formatting) are guarded.
"""

from __future__ import annotations

import ast
import io
import keyword
import math
import re
import tokenize
from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from typing import Final

from dsice.checks import shown
from dsice.errors import SpaceError
from dsice.space.names import parsable, spelled, with_dashes

MAX_LENGTH: Final = 2000
MAX_SOURCE: Final = 10 * MAX_LENGTH
"""The same with all blanks, such as the indentation of a rule of several lines."""
MAX_DEPTH: Final = 60
MAX_BITS: Final = 4096
"""Size limit of integer powers and products; floats have their own."""
_NUMBERS: Final = (int, float)


def power(base: object, exponent: object) -> object:
    """Raise one number to the power of another, as rules do it."""
    if (
        isinstance(base, int)
        and isinstance(exponent, int)
        and abs(base) > 1
        and abs(base).bit_length() * exponent > MAX_BITS
    ):
        raise _too_large("**", base, exponent)
    if not (isinstance(base, _NUMBERS) and isinstance(exponent, _NUMBERS)):
        raise _not_numbers("**", base, exponent)
    result: object = base**exponent
    if isinstance(result, complex):
        raise ValueError(f"{shown(base)} ** {shown(exponent)} is not a real number")
    return result


def _times(a: object, b: object) -> object:
    if isinstance(a, int) and isinstance(b, int):
        if a.bit_length() + b.bit_length() > MAX_BITS:
            raise _too_large("*", a, b)
        return a * b
    if isinstance(a, _NUMBERS) and isinstance(b, _NUMBERS):
        return a * b
    raise _not_numbers("*", a, b)


def _modulo(a: object, b: object) -> object:
    if isinstance(a, _NUMBERS) and isinstance(b, _NUMBERS):
        return a % b
    raise _not_numbers("%", a, b)


def _plus(a: object, b: object) -> object:
    if isinstance(a, _NUMBERS) and isinstance(b, _NUMBERS):
        return a + b
    raise _not_numbers("+", a, b)


def _not_numbers(operator: str, a: object, b: object) -> TypeError:
    return TypeError(f"{operator} takes numbers, got {shown(a)} and {shown(b)}")


def _too_large(operator: str, a: object, b: object) -> ValueError:
    what = f"{shown(a)} {operator} {shown(b)}"
    return ValueError(f"{what} is too large (more than {MAX_BITS} bits)")


def _round(value: float, digits: int | None = None) -> float:
    if digits is not None and not -400 <= digits <= 400:
        raise ValueError(f"round to {digits} digits is out of bounds")
    return round(value, digits)


CALLS: Final[dict[str, Callable[..., object]]] = {
    "min": min,
    "max": max,
    "abs": abs,
    "round": _round,
    "int": int,
    "float": float,
    "len": len,
    "sqrt": math.sqrt,
    "log": math.log,
    "log2": math.log2,
    "exp": math.exp,
    "ceil": math.ceil,
    "floor": math.floor,
}
_GUARDED: Final[dict[type[ast.operator], tuple[str, Callable[..., object]]]] = {
    ast.Pow: ("_power", power),
    ast.Mult: ("_times", _times),
    ast.Mod: ("_modulo", _modulo),
    ast.Add: ("_plus", _plus),
}
_OPERATORS: Final[tuple[type[ast.operator], ...]] = (ast.Sub, ast.Div, ast.FloorDiv, *_GUARDED)
_COMPARISONS: Final = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn)
_HELPERS: Final[dict[str, object]] = {
    "__builtins__": {},
    **{f"_call_{name}": call for name, call in CALLS.items()},
    **dict(_GUARDED.values()),
}
_WORDS: Final = frozenset({"and", "or", "not", "in", "if", "else", "True", "False", "None"})
"""Python's keywords that a rule may contain."""
_HINTS: Final = {
    ast.Attribute: "an attribute (a.b)",
    ast.Subscript: "a subscript (a[b])",
    ast.Lambda: "a lambda",
    ast.NamedExpr: "an assignment (:=)",
    ast.JoinedStr: "an f-string",
    ast.Starred: "a star (*a)",
    ast.Dict: "a dict",
    ast.ListComp: "a comprehension",
    ast.SetComp: "a comprehension",
    ast.DictComp: "a comprehension",
    ast.GeneratorExp: "a generator",
    ast.Await: "await",
    ast.Yield: "yield",
    ast.YieldFrom: "yield",
}


class Expression:
    """A parsed and compiled expression over parameters.

    Parameters
    ----------
    source
        The text: + - * / // % **, comparisons (also chained), `in` a tuple or list, and / or / not,
        `a if b else c`, calls of min max abs round int float len sqrt log log2 exp ceil floor,
        names, numbers, strings, True, False, None. Names may have dots and stand in backticks.
    known
        Names of the space, where they are known: those with a minus inside are names then, too.

    Attributes
    ----------
    names
        The parameters that it mentions, each once, in the order of first mention.

    Raises
    ------
    SpaceError
        Not an expression of the subset; the message points at the place.
    """

    def __init__(self, source: str, known: Collection[str] = ()) -> None:
        if len(source) > MAX_SOURCE:  # before anything that takes longer than its length
            raise SpaceError(_too_long(len(source)))
        lines = map(str.strip, source.strip().split("\n"))
        text = " ".join(line for line in lines if line)
        if not text:
            raise SpaceError(
                "the rule is an empty string; expected an expression such as 'a * b <= 64'"
            )
        if len(text) > MAX_LENGTH:
            raise SpaceError(_too_long(len(text)))
        self.source = text
        self._known = tuple(known)
        self._text, self._names = parsable(text, known)
        read = _Reading(text, self._text, self._names)
        read.checked(_parse(text, self._text).body)
        self.names = tuple(read.mentioned)

    # Somebody's journal may have 2000 rules. To look at it, they are neither compared nor
    # evaluated, and what they were parsed to would fill the memory.
    @cached_property
    def canonical(self) -> str:
        """The text without differences of spacing and quotes: what two spaces are compared by."""
        return _canonical(self._text, self._names)

    @cached_property
    def value(self) -> Callable[..., object]:
        """The compiled function of the values of `names`, positional."""
        read = _Reading(self.source, self._text, self._names)
        return _compile(read.checked(_parse(self.source, self._text).body), self.names)

    def tree(self) -> ast.expr:
        """The expression as Python parses it, with the names of parameters as they are."""
        body = _parse(self.source, self._text).body
        for node in ast.walk(body):
            if isinstance(node, ast.Name):
                node.id = self._names.get(node.id, node.id)
        return body

    def bound(self, names: Collection[str]) -> Expression:
        """The same text in a space that has parameters of these names."""
        known = [name for name in with_dashes(names) if name in self.source]
        return Expression(self.source, names) if known else self

    def __reduce__(self) -> tuple[type[Expression], tuple[str, tuple[str, ...]]]:
        return Expression, (self.source, self._known)

    def __repr__(self) -> str:
        return f"Expression({self.source!r})"


def _too_long(length: int) -> str:
    return (
        f"the rule has {length} characters, at most {MAX_LENGTH} are allowed; "
        "use a function instead"
    )


def _parse(text: str, parsed: str) -> ast.Expression:
    """Parse a rule, of which `parsed` is the text with names that Python has."""
    try:
        return ast.parse(parsed, mode="eval")
    except SyntaxError as error:
        place = max((error.offset or 1) - 1, 0)
        hint = ""
        if re.search(r"(?<![=<>!:])=(?!=)", text):
            hint = "; to compare write =="
        words = [word for word in re.findall(r"\w+", parsed) if keyword.iskeyword(word)]
        words = [word for word in words if word not in _WORDS]
        if words:
            hint = (
                f"; {words[0]!r} is a word of Python: the name of a parameter that has it stands "
                "in backticks, or use a function instead of a string"
            )
        raise SpaceError(_at(text, place, f"not an expression: {error.msg}{hint}")) from None
    except (RecursionError, MemoryError, ValueError) as error:
        raise SpaceError(
            f"the rule {text[:60]!r} cannot be parsed ({type(error).__name__}: {error})"
        ) from None


class _Reading:
    """One pass through a parsed rule, which checks everything in it.

    Parameters
    ----------
    text, parsed, names
        The whole rule, the same as Python parses it, and what its stand-ins stand for.

    Attributes
    ----------
    mentioned
        The parameters mentioned so far.
    """

    def __init__(self, text: str, parsed: str, names: Mapping[str, str]) -> None:
        self._text = text
        self._parsed = parsed
        self._names = names
        self.mentioned: dict[str, None] = {}

    def checked(self, node: ast.expr, depth: int = 0) -> ast.expr:
        """Return the node with everything in it checked, names and calls replaced by our own.

        Parameters
        ----------
        depth
            How deep the node is nested.

        Raises
        ------
        SpaceError
            Something that is not listed in this module.
        """
        if depth > MAX_DEPTH:
            raise self._refused(node, f"nested more than {MAX_DEPTH} deep")

        def sub(child: ast.expr) -> ast.expr:
            return self.checked(child, depth + 1)

        match node:
            case ast.Constant(value=None | bool() | int() | float() | str()):
                return node
            case ast.Name(id=name):
                name = self._names.get(name, name)
                self.mentioned.setdefault(name)
                return ast.Name(f"_p{list(self.mentioned).index(name)}", ast.Load())
            case ast.BoolOp(op=op, values=values):
                return ast.BoolOp(op, [sub(value) for value in values])
            case ast.UnaryOp(op=ast.UAdd() | ast.USub() | ast.Not() as op, operand=operand):
                return ast.UnaryOp(op, sub(operand))
            case ast.BinOp(left=left, op=op, right=right) if isinstance(op, _OPERATORS):
                if type(op) in _GUARDED:
                    return _helper(_GUARDED[type(op)][0], [sub(left), sub(right)])
                return ast.BinOp(sub(left), op, sub(right))
            case ast.Compare(left=left, ops=ops, comparators=others) if all(
                isinstance(op, _COMPARISONS) for op in ops
            ):
                return ast.Compare(sub(left), ops, [sub(other) for other in others])
            case ast.Compare():
                raise self._refused(node, "'is' is not allowed; write == or !=")
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return ast.IfExp(sub(test), sub(body), sub(orelse))
            case ast.Tuple(elts=items) | ast.List(elts=items) | ast.Set(elts=items):
                return ast.Tuple([sub(item) for item in items], ast.Load())
            case ast.Call(func=ast.Name(id=call), args=arguments, keywords=[]) if call in CALLS:
                return _helper(f"_call_{call}", [sub(argument) for argument in arguments])
            case ast.Call():
                known = ", ".join(CALLS)
                refusal = f"this call is not allowed; there are {known}, without keywords"
                raise self._refused(node, refusal)
        name = repr(node.value) if isinstance(node, ast.Constant) else type(node).__name__
        what = _HINTS.get(type(node), name)
        refusal = f"{what} is not allowed in a rule; use a function of the params instead"
        raise self._refused(node, refusal)

    def _refused(self, node: ast.expr, message: str) -> SpaceError:
        """The error with the place of a node in the text."""
        # ast counts bytes
        place = len(self._parsed.encode()[: node.col_offset].decode(errors="ignore"))
        return SpaceError(_at(self._text, place, message))


def _helper(name: str, arguments: list[ast.expr]) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), arguments, [])


def _compile(body: ast.expr, names: tuple[str, ...]) -> Callable[..., object]:
    """Return a function of the values of the names, positional."""
    parameters = [ast.arg(f"_p{i}") for i in range(len(names))]
    arguments = ast.arguments(
        posonlyargs=[], args=parameters, kwonlyargs=[], kw_defaults=[], defaults=[]
    )
    tree = ast.fix_missing_locations(ast.Expression(ast.Lambda(arguments, body)))
    # every node was rebuilt by _checked from its short list, and there are no builtins:
    # nothing else can run
    code = compile(tree, "<rule>", "eval")
    function: Callable[..., object] = eval(code, dict(_HELPERS))  # noqa: S307
    return function


def _canonical(text: str, names: Mapping[str, str]) -> str:
    """The text with one space between tokens, and each string in one kind of quotes.

    Parameters
    ----------
    names
        What the stand-ins in the text stand for.
    """
    spacing = (tokenize.NEWLINE, tokenize.ENDMARKER, tokenize.COMMENT, tokenize.NL)
    parts = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.STRING:
            parts.append(repr(ast.literal_eval(token.string)))
        elif token.type not in spacing:
            parts.append(spelled(names[token.string]) if token.string in names else token.string)
    return " ".join(parts)


def _at(text: str, place: int, message: str) -> str:
    """A message with the text below it, and a mark below the character at `place`."""
    return f"{message} (column {place + 1})\n    {text}\n    {' ' * place}^"
