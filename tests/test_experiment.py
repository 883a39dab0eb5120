"""docs/experiment.md is run: its blocks, each figure in bold, and the words of its pictures."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from console_blocks import check, commands, shell

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "experiment.md"
PICTURES = ROOT / "docs" / "experiment"
LOGS = ROOT / "tests" / "traces" / "rfc-1q.tar.xz"

#   picture                       options        figure
DRAWN = {
    "load-differences.svg": ("", "load-differences.svg"),
    "quiet-load-differences.svg": ("--series 1qB", "load-differences.svg"),
    "quiet-time-line.svg": ("--series 1qB", "time-line.svg"),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("experiment")
    shutil.copy(LOGS, folder)
    assert shell(f"tar xf {LOGS.name}", folder).returncode == 0
    return folder


@pytest.fixture(scope="module")
def printed(place: Path) -> str:
    """All that the tool says of the runs, and of the quiet ones."""
    told = [shell(f"vnetmig downtime --runs rfc-1q {options}", place) for options in ("", "--series 1qB")]
    assert [ran.returncode for ran in told] == [0, 0]
    return "\n".join(ran.stdout for ran in told)


def test_blocks(place: Path) -> None:
    found = list(commands(PAGE.read_text()))
    assert len(found) >= 5
    for command, expected, code in found:
        check(command, expected, code, place)


def test_every_figure_in_bold_is_printed(printed: str) -> None:
    figures = [text for text in re.findall(r"\*\*([^*]+)\*\*", PAGE.read_text()) if re.search(r"\d", text)]
    assert len(figures) > 30
    for figure in figures:
        words = " ".join(figure.split()).removeprefix("p = ")
        assert re.search(rf"(?<![\d.]){re.escape(words)}(?![\d.]*\d)", printed), figure


@pytest.fixture(scope="module")
def drawn(place: Path) -> dict[str, Path]:
    """Options -> folder of pictures."""
    folders = {
        options: place / f"svg{number}" for number, options in enumerate(sorted({of[0] for of in DRAWN.values()}))
    }
    for options, folder in folders.items():
        assert shell(f"vnetmig downtime --runs rfc-1q {options} --svg {folder}", place).returncode == 0
    return folders


@pytest.mark.parametrize("name", DRAWN)
def test_pictures(name: str, drawn: dict[str, Path]) -> None:
    """Their words, and how many marks they have; where exactly those stand is matplotlib's affair."""
    options, figure = DRAWN[name]
    assert f"experiment/{name}" in PAGE.read_text()
    assert told(PICTURES / name) == told(drawn[options] / figure)


def told(path: Path) -> tuple[list[str], int]:
    found = ElementTree.parse(path).getroot()
    texts = ["".join(element.itertext()).strip() for element in found.iter() if element.tag.endswith("}text")]
    return texts, sum(element.tag.endswith(("}use", "}path")) for element in found.iter())


def test_every_picture_is_shown() -> None:
    assert {path.name for path in PICTURES.iterdir()} == set(DRAWN)
