"""What goes wrong with delivered files, as named classes: the good objects stay whole, and the truth is unchanged.

Which objects are struck is drawn from the seed and their names. CUR exports are left alone: their Manifest says what
belongs to them.
"""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from pipeline.world.seeds import stream
from pipeline.world.writer import write_gzip

STRUCK_ONE_IN = 5
LATE = "late"
HOSTILE: Mapping[str, bytes] = {
    "neuron_monitor/empty-20261114T000000Z.ndjson.gz": b"",
    "neuron_monitor/i-0-20261114T000000Z'; drop table raw_deliveries; --.ndjson": b'{"neuron_runtime_data": [[[[[[',
    "neuron_monitor/deep-20261114T000000Z.ndjson": b"[" * 100_000,
    "dcgm/error-page-20261114T000000Z.prom.gz": b"<html><body><h1>403 Forbidden</h1></body></html>",
    "dcgm/binary-20261114T000000Z.prom": bytes(range(256)) * 64,
    "dcgm/not-utf8-20261114T000000Z.prom": "# HELP DCGM \u00ff\n".encode("utf-16"),
    "dcgm/=HYPERLINK(1)-20261114T000000Z.prom": b"=HYPERLINK(1)\n@SUM(1)\n",
    "inventory/prices-20261114T000000Z.csv": b"instance,usd\np5.48xlarge,55.04\n",
    "cost_explorer/infinite-20261114T000000Z.json": b'{"ResultsByTime": [{"Groups": [{"Keys": [1e999]}',
    "cost_explorer/\u0417\u0430\u0440\u043f\u043b\u0430\u0442\u0430-20261114T000000Z.json": b"\xef\xbb\xbf{",
}


def spoil(out: Path, seed: int, faults: tuple[str, ...]) -> None:
    """Do to the objects below `out/landing` what the classes say, in the order of FILE_FAULTS."""
    for name, (_, strike) in FILE_FAULTS.items():
        if name in faults:
            strike(out, partial(_is_struck, seed, name))


def _is_struck(seed: int, fault: str, name: str) -> bool:
    return stream(seed, "file fault", fault, name).randrange(STRUCK_ONE_IN) == 0


Chosen = Callable[[str], bool]


def _struck(out: Path, chosen: Chosen, *folders: str) -> Iterator[Path]:
    landing = out / "landing"
    for folder in folders:
        for path in sorted((landing / folder).glob("*")):
            if chosen(path.relative_to(landing).as_posix()):
                yield path


def _beside(path: Path, word: str) -> Path:
    """The same name with a word before its endings, so that the stamp in it stays."""
    stem, _, endings = path.name.partition(".")
    return path.with_name(f"{stem}-{word}.{endings}")


def _truncate(out: Path, chosen: Chosen) -> None:
    for path in _struck(out, chosen, "neuron_monitor", "dcgm", "cost_explorer"):
        content = path.read_bytes()
        _beside(path, "cut").write_bytes(content[: len(content) // 2])


def _duplicate(out: Path, chosen: Chosen) -> None:
    for path in _struck(out, chosen, "neuron_monitor", "dcgm", "inventory", "cost_explorer"):
        shutil.copyfile(path, _beside(path, "again"))


def _reorder(out: Path, chosen: Chosen) -> None:
    """Scrapes carry their time: the file tells the same in any order."""
    for path in _struck(out, chosen, "dcgm"):
        text = gzip.decompress(path.read_bytes()).decode()
        first = text.partition("\n")[0] + "\n"
        scrapes = [first + part for part in text.split(first)[1:]]
        stream("reordered", path.name).shuffle(scrapes)
        write_gzip(path, "".join(scrapes))


def _delay(out: Path, chosen: Chosen) -> None:
    for path in _struck(out, chosen, "neuron_monitor", "dcgm", "inventory", "cost_explorer"):
        target = out / LATE / path.relative_to(out / "landing")
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)


def _plant_hostile(out: Path, _: Chosen) -> None:
    for name, content in HOSTILE.items():
        (out / "landing" / name).parent.mkdir(parents=True, exist_ok=True)
        (out / "landing" / name).write_bytes(content)


# In the order in which they strike: what is moved or copied later is what an earlier class left.
FILE_FAULTS: Mapping[str, tuple[str, Callable[[Path, Chosen], None]]] = {
    "reordered": ("the scrapes of some GPU files stand in another order", _reorder),
    "late": ("some objects lie below late/ instead of landing/: ingest them afterwards", _delay),
    "duplicated": ("some objects lie there twice, under two names", _duplicate),
    "truncated": ("some objects also lie there cut in the middle, under a name of their own", _truncate),
    "hostile": ("objects that are neither telemetry nor bill lie among the others", _plant_hostile),
}
