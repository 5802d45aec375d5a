"""Each guarantee names a test, and each test that is named exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_LINES = (_ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8").splitlines()
_TEST_ID = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def rows() -> list[str]:
    """Return the rows of all tables, without their heads."""
    return [line for line in _LINES if line.startswith("| ") and line != "| guarantee | test |"]


def test_each_guarantee_names_a_test() -> None:
    assert rows()
    assert [row for row in rows() if not _TEST_ID.search(row)] == []


def test_named_tests_exist() -> None:
    named = {found.groups() for row in rows() for found in _TEST_ID.finditer(row)}
    existing = {
        (path, node.name)
        for path in {path for path, _ in named}
        if (_ROOT / path).exists()
        for node in ast.walk(ast.parse((_ROOT / path).read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    }
    assert named - existing == set()
