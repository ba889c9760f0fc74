"""``dev.py``: every trouble is one sentence, and nothing to do is done at once."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

DEV = Path(__file__).parents[2] / "dev.py"


def load(path: Path = DEV) -> ModuleType:
    spec = importlib.util.spec_from_file_location("dev_under_test", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def dev(
    *words: str, script: Path = DEV, python: tuple[str, ...] = (sys.executable,), **env: str
) -> subprocess.CompletedProcess[str]:
    command = [*python, str(script), *words]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, env={**os.environ, **env}
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree whose lock asks for a package that no index can give."""
    (tmp_path / "dev.py").write_bytes(DEV.read_bytes())
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n", "utf-8")
    lock = f"nowhere==1.0 --hash=sha256:{'0' * 64}\n"
    (tmp_path / "requirements.lock").write_text(lock, "utf-8")
    return tmp_path


def test_an_old_python_can_read_it_as_far_as_the_sentence_about_its_age() -> None:
    source = DEV.read_text("utf-8")
    ast.parse(source, feature_version=(3, 6))
    assert "from __future__ import annotations" not in source


def test_without_a_command_it_teaches() -> None:
    run = dev()
    assert run.returncode == 2
    assert all(name in run.stdout for name in load().COMMANDS)


@pytest.mark.parametrize("name", sorted(load().COMMANDS))
def test_each_command_explains_itself(name: str) -> None:
    run = dev(name, "--help")
    assert run.returncode == 0
    assert run.stdout.startswith(f"python3 dev.py {name}: ")


def test_an_unknown_command_is_one_sentence_with_the_choices() -> None:
    run = dev("tset")
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr.count("\n") == 1
    assert "'tset'" in run.stderr
    assert "test" in run.stderr


@pytest.mark.parametrize(
    ("printed", "advice"),
    [
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("The virtual environment was not created because ensurepip is not", "python3-venv"),
        ("NewConnectionError: [Errno -3] Temporary failure in name resolution", "network"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", "requirements.lock"),
        ("[Errno 13] Permission denied: '/x/.venv'", "cannot be written"),
        ("ERROR: No matching distribution found for uvloop==9", "for this Python"),
        ("something nobody foresaw", "setup.log"),
    ],
)
def test_what_pip_prints_becomes_advice(printed: str, advice: str) -> None:
    assert advice in load().advice(printed)


def test_a_python_without_venv_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    module = load()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(module.Stop, match="apt-get install python3-venv"):
        module.make_venv(tmp_path)


@pytest.mark.slow
def test_a_package_that_cannot_be_had_is_one_sentence_and_the_environment_is_kept(
    tree: Path,
) -> None:
    run = dev("setup", script=tree / "dev.py", PIP_NO_INDEX="1")
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1, run.stderr
    assert "requirements.lock" in run.stderr
    module = load(tree / "dev.py")
    assert module.stamp_read() == module.stamp_wanted()[:1]


def test_a_setup_with_nothing_to_do_starts_no_program(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = load(tree / "dev.py")
    (tree / ".venv").mkdir()
    module.stamp_write(module.stamp_wanted())
    monkeypatch.setattr(subprocess, "Popen", None)
    module.setup()


def test_a_changed_lock_asks_for_another_setup(tree: Path) -> None:
    module = load(tree / "dev.py")
    (tree / ".venv").mkdir()
    module.stamp_write(module.stamp_wanted())
    (tree / "requirements.lock").write_text("", "utf-8")
    assert module.stamp_read()[0] == module.stamp_wanted()[0]
    assert module.stamp_read() != module.stamp_wanted()


def test_only_one_setup_at_a_time_holds_the_mutex(tree: Path) -> None:
    module = load(tree / "dev.py")
    with module.mutex(), module.MUTEX.open("a+b") as other:
        assert not module.try_lock(other.fileno())


def test_an_unknown_benchmark_is_one_sentence_with_the_choices(tree: Path) -> None:
    (tree / "bench").mkdir()
    (tree / "bench" / "collect.py").write_text("", "utf-8")
    run = dev("bench", "colect", script=tree / "dev.py")
    assert run.returncode == 1
    assert run.stderr.endswith("choose from collect.\n")
