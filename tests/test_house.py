"""The house rules. To break one on purpose, change its table here and say why.

Imports only go down (``FLOORS``), the core is pure, files and functions stay small, SQL carries
values as parameters, and the package's face is typed and documented. A rule is a function from
one source file to its findings; each has a planted violation below that it must find.
``python tests/test_house.py`` prints the figures the house is judged by.
"""

from __future__ import annotations

import ast
import inspect
import re
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path, PurePosixPath
from types import FunctionType

import pytest

import idweave

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "idweave"

# A room is a file or a folder right under src/idweave. A new one fails until it has a floor.
FLOORS = {
    "core": 0,  # the rules: identity, policy, resolve, record, device, visitor, errors
    "__init__": 1,  # the package's face; it shows the core and nothing else
    "wire": 1,
    "fastjson": 1,  # msgspec's road to sound records, for HTTP bodies and for files
    "ports": 1,
    "engine": 2,
    "stores": 3,
    "sdk": 3,
    "unionid": 3,
    "batch": 3,
    "server": 3,
    "config": 4,
    "cli": 4,
    "__main__": 5,
}
SHELLS_FLOOR = 3
SIDEWAYS = {("cli", "config"): "the wiring reads the settings"}
FORBIDDEN = {("sdk", "engine"): "an app carries the SDK, not the server"}

# A room not named here imports the standard library and idweave alone.
THIRD_PARTY = {
    "batch": {"numpy", "pyarrow", "scipy", "zstandard"},
    "cli": {"click", "rich", "typer", "zstandard"},
    "fastjson": {"msgspec"},
    "server": {"httptools", "isal", "msgspec", "pybase64", "starlette", "uvicorn", "uvloop"},
    "unionid": {"cryptography", "httpx2"},
}

# What core/ may not import, and what it would bring in.
CORE_BANNED = {
    "I/O": "asyncio fileinput glob http importlib io mmap os pathlib select shutil socket "
    "sqlite3 ssl subprocess tempfile urllib.request",
    "a clock": "sched signal threading time",
    "chance": "random secrets uuid.getnode uuid.uuid1 uuid.uuid4",
    "logging": "logging syslog traceback warnings",
    "surroundings": "getpass locale multiprocessing platform",
}
CORE_ALLOWED = {
    ("core/policy*", "importlib.resources"): "presets are data of the package, as fixed as code",
}
CORE_CALLS = {
    "I/O": {"breakpoint", "input", "open", "print"},
    "a clock": {"now", "today", "utcnow"},
    "chance": {"getnode", "uuid1", "uuid4"},
}

DUMPING_GROUNDS = {"base", "common", "helpers", "manager", "misc", "services", "utils"}
ENVIRONMENT_READERS = {"cli", "config"}
FUNCTION_LINES_MAX = 50
FILE_LINES_MAX = 400
TEST_FILE_LINES_MAX = 600

# What may stand inside SQL besides CONSTANTS: these calls, and in these functions anything.
SQL_ROOMS = {"stores", "unionid"}
SQL_CALLS = {"marks": "a list of question marks and nothing else"}
SQL_BY_HAND = {
    "stores/sqlite/filling.py::_without_indexes": "names of indexes that were just made",
    "stores/sqlite/reader.py::refusals": "one of two literals, the values are bound",
    "stores/sqlite/reader.py::rejections": "a choice of literals, the values are bound",
    "stores/sqlite/schema.py::migrate": "a pragma cannot be bound; the number is counted there",
    "stores/sqlite/store.py::pragma": "a pragma cannot be bound; no outside text gets there",
    "unionid/state/followers.py::_known": "one of two constants, the values are bound",
    "unionid/state/schema.py::migrate": "a pragma cannot be bound; the number is counted there",
}
SQL = re.compile(
    r"\b(SELECT|FROM|WHERE|VALUES|INTO|PRAGMA|ATTACH|ORDER BY)\b"
    r"|(?i:\bselect\b.*\bfrom\b|insert into|delete from|\bupdate \S+ set\b|alter table"
    r"|create (unique )?(table|index|view)|drop (table|index|view))",
    re.DOTALL,
)

