"""Content is cut into blocks of whole lines, whatever the chunks were: no line is lost, joined or miscounted."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sources.base import Reject, SourceObject
from pipeline.sources.content import line_blocks, read_chunks

LONG = 100
LINES = st.lists(st.sampled_from([b"", b"a", b"bc", b"d" * 30, b"e" * 150]), max_size=12)


@settings(max_examples=60, deadline=None)
@given(lines=LINES, ended=st.booleans(), packed=st.booleans(), chunk=st.sampled_from([1, 7, 40]))
def test_blocks_hold_every_line_under_its_number_and_reject_the_long_ones(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], ended: bool, packed: bool, chunk: int
) -> None:
    content = b"\n".join(lines) + b"\n" * ended
    path = tmp_path_factory.mktemp("lines") / "x"
    path.write_bytes(gzip.compress(content, 1) if packed else content)
    rejects: list[Reject] = []
    found: dict[int, bytes] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.sources.content.CHUNK_BYTES", chunk)
        chunks = read_chunks(SourceObject("x", path, datetime(2026, 11, 1, tzinfo=UTC)))
        for block in line_blocks(chunks, rejects.append, max_line=LONG):
            found |= dict(enumerate(block.lines, block.first_line))
            assert block.chosen(range(len(block.lines))) == block.text
            assert block.chosen([len(block.lines) - 1]) == block.lines[-1]
    told = dict(enumerate(content.removesuffix(b"\n").split(b"\n"), 1)) if content else {}
    long = [number for number, line in told.items() if len(line) > LONG]
    assert {number: line for number, line in told.items() if number not in long} == found
    assert [reject.line_number for reject in rejects] == long
