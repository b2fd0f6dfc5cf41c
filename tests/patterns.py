"""Finds every regular expression of ours, and makes strings that hurt one which backtracks."""

from __future__ import annotations

import ast
import importlib
import re
import re._constants as codes  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
ROOMS = ("agi", "asterisk_conf", "billing", "ivr_flows", "router", "rules", "store", "tollbridge", "web")
METHODS = ("match", "fullmatch", "search", "findall", "finditer", "sub", "subn", "split")
ALPHABET = [chr(code) for code in range(128)] + list("\x85\xa0é٣ß\u2028")
LONG_REPEAT = 32
"""A repeat that ends before, those around it counted, costs a fixed factor."""
PUMPS_MAXIMUM, PREFIXES_MAXIMUM = 60, 12
FIRST_LENGTH, SECOND_LENGTH = 4096, 16_384
SUSPICIOUS_SECONDS = 0.001
HANGS_SECONDS = 1
RATIO_MAXIMUM = 7.0
"""Four times the length costs a linear pattern about 4 times as much, a quadratic one 16 times."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A pattern, where it stands, and how it is tried on texts."""

    place: str
    pattern: re.Pattern[str]
    methods: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """A pattern that is only known when the program runs."""

    place: str
    source: str


# --- Finding them ---


def patterns_of_rooms() -> tuple[list[Found], list[Unknown]]:
    """Return every pattern in the source of the rooms, and those that cannot be read there."""
    texts = {path: path.read_text() for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))}
    found: list[Found] = []
    unknown: list[Unknown] = []
    for path, text in texts.items():
        if "re." not in text:
            continue
        for call, name in _calls(ast.parse(text)):
            one = _read(path, text, call, name, texts)
            if isinstance(one, Found):
                found.append(one)
            else:
                unknown.append(one)
    return found, unknown


def patterns_of_scripts() -> list[Found]:
    """Return every pattern in the scripts of the pages. Ours read alike in both languages, and backtrack alike."""
    files = [*(ROOT / "web" / "islands").rglob("*.ts*"), *(ROOT / "web" / "static").glob("*.js")]
    literal = re.compile(
        r"(?:[(,=:!&|?]|return) ?/((?:[^/\\\n*\[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+)/[gimsuy]*(?=[.,;) ])"
    )
    return [
        Found(
            place=f"{file.relative_to(ROOT)}:{text[: match.start()].count(chr(10)) + 1}",
            pattern=re.compile(match[1]),
            methods=("search", "finditer"),
        )
        for file in sorted(files)
        for text in [file.read_text()]
        for match in literal.finditer(text)
    ]


def _calls(tree: ast.Module) -> Iterator[tuple[ast.Call, str]]:
    """Yield each call of a function of `re`, with the name its result is given where it is given one."""
    names = {
        id(node.value): node.targets[0].id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
            and node.func.attr in (*METHODS, "compile")
        ):
            yield node, names.get(id(node), "")


def _read(path: Path, text: str, call: ast.Call, name: str, texts: dict[Path, str]) -> Found | Unknown:
    assert isinstance(call.func, ast.Attribute)
    place = f"{path.relative_to(ROOT)}:{call.lineno}"
    method = call.func.attr
    flags = [one.value for one in call.keywords if one.arg == "flags"]
    flags += [one for one in call.args[1:] if "re." in ast.unparse(one)]
    try:
        source, *options = (_value(path, node) for node in (call.args[0], *flags))
        pattern = re.compile(source, sum(options, re.NOFLAG))
    except (NameError, AttributeError):
        return Unknown(place=place, source=ast.unparse(call.args[0]))
    used = (method,) if method != "compile" else _methods_used(path, name, texts)
    return Found(place=place, pattern=pattern, methods=used)


def _value(path: Path, node: ast.expr) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    return eval(compile(ast.Expression(node), str(path), "eval"), vars(module))


def _methods_used(path: Path, name: str, texts: dict[Path, str]) -> tuple[str, ...]:
    """Return how a named pattern is used; a nameless one, or one that is handed on, in any way."""
    used: set[str] = set()
    if name:
        calls = re.compile(rf"\b{name}\.({'|'.join(METHODS)})\b")
        places = [texts[path]] if name.startswith("_") else texts.values()
        used = {match[1] for text in places for match in calls.finditer(text)}
    return tuple(sorted(used)) or ("fullmatch", "search", "finditer")


# --- Strings that hurt ---


def hostile_strings(pattern: re.Pattern[str]) -> Iterator[Callable[[int], str]]:
    """Yield makers of strings of a given length, from the pattern's own structure."""
    tree = parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG)
    letters = _letters(tree, pattern)
    whole = _sample(tree, letters)
    repeats = list(_repeats(tree, letters, ""))
    if not repeats:
        return
    before = [prefix for prefix, _ in repeats]
    bodies = [body for _, body in repeats]
    some = letters.all[:8]
    pumps = [*letters.all, *bodies, *(prefix + body for prefix, body in repeats), whole, *before]
    pumps += [first + second for first, second in product(some, some) if first != second]
    ends = _unique([*letters.all[:2], *letters.all[-2:]])
    prefixes = _unique(["", *before, whole, *(prefix + end for prefix in _unique(before) for end in ends)])
    suffixes = _unique(["", "\x00", "\n!", *ends])
    for pump in _unique(pump for pump in pumps if pump)[:PUMPS_MAXIMUM]:
        for prefix, suffix in product(prefixes[:PREFIXES_MAXIMUM], suffixes):
            yield _maker(prefix, pump, suffix)