# Written in pieces, so that this file passes its own test.
REGISTRY_HOSTS = [
    ".".join(parts).encode()
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("npmmirror", "com"),
        ("yarnpkg", "com"),
        ("deb", "debian", "org"),
        ("archive", "ubuntu", "com"),
        ("crates", "io"),
    )
]


@dataclass(frozen=True)
class Import:
    """One imported name, as an absolute dotted path."""

    name: str
    line: int
    relative: bool

    @property
    def room(self) -> str | None:
        """The room it comes from; None for what is not idweave's."""
        first, *rest = self.name.split(".")
        if first != "idweave":
            return None
        is_room = bool(rest) and (rest[0] in FLOORS or is_present(rest[0]))
        return rest[0] if is_room else "__init__"


def is_present(room: str) -> bool:
    return (PACKAGE / room).is_dir() or (PACKAGE / f"{room}.py").is_file()


@dataclass(frozen=True)
class Module:
    """One source file; ``path`` is relative to the repository."""

    path: PurePosixPath
    source: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source, str(self.path))

    @cached_property
    def inside(self) -> str:
        """The path inside the package, or empty."""
        in_package = self.path.is_relative_to("src/idweave")
        return str(self.path.relative_to("src/idweave")) if in_package else ""

    @cached_property
    def room(self) -> str:
        return self.inside.split("/")[0].removesuffix(".py")

    @cached_property
    def package(self) -> list[str]:
        return ["idweave", *self.inside.split("/")[:-1]]

    @cached_property
    def imports(self) -> list[Import]:
        found = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found += [Import(alias.name, node.lineno, False) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                above = self.package[: len(self.package) - node.level + 1] if node.level else []
                start = [*above, *([node.module] if node.module else [])]
                found += [
                    Import(".".join([*start, alias.name]), node.lineno, node.level > 0)
                    for alias in node.names
                ]
        return found

    @cached_property
    def functions(self) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
        return [node for node in ast.walk(self.tree) if isinstance(node, kinds)]

    def function_at(self, line: int) -> str:
        """The innermost function around a line."""
        around = [f for f in self.functions if f.lineno <= line <= (f.end_lineno or 0)]
        return max(around, key=lambda f: f.lineno).name if around else "<module>"


Findings = Iterator[tuple[int, str]]


# --- the rules ------------------------------------------------------------------------------------


def every_room_has_a_floor(module: Module) -> Findings:
    if module.inside and module.room not in FLOORS:
        yield 1, f"room {module.room!r} has no floor: give it one in FLOORS"


def no_dumping_grounds(module: Module) -> Findings:
    for part in module.inside.removesuffix(".py").split("/"):
        if part in DUMPING_GROUNDS:
            yield 1, f"{part!r} says nothing: name the file after what it does"


def imports_go_down(module: Module) -> Findings:
    own = FLOORS.get(module.room)
    for item in module.imports:
        target = item.room
        if own is None or target is None or target == module.room:
            continue
        pair = (module.room, target)
        if pair in FORBIDDEN:
            yield item.line, f"{module.room} may not import {target}: {FORBIDDEN[pair]}"
        elif target not in FLOORS:
            yield item.line, f"imports {target!r}, which has no floor: give it one in FLOORS"
        elif FLOORS[target] > own:
            yield item.line, f"imports upward: {module.room} ({own}), {target} ({FLOORS[target]})"
        elif FLOORS[target] == own and pair not in SIDEWAYS:
            kind = "a shell imports a shell" if own == SHELLS_FLOOR else "imports sideways"
            yield item.line, f"{kind}: {module.room} and {target} are both on floor {own}"


def relative_inside_absolute_across(module: Module) -> Findings:
    for item in module.imports if module.inside else ():
        if item.relative and item.room != module.room:
            yield item.line, f"imports {item.name} relatively: across rooms imports are absolute"
        if not item.relative and item.room == module.room:
            yield item.line, f"imports {item.name} absolutely: inside a room imports are relative"


def third_party_where_it_is_declared(module: Module) -> Findings:
    allowed = THIRD_PARTY.get(module.room, set()) | sys.stdlib_module_names | {"idweave"}
    for item in module.imports if module.inside else ():
        package = item.name.split(".")[0]
        if package not in allowed:
            yield item.line, f"{module.room} may not import {package}: see THIRD_PARTY"


def core_imports_nothing_impure(module: Module) -> Findings:
    for item in module.imports if module.room == "core" else ():
        for what, names in CORE_BANNED.items():
            banned = any(f"{item.name}.".startswith(f"{name}.") for name in names.split())
            if banned and not core_allows(module, item.name):
                yield item.line, f"{item.name} brings {what} into the core: take it as an argument"


def core_allows(module: Module, name: str) -> bool:
    return any(
        fnmatchcase(module.inside, pattern) and f"{name}.".startswith(f"{allowed}.")
        for pattern, allowed in CORE_ALLOWED
    )


def core_calls_nothing_impure(module: Module) -> Findings:
    for node in ast.walk(module.tree) if module.room == "core" else ():
        if isinstance(node, ast.Call):
            called = node.func
            bare = called.id if isinstance(called, ast.Name) else ""
            name = called.attr if isinstance(called, ast.Attribute) else bare
            for what, names in CORE_CALLS.items():
                if name in names and (bare or what != "I/O"):
                    yield (
                        node.lineno,
                        f"{name}() brings {what} into the core: take it as an argument",
                    )


def only_the_wiring_reads_the_environment(module: Module) -> Findings:
    if not module.inside or module.room in ENVIRONMENT_READERS:
        return
    text = "reads the environment: only cli and config do; take the setting as an argument"
    names = {"environ", "environb", "getenv", "getenvb"}
    for item in module.imports:
        if item.name.removeprefix("os.") in names:
            yield item.line, text
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and node.attr in names:
            yield node.lineno, text


def functions_are_short(module: Module) -> Findings:
    for function in module.functions:
        if (lines := length(function)) > FUNCTION_LINES_MAX:
            text = f"{function.name} has {lines} lines, at most {FUNCTION_LINES_MAX} are allowed"
            yield function.lineno, text


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def files_are_short(module: Module) -> Findings:
    is_test = module.path.parts[0] == "tests"
    limit = TEST_FILE_LINES_MAX if is_test else FILE_LINES_MAX
    if (lines := len(module.source.splitlines())) > limit:
        yield lines, f"the file has {lines} lines, at most {limit} are allowed: make a folder"


def sql_carries_values_as_parameters(module: Module) -> Findings:
    nodes = ast.walk(module.tree) if module.room in SQL_ROOMS else ()
    built = (node for node in nodes if isinstance(node, ast.expr) and is_built_sql(node))
    for line in sorted({node.lineno for node in built}):
        if f"{module.inside}::{module.function_at(line)}" not in SQL_BY_HAND:
            text = "SQL put together from parts: bind values as parameters, name parts as CONSTANTS"
            yield line, text


def is_built_sql(node: ast.expr) -> bool:
    match node:
        case ast.JoinedStr() | ast.BinOp(op=ast.Add()):
            parts = list(flat(node))
            return is_sql(parts) and not all(map(is_constant, parts))
        case ast.BinOp(left=text, op=ast.Mod()):
            return is_sql([text])
        case ast.Call(func=ast.Attribute(value=text, attr="format" | "format_map" | "replace")):
            return is_sql([text])
    return False


def flat(node: ast.expr) -> Iterator[ast.expr]:
    """The parts of an f-string or of a sum, from left to right."""
    match node:
        case ast.JoinedStr(values=parts):
            for part in parts:
                yield from flat(part)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            yield from flat(left)
            yield from flat(right)
        case ast.FormattedValue(value=value):
            yield value
        case _:
            yield node


def is_sql(parts: list[ast.expr]) -> bool:
    texts = [part.value for part in parts if isinstance(part, ast.Constant)]
    return any(isinstance(text, str) and SQL.search(text) is not None for text in texts)


def is_constant(part: ast.expr) -> bool:
    """A literal, a NAME in capitals or a call of ``SQL_CALLS``: nothing that came from outside."""
    match part:
        case ast.Constant():
            return True
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.isupper()
        case ast.Call(func=ast.Name(id=name)):
            return name in SQL_CALLS
    return False


RULES: list[Callable[[Module], Findings]] = [
    every_room_has_a_floor,
    no_dumping_grounds,
    imports_go_down,
    relative_inside_absolute_across,
    third_party_where_it_is_declared,
    core_imports_nothing_impure,
    core_calls_nothing_impure,
    only_the_wiring_reads_the_environment,
    functions_are_short,
    files_are_short,
    sql_carries_values_as_parameters,
]


# --- the house keeps them -------------------------------------------------------------------------


def sources() -> list[Module]:
    paths = [ROOT / "dev.py"]
    for folder in ("src", "tests", "bench", "examples"):
        paths += sorted((ROOT / folder).rglob("*.py"))
    return [
        Module(PurePosixPath(path.relative_to(ROOT).as_posix()), path.read_text("utf-8"))
        for path in paths
    ]


@pytest.fixture(scope="module")
def house() -> list[Module]:
    return sources()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps_the_rule(rule: Callable[[Module], Findings], house: list[Module]) -> None:
    broken = [f"{m.path}:{line}: {text}" for m in house for line, text in rule(m)]
    assert not broken, f"{rule.__name__}:\n" + "\n".join(broken)


def test_no_tracked_file_names_a_package_registry() -> None:
    found = []
    for path in tracked():
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            if any(host in line for host in REGISTRY_HOSTS):
                found.append(f"{path.relative_to(ROOT)}:{number}: names a package registry's host")
    assert not found, "\n".join(found)


def tracked() -> list[Path]:
    """Every file git knows, or the sources where there is no git (an unpacked archive)."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z"]
    try:
        run = subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return [ROOT / module.path for module in sources()]
    paths = (ROOT / name for name in run.stdout.decode().split("\0") if name)
    return [path for path in paths if path.is_file()]


# --- each rule finds what it is for ---------------------------------------------------------------

PLANTED = [
    ("novel/x.py", "", "room 'novel' has no floor"),
    ("core/utils.py", "", "'utils' says nothing"),
    ("core/x.py", "from idweave.engine import Engine", "imports upward: core (0), engine (2)"),
    ("engine/x.py", "def f():\n    from idweave import stores", "imports upward: engine (2)"),
    ("wire.py", "from idweave.ports import Store", "imports sideways: wire and ports"),
    ("server/x.py", "import idweave.stores.sqlite", "a shell imports a shell"),
    ("core/x.py", "import idweave", "imports upward: core (0), __init__ (1)"),
    ("sdk/x.py", "from idweave.engine import Engine", "an app carries the SDK"),
    ("engine/x.py", "from ..core import graph", "across rooms imports are absolute"),
    ("core/device/x.py", "from idweave.core.graph import G", "inside a room imports are relative"),
    ("sdk/x.py", "import httpx2", "sdk may not import httpx2"),
    ("wire.py", "import msgspec", "wire may not import msgspec"),
    ("core/x.py", "import os.path", "os.path brings I/O into the core"),
    ("core/x.py", "from time import time", "time.time brings a clock"),
    ("core/x.py", "from uuid import uuid4", "uuid.uuid4 brings chance"),
    ("core/x.py", "import logging", "logging brings logging"),
    ("core/record.py", "from importlib import resources", "importlib.resources brings I/O"),
    ("core/policy_file.py", "import importlib", "importlib brings I/O"),
    ("core/x.py", "print(1)", "print() brings I/O"),
    ("core/x.py", "open('x')", "open() brings I/O"),
    ("core/x.py", "datetime.now(UTC)", "now() brings a clock"),
    ("engine/x.py", "import os\nos.environ['X']", "reads the environment"),
    ("sdk/x.py", "from os import getenv", "reads the environment"),
    ("core/x.py", "def f():\n" + "    1\n" * 50, "f has 51 lines"),
    ("core/x.py", "1\n" * 401, "401 lines, at most 400"),
    ("stores/x.py", "f'SELECT * FROM {table}'", "SQL put together"),
    ("stores/x.py", "'select a from b where c=%s' % c", "SQL put together"),
    ("stores/x.py", "'DELETE FROM {}'.format(t)", "SQL put together"),
    ("stores/x.py", "f'SELECT {COLUMNS} FROM ' + table", "SQL put together"),
    ("stores/x.py", "'PRAGMA user_version = ' + str(n)", "SQL put together"),
]
KEPT = [
    ("core/policy_file.py", "from importlib import resources"),
    ("core/device/x.py", "from ..identity import Identity\nfrom .y import Z"),
    ("core/x.py", "from uuid import uuid3\nfrom urllib.parse import quote"),
    ("cli/x.py", "import os\nfrom idweave.config import S\nimport typer\nos.environ['X']"),
    ("server/x.py", "from idweave import __version__\nfrom idweave.engine import Engine"),
    (
        "stores/x.py",
        "f'SELECT {COLUMNS} FROM ' + USERS\nf'no store at {path}'",
    ),
    ("stores/x.py", "f'DELETE FROM a WHERE b IN ({marks(c)})'"),
    ("core/x.py", "def f():\n" + "    1\n" * 49),
]


def findings(inside: str, source: str) -> list[str]:
    module = Module(PurePosixPath("src/idweave", inside), source)
    return [text for rule in RULES for _, text in rule(module)]


@pytest.mark.parametrize(("inside", "source", "expected"), PLANTED)
def test_a_planted_violation_is_found_once(inside: str, source: str, expected: str) -> None:
    found = findings(inside, source)
    assert len(found) == 1, found
    assert expected in found[0]


@pytest.mark.parametrize(("inside", "source"), KEPT)
def test_what_is_allowed_is_not_a_finding(inside: str, source: str) -> None:
    assert findings(inside, source) == []


# --- the public face ------------------------------------------------------------------------------


def public_functions(value: object) -> Iterator[tuple[str, FunctionType]]:
    """A function itself, or the public methods and properties a class defines."""
    if isinstance(value, FunctionType):
        yield value.__qualname__, value
    if not isinstance(value, type):
        return
    for name, member in vars(value).items():
        plain = getattr(member, "fget", None) or getattr(member, "func", None)
        plain = plain or getattr(member, "__func__", None) or member
        ours = isinstance(plain, FunctionType) and plain.__module__.startswith("idweave")
        if ours and not name.startswith("_"):
            yield f"{value.__qualname__}.{name}", plain


def is_typed(function: FunctionType) -> bool:
    signature = inspect.signature(function)
    given = [p for name, p in signature.parameters.items() if name not in ("self", "cls")]
    typed = all(parameter.annotation is not inspect.Parameter.empty for parameter in given)
    return typed and signature.return_annotation is not inspect.Signature.empty


def is_documented(value: object) -> bool:
    """A docstring somebody wrote: a dataclass makes one up from its fields."""
    text = (value.__doc__ or "").strip()
    return bool(text) and not text.startswith(f"{getattr(value, '__name__', '')}(")


def test_all_is_sorted_and_every_name_in_it_exists() -> None:
    assert idweave.__all__ == sorted(idweave.__all__)
    assert [name for name in idweave.__all__ if not hasattr(idweave, name)] == []


@pytest.mark.parametrize("name", [n for n in idweave.__all__ if n != "__version__"])
def test_every_public_name_is_typed_and_documented(name: str) -> None:
    value = getattr(idweave, name)
    assert is_documented(value), f"idweave.{name} needs a docstring"
    for qualified, function in public_functions(value):
        assert is_typed(function), f"idweave.{qualified} is not fully annotated"
        assert is_documented(function), f"idweave.{qualified} needs a docstring"


def test_the_version_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert idweave.__version__ == project["version"]


def report() -> str:
    """The figures: function lengths and the largest files of src."""
    inside = [module for module in sources() if module.inside]
    lengths = sorted(length(f) for module in inside for f in module.functions)
    largest = sorted((len(m.source.splitlines()), str(m.path)) for m in inside)[-5:]
    figures = f"median {statistics.median(lengths)}, p95 {lengths[len(lengths) * 95 // 100]}"
    rows = [f"{len(lengths)} functions: {figures}, longest {lengths[-1]} lines"]
    return "\n".join(rows + [f"{lines:5} {path}" for lines, path in reversed(largest)])


if __name__ == "__main__":
    sys.stdout.write(report() + "\n")
