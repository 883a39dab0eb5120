"""Explanations as text and JSON: everything that was found is told, nothing can fool a terminal."""

from __future__ import annotations

import json

from vnetmig.analysis.catalogue.messages import MESSAGES
from vnetmig.analysis.explain.explain import explain
from vnetmig.analysis.explain.explanation import Explanations
from vnetmig.analysis.explain.feature_fault import FeatureFault
from vnetmig.report.blocks import Facts
from vnetmig.report.explain import WIDTH, _fault, explanation_blocks, explanations_json, list_blocks, list_json
from vnetmig.report.json import pieces
from vnetmig.report.text import plain

TEXT = """\
qemu-kvm: Features 0x1c0010130afffaf unsupported. Allowed features: 0x10179bfffef
qemu-kvm: Failed to load virtio-net:virtio
qemu-kvm: error while loading state for instance 0x0 of device '0000:00:02.0/virtio-net'
qemu-kvm: load of migration failed: Operation not permitted
"""


def shown(text: str) -> str:
    return "\n".join(plain(explanation_blocks(explain(text))))


def test_the_text_has_all_parts() -> None:
    text = shown(TEXT)
    assert text.startswith("Features 0x1c0010130afffaf unsupported.")
    for part in (
        "features-unsupported",
        "VIRTIO_NET_F_HOST_USO",
        "host_uso=off",
        "0000:00:02.0/virtio-net",
        "Linux 6.2",
    ):
        assert part in text
    assert text.count("Failed to load virtio-net:virtio") == 1


def test_sentences_are_wrapped() -> None:
    assert max(map(len, shown("ram-size").splitlines())) < WIDTH + 20


def test_the_json_is_json() -> None:
    made = json.loads("".join(pieces(explanations_json(explain(TEXT)))))
    (entry,) = made["explanations"]
    assert entry["values"] == {"guest": 0x1C0010130AFFFAF, "host": 0x10179BFFFEF}
    assert [feature["bit"] for feature in entry["features"]["missing"]] == [54, 55, 56]
    assert entry["device"] == "0000:00:02.0/virtio-net" and len(entry["chain"]) == 3


def test_a_line_cannot_write_on_the_terminal() -> None:
    text = shown("qemu: Missing section footer for \x1b[2J\u202eevil\nqemu: \x1b]0;title\x07 what")
    assert text.isprintable() or all(line.isprintable() for line in text.splitlines())


def test_unknown_harmless_and_feature_texts() -> None:
    assert "none known" in shown("qemu: what is this")
    assert "harmless" in shown("warning: host doesn't support requested feature: x")
    assert "VIRTIO_NET_F_MQ" in shown("mq")
    assert "nothing here" in shown("")


def test_a_rule_shows_its_wordings() -> None:
    text = shown("queue-pairs")
    assert "curr_queues {current:x} > max_queues {max:x}  (before 6.2)" in text
    assert "does not report it" in shown("queue-sel")


def test_the_list_has_every_rule() -> None:
    text = "\n".join(plain(list_blocks(MESSAGES)))
    made = json.loads("".join(pieces(list_json(MESSAGES))))
    for message, rule in zip(MESSAGES, made["rules"], strict=True):
        assert f"\n{message.id} " in text
        assert rule["rule"] == message.id and len(rule["wordings"]) == len(message.wordings)


def test_two_failures_are_apart() -> None:
    told = shown("qemu: Missing section footer for timer\n" + TEXT)
    assert "\n\nFeatures 0x1c0010130afffaf unsupported." in told


def test_a_log_that_says_too_much_is_cut() -> None:
    assert list(plain(explanation_blocks(Explanations(cut=True))))[-1] == "there is more of this in the input"


def test_features_that_are_all_there() -> None:
    fault = FeatureFault("virtio-net", assumed=False, guest=1, host=3, missing=(), spare=())
    (told,) = _fault(fault)
    assert isinstance(told, Facts) and {name for name, _ in told.pairs} == {"hint", ""}
