"""JSON documents too large to hold: members of nested objects one by one, by the C scanner, in bounded memory."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pipeline.errors import RefusedDelivery
from pipeline.sources.damage import DELIVER_AGAIN

MAX_VALUE_CHARACTERS = 32 * 1024 * 1024
_SPACE = " \t\n\r"
_OF_NUMBERS = "0123456789.eE+-"
_DECODER = json.JSONDecoder()


def members(chunks: Iterable[bytes], depths: Mapping[str, int], name: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(path, value) of every member of the object that `chunks` hold.

    A member of the outermost object named in `depths` is opened so many levels deep, every other is one value. Raises
    RefusedDelivery for what is cut or wrong, naming the character; UnicodeDecodeError for what is no UTF-8.
    """
    text = _Text(chunks, name)
    yield from _object(text, (), depths)
    if text.peek():
        raise text.refusal("goes on after its end")


def _object(text: _Text, path: tuple[str, ...], depths: Mapping[str, int]) -> Iterator[tuple[tuple[str, ...], Any]]:
    text.expect("{")
    if text.peek() == "}":
        text.expect("}")
        return
    while True:
        key = text.value()
        if not isinstance(key, str):
            raise text.refusal("is wrong: a key must be text")
        text.expect(":")
        here = (*path, key)
        if len(here) < depths.get(here[0], 1) and text.peek() == "{":
            yield from _object(text, here, depths)
        else:
            yield here, text.value()
        if text.peek() != ",":
            text.expect("}")
            return
        text.expect(",")


class _Text:
    """The decoded text, of which only what is being read is held."""

    def __init__(self, chunks: Iterable[bytes], name: str) -> None:
        self._chunks = iter(chunks)
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._name = name
        self._text = ""
        self._at = 0
        self._dropped = 0

    def peek(self) -> str:
        """The next character that is no space, '' at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._fill():
                return ""

    def expect(self, character: str) -> None:
        """Pass over this character."""
        found = self.peek()
        if found != character:
            raise self.refusal(f"is wrong: {found!r} where {character!r} belongs" if found else "ends early")
        self._at += 1

    def value(self) -> Any:
        """The value that begins here."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if len(self._text) - self._at > MAX_VALUE_CHARACTERS:
                    raise self.refusal(f"is wrong: {error.msg}") from error
                if not self._fill():
                    at_end = error.pos >= len(self._text.rstrip()) - 1
                    raise self.refusal("ends early" if at_end else f"is wrong: {error.msg}") from error
                continue
            # a number at the end of the text may go on in the next chunk, and of `0.` only the 0 was read
            held = self._text
            goes_on = not held[end:].strip(_OF_NUMBERS) and (end == len(held) or isinstance(value, int | float))
            if not goes_on:
                self._at = end
                return value
            length = end - self._at
            if not self._fill():
                self._at = length  # what was read before is forgotten
                return value

    def refusal(self, what: str) -> RefusedDelivery:
        """The document is refused at the character that is being read."""
        place = self._dropped + self._at
        return RefusedDelivery(self._name, f"the JSON document {what} near character {place:,}", DELIVER_AGAIN)

    def _fill(self) -> bool:
        """Forget what was read and decode more; at least as much as is held, so that a long value is not read often."""
        parts, wanted = [self._text[self._at :]], max(1, len(self._text) - self._at)
        taken = 0
        for chunk in self._chunks:
            parts.append(self._decoder.decode(chunk))
            taken += len(parts[-1])
            if taken >= wanted:
                break
        else:
            parts.append(self._decoder.decode(b"", final=True))
            taken += len(parts[-1])
        self._dropped += self._at
        self._text, self._at = "".join(parts), 0
        return taken > 0
