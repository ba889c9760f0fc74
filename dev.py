#!/usr/bin/env python3
"""Every task of this repository, on Linux, macOS and Windows, with Python 3.11 or newer alone.

Each command first makes or refreshes ``.venv`` from ``requirements.lock``, which takes a moment
the first time and nothing after that. What goes wrong is one sentence that says what to do.
Only the standard library is used, and no syntax newer than Python 3.6: an old Python must get as
far as the sentence about its age.
"""

import contextlib
import errno
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 - the one place that meets an older Python
    NEWER = [f"python3.{minor}" for minor in (14, 13, 12, 11) if shutil.which(f"python3.{minor}")]
    ADVICE = f"run '{NEWER[0]} dev.py' instead" if NEWER else "install one and run it with that"
    HAVE = "{}.{}".format(*sys.version_info)
    sys.exit(f"dev.py: idweave needs Python 3.11 or newer and this is {HAVE}: {ADVICE}.")

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "idweave.stamp"
LOG = VENV / "setup.log"
MUTEX = ROOT / ".venv.lock"
LOCK = ROOT / "requirements.lock"
BENCH_LOCK = ROOT / "bench" / "requirements.lock"
DBT = (ROOT / "dbt" / LOCK.name, "--group dbt")
LOCKS = ((LOCK, "--all-extras --group dev"), (BENCH_LOCK, f"--group bench -c {LOCK.name}"), DBT)
YARDSTICKS = ["batch"]  # suites that measure beside packages that nothing else needs
WINDOWS = os.name == "nt"
UV = "uv==0.13.9"  # only `lock` uses it; pinned so that the same lock is written everywhere
WAIT_S_MAX = 1200  # another setup may be downloading on a slow line; then something hangs

# What pip and venv print, and what the reader can do about it. The first row that matches speaks.
FAILURES = (
    (
        r"No space left on device|Errno 28|not enough space",
        "the disk is full: free about 600 MB and run the command again",
    ),
    (
        r"ensurepip",
        "this Python cannot make virtual environments: on Debian or Ubuntu run "
        "'apt-get install python3-venv' (as root), elsewhere install Python with pip",
    ),
    (
        r"DO NOT MATCH THE HASHES",
        "a downloaded package is not the one in requirements.lock: "
        "run it again, and if that does not help do not trust the package index in use",
    ),
    (
        r"NewConnectionError|name resolution|getaddrinfo|nodename nor servname|unreachable"
        r"|Connection refused|ConnectTimeout|timed out|ProxyError|Connection reset|SSLError",
        "the package index cannot be reached: connect to the network, or name a reachable index "
        "in PIP_INDEX_URL or a proxy in HTTPS_PROXY, and run it again",
    ),
    (
        r"Permission denied|Read-only file system|Access is denied",
        "{root} cannot be written: take ownership of it or work in a copy",
    ),
    (
        r"Could not find a version|No matching distribution",
        "the package index in use lacks a package of requirements.lock for this Python and "
        "platform: use another index (PIP_INDEX_URL) or a released Python from 3.11 to 3.14",
    ),
)


class Stop(Exception):
    """The command cannot go on; the text is the one sentence for the reader."""


# --- setting up -----------------------------------------------------------------------------------


def setup() -> None:
    """Make `.venv` hold exactly what the lock says; nothing to do is the usual case."""
    if stamp_read() == stamp_wanted():
        return
    with mutex():
        if stamp_read() != stamp_wanted():  # another process may have done it while we waited
            install()


def install() -> None:
    if not LOCK.exists():
        raise Stop("requirements.lock is missing: restore it with 'git checkout requirements.lock'")
    if stamp_read()[:1] != stamp_wanted()[:1] or not venv_python(VENV).exists():
        say("making .venv for Python " + ".".join(map(str, sys.version_info[:3])))
        make_venv(VENV)
        stamp_write(stamp_wanted()[:1])
    packages = len(re.findall(r"^[\w.-]+==", LOCK.read_text("utf-8"), re.MULTILINE))
    pip("install", "--require-hashes", "-r", str(LOCK), expected=packages)
    pip("install", "--no-deps", "--no-build-isolation", "-e", str(ROOT))
    stamp_write(stamp_wanted())


def make_venv(folder: Path) -> None:
    if not all(map(importlib.util.find_spec, ("venv", "ensurepip"))):
        raise Stop(advice("ensurepip"))
    command = [sys.executable, "-I", "-m", "venv", "--clear", str(folder)]
    made = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if made.returncode:
        raise Stop(advice(made.stdout + made.stderr))


