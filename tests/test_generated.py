"""Generated files are committed: they must match what they are generated from."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from vnetmig.migration.tentative_state import HeldState
from vnetmig.stream.framing import SECTION_FULL
from vnetmig.stream.tentative import Frame, FrameDecoder
from vnetmig.vmstate.delta import identity

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "tools" / "gen_ffi.py"


@pytest.fixture(scope="module")
def gen_ffi() -> ModuleType:
    pytest.importorskip("cffi")
    spec = importlib.util.spec_from_file_location("gen_ffi", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.usefixtures("gen_ffi")
def test_cffi_module_matches_the_header() -> None:
    run = subprocess.run([sys.executable, str(SCRIPT), "--check"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("name", ["gen_format.py", "gen_protocol.py", "gen_performance.py"])
def test_page_matches_the_code(name: str) -> None:
    script = ROOT / "tools" / name
    run = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.skipif(sys.byteorder == "big", reason="programs are native; the committed ones are little-endian")
def test_programs_of_the_fuzz_targets_match_the_descriptions() -> None:
    run = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "fuzz_seeds.py"), "check"], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr


def test_the_frames_of_the_protocol_page_make_the_states_it_says() -> None:
    """As the destination takes them, each behind the one before."""
    page = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    block = page.partition("<!-- generated: frame-examples -->")[2].partition("<!-- end of frame-examples -->")[0]
    held, made = HeldState(), []
    for text in re.findall(r"`([0-9a-f ]+)`", block):
        data = memoryview(bytes.fromhex(text))
        decoded = FrameDecoder().decode(data, len(data).__eq__, kind=SECTION_FULL, offset=0, final=True)
        assert decoded is not None and decoded.size == len(data)
        frame = decoded.payload
        assert isinstance(frame, Frame)
        state = held.take(frame, "example", None)
        made.append(state)
        if state is not None:
            held = HeldState(state, frame.identity or identity(state))
    assert made == [None, b"state", b"state", b"stage"]


def test_every_form_that_a_header_may_use(gen_ffi: ModuleType) -> None:
    from cffi import FFI

    ffi = FFI()
    ffi.cdef(
        gen_ffi.cdef(
            r"""
            #ifndef THING_H
            #define THING_H
            #include <stdint.h>
            #if defined(__GNUC__)
            #define THING_PURE __attribute__((pure))
            #else
            #define THING_PURE
            #endif
            #define THING_API
            #define THING_LENGTH 6u      // a literal: usable as an array length
            #define THING_MASK (0xffU)
            #define THING_SHIFTED (1u << \
                                   3)    /* the compiler works it out */
            #define THING_NAME "thing"
            #ifdef __cplusplus
            extern "C" {
            #endif
            typedef enum { THING_A = 0, THING_B = 1 << 4 } thing_kind;
            typedef struct thing {
                uint8_t mac[THING_LENGTH];
                const struct thing *next;
                thing_kind kind;
            } thing;
            _Static_assert(sizeof(uint64_t) == 8, "no");
            static inline uint32_t thing_twice(uint32_t x) { return 2 * x; }
            THING_API THING_PURE uint32_t thing_count(const thing *first, size_t limit, bool deep);
            #ifdef __cplusplus
            }
            #endif
            #endif
            """
        )
    )
    assert ffi.sizeof("thing") == 6 + 2 + ffi.sizeof("void *") + ffi.sizeof("void *")
    assert ffi.typeof("thing_kind").relements == {"THING_A": 0, "THING_B": 16}


def test_what_it_cannot_read_is_an_error(gen_ffi: ModuleType) -> None:
    with pytest.raises(gen_ffi.HeaderError, match="SIZE"):
        gen_ffi.cdef("#if SIZE > 4\n#endif\n")
    with pytest.raises(gen_ffi.HeaderError, match="TWICE"):
        gen_ffi.cdef("#define TWICE(x) (2 * (x))\n")


def test_stale_means_other_declarations_not_another_cffi(gen_ffi: ModuleType) -> None:
    header = gen_ffi.HEADER.read_text()
    fresh = gen_ffi.generate(header)
    first, _, rest = fresh.split("\n", 2)
    assert not gen_ffi.is_stale(f"{first}\n * cffi 1.0\n{rest} ", fresh)
    assert gen_ffi.is_stale(fresh + " ", fresh)
    assert gen_ffi.is_stale("", fresh)
    more = header.replace("/* CDEF END */", "uint32_t vnm_one_more(void);\n/* CDEF END */")
    assert gen_ffi.is_stale(f"{first}\n * cffi 1.0\n{rest}", gen_ffi.generate(more))


def test_calls_that_keep_the_interpreters_lock(gen_ffi: ModuleType) -> None:
    calls = gen_ffi.OUTPUT.read_text(encoding="utf-8").split("#ifndef PYPY_VERSION")
    for function in gen_ffi.KEEPING_THE_LOCK:
        (call,) = (text for text in calls if f"\n_cffi_f_{function}(" in text)
        assert f"result = {function}(x0);" in call and "Py_BEGIN_ALLOW_THREADS" not in call.split("#else")[0]
    with pytest.raises(gen_ffi.HeaderError, match="vnm_load"):
        gen_ffi.keep_the_lock("nothing", "vnm_load")
