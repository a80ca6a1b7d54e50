"""Edits that files suffer: bytes lost, doubled, swapped, and pieces put in that readers stumble over."""

from collections.abc import Sequence

from hypothesis import strategies as st

_Pieces = st.SearchStrategy[bytes]
BYTES: tuple[bytes, ...] = (
    b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"\xc3\x28", b"\xed\xa0\x80", b"\r", b"\r\n", b"\n\n",
    b"\t", b'"', b"'", b"\\", b",", b";", b",,,,", b'""', b'"\n"', b"\x1b[2J", b"\x85", b"\xe2\x80\xae",
    "😀".encode(), b"\x0b", b"\x0c", b"\x1a",
)  # fmt: skip

LONG = st.sampled_from((5_000, 100_000, 200_000))
"""Lengths that no cell or name has; the csv module refuses the longest by itself."""


@st.composite
def edited(draw: st.DrawFn, originals: Sequence[bytes], pieces: _Pieces) -> bytes:
    """One of the originals after one to six edits; `pieces` are put in beside the usual bytes."""
    content = draw(st.sampled_from(originals))
    for _ in range(draw(st.integers(1, 6))):
        content = draw(st.sampled_from((_insert, _cut, _double, _swap, _flip)))(draw, content, pieces)
    return content


def _insert(draw: st.DrawFn, content: bytes, pieces: _Pieces) -> bytes:
    place = draw(st.integers(0, len(content)))
    return content[:place] + draw(st.sampled_from(BYTES) | pieces) + content[place:]


def _cut(draw: st.DrawFn, content: bytes, _: _Pieces) -> bytes:
    start = draw(st.integers(0, len(content)))
    return content[:start] + content[start + draw(st.integers(1, 200)) :]


def _double(draw: st.DrawFn, content: bytes, _: _Pieces) -> bytes:
    start = draw(st.integers(0, len(content)))
    part = content[start : start + draw(st.integers(1, 200))]
    return content[:start] + part * draw(st.integers(2, 4)) + content[start:]


def _swap(draw: st.DrawFn, content: bytes, _: _Pieces) -> bytes:
    lines = content.split(b"\n")
    one, other = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
    lines[one], lines[other] = lines[other], lines[one]
    return b"\n".join(lines)


def _flip(draw: st.DrawFn, content: bytes, _: _Pieces) -> bytes:
    if not content:
        return content
    place = draw(st.integers(0, len(content) - 1))
    return content[:place] + bytes([draw(st.integers(0, 255))]) + content[place + 1 :]
