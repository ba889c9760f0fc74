"""The wheel that users install: complete, typed, and able to stand alone."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "idweave"

ALONE = """
import sys
sys.path.insert(0, sys.argv[1])
import idweave
from idweave.core.policy_file import preset
assert idweave.__file__.startswith(sys.argv[1]), idweave.__file__
assert preset("sensors"), "the presets travel with the wheel"
print(idweave.__version__)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    return Path(built)


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def metadata(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return archive.read(name).decode()


def test_it_is_one_wheel_for_every_platform(wheel: Path) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")


def test_it_holds_the_type_marker_and_the_licence(names: set[str]) -> None:
    assert "idweave/py.typed" in names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_every_source_and_data_file_is_in_it(names: set[str]) -> None:
    files = (path for path in SOURCE.rglob("*") if path.is_file() and path.suffix != ".pyc")
    wanted = {f"idweave/{path.relative_to(SOURCE).as_posix()}" for path in files}
    assert {name for name in wanted if name.startswith("idweave/core/presets/")}
    assert wanted - names == set()


def test_nothing_but_the_package_is_in_it(names: set[str]) -> None:
    assert {name.split("/")[0].split("-")[0] for name in names} == {"idweave"}


def test_the_core_requires_no_other_package(wheel: Path) -> None:
    required = [line for line in metadata(wheel).splitlines() if line.startswith("Requires-Dist")]
    assert [line for line in required if "extra ==" not in line] == []


def test_the_readme_is_its_description(wheel: Path) -> None:
    if (ROOT / "README.md").exists():
        _, _, description = metadata(wheel).partition("\n\n")
        assert description.strip() == (ROOT / "README.md").read_text("utf-8").strip(), (
            'pyproject.toml, [project]: add readme = "README.md"'
        )


def test_it_works_with_the_standard_library_alone(wheel: Path) -> None:
    command = [sys.executable, "-I", "-S", "-W", "error", "-c", ALONE, str(wheel)]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() in wheel.name