def pip(*arguments: str, expected: int = 0, folder: Path = VENV) -> None:
    """Run pip in `folder`, counting packages on the terminal; its words go to the log."""
    command = [str(venv_python(folder)), "-I", "-m", "pip", "--no-input", *arguments]
    heard = []
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_USER": "0"},
    ) as process:
        for line in process.stdout or ():
            heard.append(line)
            progress(sum(map(is_package, heard)), expected)
    progress_end(expected)
    if process.returncode:
        LOG.parent.mkdir(exist_ok=True)
        LOG.write_text("".join(heard), "utf-8")
        raise Stop(advice("".join(heard)))


def is_package(line: str) -> bool:
    return line.startswith(("Collecting ", "Processing ", "Requirement already satisfied"))


def advice(output: str) -> str:
    """The sentence for what pip or venv printed."""
    for pattern, sentence in FAILURES:
        if re.search(pattern, output):
            return sentence.format(root=ROOT)
    return f"setting up .venv failed: read {LOG}, remove .venv and run it again"


def venv_python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if WINDOWS else "bin/python")


def stamp_wanted() -> list[str]:
    """The Python the environment was made with and where, then what was installed into it."""
    made_by = " ".join((sys.version, sys.base_prefix, str(ROOT)))
    contents = b"\0".join(read_bytes(path) for path in (LOCK, ROOT / "pyproject.toml"))
    return [hashlib.sha256(part).hexdigest() for part in (made_by.encode(), contents)]


def stamp_read() -> list[str]:
    return read_bytes(STAMP).decode("ascii", "replace").split()


def stamp_write(lines: list[str]) -> None:
    fresh = STAMP.with_suffix(".new")
    fresh.write_text("\n".join(lines) + "\n", "ascii")
    fresh.replace(STAMP)


def read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


@contextlib.contextmanager
def mutex() -> Iterator[None]:
    """One setup at a time. The system drops the lock of a process that dies."""
    with MUTEX.open("a+b") as file:
        deadline = time.monotonic() + WAIT_S_MAX
        while not try_lock(file.fileno()):
            if time.monotonic() > deadline:
                raise Stop("another setup of this tree does not end: stop it, remove .venv, retry")
            time.sleep(0.2)
        yield


def try_lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, 0, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
            return False
        raise
    return True


# --- commands -------------------------------------------------------------------------------------


def command_setup(arguments: list[str]) -> int:
    refuse("setup", arguments)
    setup()
    say("ready: .venv holds idweave and its tools")
    return 0


def command_run(arguments: list[str]) -> int:
    setup()
    return become(["-m", "idweave", "demo", "--keep-serving", *arguments])


def command_test(arguments: list[str]) -> int:
    setup()
    os.chdir(str(ROOT))
    chosen = any(word.startswith(("-n", "--numprocesses", "--pdb")) for word in arguments)
    spread = [] if chosen else ["-n", "auto", "--dist", "worksteal"]
    return become(["-m", "pytest", *spread, *arguments])


