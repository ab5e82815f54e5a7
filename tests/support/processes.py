"""The command line in a process of its own, so that it can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.ledgers import CLOCK, Ledger, contents, exports

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 300
KILLED = -signal.SIGKILL


@dataclass(frozen=True)
class CommandLine:
    """`chipledger` over one home and one inbox, with the clock of the world."""

    home: Path
    inbox: Path
    now: str = CLOCK.isoformat()

    def environment(self, **more: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CHIPLEDGER_", "SLACK_"))}
        settings = {"HOME": str(self.home), "INBOX": str(self.inbox), "NOW": self.now, "THREADS": "2"}
        ours = {f"CHIPLEDGER_{name}": value for name, value in (settings | more).items()}
        return kept | ours | {"PYTHONPATH": str(ROOT)}

    def start(self, *words: str, **more: str) -> subprocess.Popen[str]:
        """Begin a command in a process group of its own; `more` are CHIPLEDGER_ settings by their short names."""
        return subprocess.Popen(
            [sys.executable, "-m", "pipeline.cli", *words],
            env=self.environment(**more),
            cwd=self.home.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def call(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, whatever that is."""
        process = self.start(*words, **more)
        told, _ = process.communicate(timeout=SECONDS)
        return subprocess.CompletedProcess(words, process.returncode, told)

    def must(self, *words: str) -> str:
        """Run a command that has to succeed; gives back what it printed."""
        done = self.call(*words)
        assert done.returncode == 0, f"chipledger {' '.join(words)} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout


def kill_group(process: subprocess.Popen[str]) -> None:
    """kill -9 for a command and whatever it started; one that is over already is left alone."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=SECONDS)


def state_of(home: Path, into: Path) -> dict[str, bytes]:
    """Everything a ledger shows: all published tables with every column, and all messages."""
    place = Ledger(home).settings.place
    hidden = [path.name for path in place.published.rglob(".*")]
    assert not hidden, f"left behind in {place.published}: {hidden}"
    messages = contents(path for path in place.outbox.iterdir() if not path.name.startswith("."))
    return exports(home, into, aside={}) | {f"outbox/{name}": content for name, content in messages.items()}