def _maker(prefix: str, pump: str, suffix: str) -> Callable[[int], str]:
    return lambda length: prefix + pump * (length // len(pump)) + suffix


def _unique(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


class _Letters:
    """One letter for each set of the pattern's classes that letters fall into: what is told apart, and no more."""

    def __init__(self, nodes: list[Any], pattern: re.Pattern[str], state: Any) -> None:
        self._tests = {
            repr(node): re._compiler.compile(parser.SubPattern(state, [node]), pattern.flags)  # type: ignore[attr-defined]
            for node in nodes
        }
        kinds: dict[tuple[bool, ...], str] = {}
        for letter in ALPHABET:
            kinds.setdefault(tuple(bool(test.fullmatch(letter)) for test in self._tests.values()), letter)
        # Letters of many classes first: there patterns have a choice.
        self.all = [kinds[kind] for kind in sorted(kinds, key=sum, reverse=True)]

    def of(self, node: Any) -> str:
        test = self._tests[repr(node)]
        return next((letter for letter in self.all if test.fullmatch(letter)), "a")


_ONE_LETTER = (codes.LITERAL, codes.NOT_LITERAL, codes.IN, codes.ANY)
_REPEAT = (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT)


def _letters(tree: Any, pattern: re.Pattern[str]) -> _Letters:
    return _Letters([node for node in _walk(tree) if node[0] in _ONE_LETTER], pattern, tree.state)


def _walk(tree: Any) -> Iterator[Any]:
    for node in tree:
        yield node
        for inside in _inside(node):
            yield from _walk(inside)


def _inside(node: Any) -> list[Any]:
    operator, value = node
    if operator is codes.BRANCH:
        return list(value[1])
    if operator in _REPEAT:
        return [value[2]]
    if operator is codes.SUBPATTERN:
        return [value[3]]
    if operator is codes.ATOMIC_GROUP:
        return [value]
    if operator in (codes.ASSERT, codes.ASSERT_NOT):
        return [value[1]]
    return [] if operator is not codes.GROUPREF_EXISTS else [one for one in value[1:] if one is not None]


def _sample(tree: Any, letters: _Letters) -> str:
    """Return a text that the pattern takes, or nearly so."""
    return "".join(_sample_of(node, letters) for node in tree)


def _sample_of(node: Any, letters: _Letters) -> str:
    operator, value = node
    if operator in _ONE_LETTER:
        return chr(value) if operator is codes.LITERAL else letters.of(node)
    if operator in (codes.ASSERT, codes.ASSERT_NOT, codes.AT, codes.GROUPREF, codes.GROUPREF_EXISTS):
        return ""
    inside = _sample(_inside(node)[0], letters)
    return inside * max(value[0], 1) if operator in _REPEAT else inside


def _repeats(tree: Any, letters: _Letters, before: str, around: int = 1) -> Iterator[tuple[str, str]]:
    """Yield (a text that leads to it, a text it repeats) of every long repeat."""
    for node in tree:
        operator, value = node
        times = around * int(value[1]) if operator in _REPEAT else around
        for inside in _inside(node):
            yield from _repeats(inside, letters, before, times)
            if operator in _REPEAT and times >= LONG_REPEAT:
                yield before, _sample(inside, letters)
        before += _sample_of(node, letters)


# --- Trying them ---


def trouble(found: Found) -> str | None:
    """Return a text on which the pattern costs more than its length, and by which method; None when there is none."""
    for make in hostile_strings(found.pattern):
        for method in found.methods:
            worst = _worse_than_linear(found.pattern, method, make)
            if worst:
                return f"{method} of {make(24)!r}: {worst}"
    return None


def _worse_than_linear(pattern: re.Pattern[str], method: str, make: Callable[[int], str]) -> str:
    try:
        with _alarm(HANGS_SECONDS):
            # First short ones: an exponential pattern never comes back from a long one.
            for length in (24, FIRST_LENGTH):
                if _seconds(pattern, method, make(length)) > SUSPICIOUS_SECONDS:
                    break
            else:
                return ""
            short, long = make(FIRST_LENGTH), make(SECOND_LENGTH)
            first = min(_seconds(pattern, method, short) for _ in range(5))
            if first < SUSPICIOUS_SECONDS:
                return ""
            second = min(_seconds(pattern, method, long) for _ in range(3))
    except TimeoutError:
        return f"more than {HANGS_SECONDS} s"
    ratio = second / first
    return f"4 times the length took {ratio:.1f} times as long" if ratio > RATIO_MAXIMUM else ""


def _seconds(pattern: re.Pattern[str], method: str, text: str) -> float:
    began = time.thread_time()
    if method in ("sub", "subn"):
        pattern.sub("", text)
    elif method in ("findall", "finditer"):
        for _ in pattern.finditer(text):
            pass
    else:
        getattr(pattern, method)(text)
    return time.thread_time() - began


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise TimeoutError within a match, which looks for signals as it goes. The processor's time counts."""

    def ring(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGVTALRM, ring)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