def command_lint(arguments: list[str]) -> int:
    """All three speak, even when the first finds something."""
    refuse("lint", arguments)
    setup()
    checks = (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy", "--strict"])
    failed = [" ".join(check) for check in checks if module(check)]
    say("lint: " + ("failed: " + ", ".join(failed) if failed else "nothing to complain about"))
    return 1 if failed else 0


def command_bench(arguments: list[str]) -> int:
    suites = sorted(path.stem for path in (ROOT / "bench").glob("[!_]*.py"))
    if not suites:
        raise Stop("there is no benchmark yet: put one into bench/NAME.py")
    if arguments and not arguments[0].startswith("-") and arguments[0] not in suites:
        choices = ", ".join(suites)
        raise Stop(f"no benchmark is called {arguments[0]!r}: choose from {choices}")
    setup()
    os.chdir(str(ROOT))
    if arguments[:1] == YARDSTICKS:
        pip("install", "--require-hashes", "-r", str(BENCH_LOCK))
    return become(["-m", "bench", *arguments])


def command_lock(arguments: list[str]) -> int:
    """In a scratch environment: what writes the lock is not part of it."""
    with tempfile.TemporaryDirectory(prefix="idweave-lock-") as scratch:
        folder = Path(scratch, "venv")
        make_venv(folder)
        pip("install", UV, folder=folder)
        commands = [lock_command(venv_python(folder), *lock) + arguments for lock in LOCKS]
        code = any(subprocess.call(command, cwd=str(ROOT)) for command in commands)
    if code:
        raise Stop("requirements.lock was not written: uv says why above")
    say("requirements.lock is written: commit it together with pyproject.toml")
    return 0


def lock_command(python: Path, lock: Path, packages: str) -> list[str]:
    words = "-m uv pip compile pyproject.toml --quiet --universal --python-version 3.11"
    words += f" {packages} --generate-hashes --no-emit-index-url --no-emit-find-links"
    named = ["--custom-compile-command", "python3 dev.py lock", "-o"]
    return [str(python), *words.split(), *named, lock.relative_to(ROOT).as_posix()]


def refuse(name: str, arguments: list[str]) -> None:
    if arguments:
        raise Stop(f"{name} takes no arguments, and got {' '.join(arguments)}")


def module(words: list[str]) -> int:
    return subprocess.call([str(venv_python(VENV)), "-m", *words], cwd=str(ROOT))


def become(words: list[str]) -> int:
    """Hand the terminal over: on POSIX this process becomes that one, so signals reach it."""
    command = [str(venv_python(VENV)), *words]
    sys.stdout.flush()
    if not WINDOWS:
        os.execv(command[0], command)
    process = subprocess.Popen(command)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # the console gave Ctrl-C to both: let the child finish its work
            continue


# --- talking --------------------------------------------------------------------------------------


def say(text: str) -> None:
    print("dev.py: " + text, flush=True)


def progress(done: int, expected: int) -> None:
    if expected and sys.stdout.isatty():
        done = min(done, expected)
        bar = "#" * (24 * done // expected)
        print(f"\rdev.py: packages [{bar:<24}] {done}/{expected}", end="", flush=True)


def progress_end(expected: int) -> None:
    if expected and sys.stdout.isatty():
        print()


COMMANDS: dict[str, tuple[Callable[[list[str]], int], str, str]] = {
    "run": (
        command_run,
        "start idweave and watch it work",
        "Starts collector (http://127.0.0.1:8106) and API (8107) with an embedded store, replays\n"
        "recorded SDK requests into it and prints who is who. Ctrl-C stops it; the next run goes\n"
        "on where this one stopped. Arguments go to 'idweave demo':\n"
        "  python3 dev.py run --port 9000",
    ),
    "test": (
        command_test,
        "pass all tests",
        "Arguments go to pytest; tests are spread over all processors unless -n says otherwise.\n"
        "  python3 dev.py test                     everything\n"
        "  python3 dev.py test tests/unit -k wire  a few\n"
        "  python3 dev.py test -n0 --pdb           in one process, stopping at a failure\n"
        "With CI=true in the environment a skip fails unless tests/skips_allowed.txt has it.",
    ),
    "lint": (
        command_lint,
        "check style, format and types",
        "Runs ruff check, ruff format --check and mypy --strict; pyproject.toml has the rules.\n"
        "Most findings mend themselves: .venv/bin/ruff check --fix . && .venv/bin/ruff format .",
    ),
    "bench": (
        command_bench,
        "measure",
        "The first argument names a suite, a file in bench/; the rest go to it. Without a suite\n"
        "bench runs its default.",
    ),
    "setup": (
        command_setup,
        "make .venv and nothing else",
        "Installs requirements.lock (every package by its hash) and this tree, editable, into\n"
        ".venv. The other commands do this by themselves. To start over, remove .venv.",
    ),
    "lock": (
        command_lock,
        "write requirements.lock anew",
        "Run it after changing dependencies in pyproject.toml. Versions already locked stay;\n"
        "  python3 dev.py lock --upgrade           takes the newest of everything\n"
        "  python3 dev.py lock -P starlette        takes the newest of one package",
    ),
}


def overview() -> str:
    lines = ["usage: python3 dev.py COMMAND [arguments]", ""]
    lines += [f"  {name:7} {row[1]}" for name, row in COMMANDS.items()]
    lines += ["", "New here? 'python3 dev.py run'. More on one: 'python3 dev.py COMMAND --help'."]
    return "\n".join(lines)


def dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(overview())
        return 0 if words else 2
    if words[0] not in COMMANDS:
        raise Stop("there is no command {!r}: choose from {}".format(words[0], ", ".join(COMMANDS)))
    act, title, text = COMMANDS[words[0]]
    if words[1:2] in (["-h"], ["--help"]):
        print(f"python3 dev.py {words[0]}: {title}\n\n{text}")
        return 0
    return act(words[1:])


def main() -> int:
    try:
        return dispatch(sys.argv[1:])
    except Stop as stop:
        sentence = str(stop)
    except KeyboardInterrupt:
        print("\ndev.py: stopped", file=sys.stderr)
        return 130
    except OSError as error:
        sentence = advice(f"Errno {error.errno}: {error}")
        sentence += f" ({error})"
    print(f"dev.py: {sentence}.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
