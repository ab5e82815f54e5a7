"""Which failures chipledger names itself; each says the thing, the place and the next step.

ChipledgerError
├── UsageError        the caller asked for something impossible, or a setting is missing (exit code 2)
├── RefusedDelivery   one object was refused whole; the good ones beside it commit
├── SourceError       a supplier could not be reached or answered nonsense
├── ModelError        a file under sql/ breaks its contract, a layer law, or does not run
├── WarehouseLocked   another process holds the warehouse file
├── OlderHome         the warehouse file was made by a version with other raw tables
├── LedgerBroken      the alert ledger cannot be read or written; nobody is told until it is mended
├── NotTold           a message could not be brought to people; it waits, and says what to mend
├── CheckFailed       a `fail` check stopped publication; the last good one stands
├── NothingPublished  a reader came before the first publication
└── QueryRefused      an analyst's statement is not one read-only statement
"""

from __future__ import annotations


class ChipledgerError(Exception):
    """Base of every error that a command shows as one sentence instead of a traceback."""

    exit_code: int = 1


class UsageError(ChipledgerError):
    """A wrong argument or a missing setting: the command ends with exit code 2."""

    exit_code = 2


class RefusedDelivery(ChipledgerError):
    """One object that cannot be taken as a whole; nothing of it stays behind."""

    def __init__(self, object_name: str, reason: str, next_step: str = "") -> None:
        """Keep the parts apart, so that a sweep can show them as columns."""
        self.object_name = object_name
        self.reason = reason
        self.next_step = next_step
        super().__init__(f"{object_name}: refused: {reason}" + (f"; {next_step}" if next_step else ""))

    def __reduce__(self) -> tuple[type[RefusedDelivery], tuple[str, str, str]]:
        """Survive a trip between processes with all three parts."""
        return type(self), (self.object_name, self.reason, self.next_step)


class SourceError(ChipledgerError):
    """A supplier (AWS, a file system) failed in a way that a later run may not."""


class ModelError(ChipledgerError):
    """A model file breaks its contract or a layer law, or its SQL does not run."""


class WarehouseLocked(ChipledgerError):
    """Another process writes to the warehouse; the message names the holder."""


class OlderHome(ChipledgerError):
    """The warehouse file has raw tables in a layout of another version; nothing in it is changed."""


class LedgerBroken(ChipledgerError):
    """The alert ledger is damaged, or its file or disk refuses; the message names it and says what to do."""


class NotTold(ChipledgerError):
    """Messages wait: the channel refused, did not answer, or nobody can say whether it has them."""


class CheckFailed(ChipledgerError):
    """A failed `fail` check keeps the last good publication standing."""


class NothingPublished(ChipledgerError):
    """There is no published snapshot to read yet."""


class QueryRefused(ChipledgerError):
    """The published snapshot takes one read-only statement at a time."""
