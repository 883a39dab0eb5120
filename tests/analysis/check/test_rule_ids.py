"""Every rule that check's modules name has its entry in the catalogue: what it means, who did it, what to do."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import vnetmig.analysis.check
from vnetmig.analysis.catalogue.messages import message

FOLDER = Path(vnetmig.analysis.check.__file__).parent

#   what is called with a rule's id   which argument it is
MAKERS = {"Trouble": 0, "_stop": 0, "_refused": 0, "_Refused": 0, "_in_subsection": 0, "_in_tmp": 1}


def ids(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MAKERS:
            for argument in node.args[MAKERS[node.func.id] :][:1]:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield argument.value
        # (id, values): what is said before or around a rule's own words
        if isinstance(node, ast.Tuple) and len(node.elts) == 2 and isinstance(node.elts[1], ast.Dict):
            first = node.elts[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield first.value


USED = sorted({id for path in FOLDER.glob("*.py") for id in ids(ast.parse(path.read_text()))})


def test_rules_are_found() -> None:
    assert len(USED) > 60
    assert {"pci-config", "ram-size", "ping", "rss-table", "subsection-failed"} <= set(USED)


@pytest.mark.parametrize("id", USED)
def test_an_entry_in_the_catalogue(id: str) -> None:
    found = message(id)
    assert found.means.endswith(".")
    assert found.causes
    assert found.remedies
    assert found.source
