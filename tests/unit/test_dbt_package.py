"""The dbt package knows the tables as they are; ``python -m tests.dbt_package`` runs it, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from idweave.batch.tables import SCHEMA
from idweave.core.graph import Reason

PACKAGE = Path(__file__).parents[2] / "dbt"
MODELS = PACKAGE / "models" / "marts"
PAGE = PACKAGE.parent / "docs" / "how-to" / "read-the-tables.md"


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def sources() -> dict[str, dict[str, Any]]:
    """The columns of each source."""
    (source,) = read(PACKAGE / "models" / "staging" / "sources.yml")["sources"]
    return {
        table["name"]: {column["name"]: column for column in table["columns"]}
        for table in source["tables"]
    }


def test_the_sources_are_the_tables_column_by_column() -> None:
    expected = {table: [name for name, _ in columns] for table, columns in SCHEMA.items()}
    assert {table: list(columns) for table, columns in sources().items()} == expected


def test_the_reasons_that_are_accepted_are_those_that_there_are() -> None:
    tests = sources()["refusals"]["reason"]["data_tests"]
    (accepted,) = (test["accepted_values"] for test in tests if isinstance(test, dict))
    assert set(accepted["arguments"]["values"]) == {reason.value for reason in Reason}


def test_every_model_is_described_and_on_the_page() -> None:
    files = {path.stem for path in MODELS.glob("*.sql")}
    described = {model["name"]: model for model in read(MODELS / "marts.yml")["models"]}
    assert set(described) == files
    assert all(model["description"] for model in described.values())
    page = PAGE.read_text("utf-8")
    assert [name for name in files if f"`{name}`" not in page] == []
