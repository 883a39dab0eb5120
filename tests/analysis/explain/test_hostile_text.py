"""Texts that somebody made to keep us busy. The work is counted, not timed: tries of patterns, and their reach."""

from __future__ import annotations

import json
import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vnetmig.analysis.catalogue import reading
from vnetmig.analysis.catalogue.messages import MESSAGES
from vnetmig.analysis.catalogue.reading import MOST, Finder
from vnetmig.analysis.explain.explain import explain
from vnetmig.analysis.explain.log import LONGEST, OVERLAP, lines

WORDINGS = [wording.text for message in MESSAGES for wording in message.wordings]
LITERALS = [max((part for part, *_ in string.Formatter().parse(text)), key=len) for text in WORDINGS]


def pieces() -> st.SearchStrategy[str]:
    return st.sampled_from(
        [*WORDINGS, *LITERALS, "\n", "\x1b[2J", "\0", "'", '"', "0x", "-5", "&#10;", "\\n", '{"msg":"', "\udcff"]
    )


@given(st.lists(pieces() | st.text(max_size=20), max_size=40).map("".join))
def test_any_text_gets_an_answer(text: str) -> None:
    told = explain(text)
    assert told.known or not told.found
    for entry in told:
        assert entry.line >= 0 and entry.message.causes


@pytest.mark.parametrize(
    "line",
    ["x" * 200_000, "VQ 0 size 0x" + "f" * 200_000, "'" * 200_000, "Failed to load " * 15_000, "\0" * 200_000],
    ids=["letters", "digits", "quotes", "beginnings", "zeros"],
)
def test_one_long_line(line: str) -> None:
    told = explain(line)
    assert not told.found


def test_a_long_line_is_looked_at_in_pieces() -> None:
    message = "Missing section footer for slirp"
    text = "y" * (LONGEST - 10) + message + "z " * LONGEST + message
    assert all(len(line.text) <= LONGEST + OVERLAP for line in lines(text))
    (entry,) = explain("a " * (LONGEST // 2 - 5) + message + " z" * LONGEST).found
    assert entry.times == 1


def test_a_line_of_all_beginnings_ends() -> None:
    line = "".join(random.Random(7).choices(LITERALS, k=20_000))
    assert len(Finder(MESSAGES).find(line[:LONGEST])) <= MOST * 2
    assert explain(line).cut


def test_no_pattern_repeats_without_end() -> None:
    """Every part of a pattern is a counted repetition: none can take more than a line's length times its bound."""
    for text in WORDINGS:
        expression = reading._pattern(text).expression.pattern
        bare = expression.replace("\\*", "").replace("\\+", "").replace("(?=\\s*$)", "")
        assert "*" not in bare and "+" not in bare, expression


@pytest.mark.parametrize(
    "line",
    [
        '{"msg":' * 5000,
        '{"msg": ' + "[" * 100_000,
        '{"msg": 5}',
        '{"msg": "Missing section footer for slirp"',
        'compute {"level":"info","msg":"Missing section footer for slirp"} trailing',
    ],
)
def test_json_that_is_none(line: str) -> None:
    told = explain(line)
    assert told.known == ("slirp" in line)


def test_json_texts_may_have_lines_of_their_own() -> None:
    line = json.dumps({"msg": "Missing section footer for slirp\nload of migration failed: Invalid argument"})
    (entry,) = explain(line).found
    assert entry.chain == ("load of migration failed: Invalid argument",)
