"""Keeps child processes running: starts them in order, starts again what dies, stops all of them in reverse order."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

STOP_SECONDS = 45.0
POLL_SECONDS = 0.2
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 60.0  # a process that lived so long starts again at once
LOG_BYTES = 50 * 1024 * 1024
PR_SET_PDEATHSIG = 1

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Service:
    """One process: its command, environment, the user it runs as (None: the same), and the signal that stops it."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    user: str | None = None
    stop_signal: int = signal.SIGTERM


@dataclass
class _Child:
    service: Service
    process: subprocess.Popen[bytes]
    started_at: float
    pause_seconds: float
    start_again_at: float | None = None


@dataclass
class Supervisor:
    """The children of one `chipledger up`, each with a log file and a process group of its own."""

    logs: Path
    tell: Tell
    children: dict[str, _Child] = field(default_factory=dict)

    def start(self, service: Service) -> None:
        """Start a service and keep it running from now on."""
        self.children[service.name] = _Child(service, self._spawn(service), time.monotonic(), FIRST_PAUSE_SECONDS)

    def watch(self) -> None:
        """Look at every child once: one that died is started again, after a pause that grows while it keeps dying."""
        for child in self.children.values():
            if child.start_again_at is not None:
                if time.monotonic() >= child.start_again_at:
                    child.process, child.started_at = self._spawn(child.service), time.monotonic()
                    child.start_again_at = None
                    self.tell(f"{child.service.name}: started again")
            elif (code := child.process.poll()) is not None:
                self._note_death(child, code)

    def stop(self) -> None:
        """Stop every child, the last started first; what does not stop within 45 s is killed."""
        for child in reversed(self.children.values()):
            with suppress(ProcessLookupError):
                child.process.send_signal(child.service.stop_signal)
            try:
                child.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.tell(f"{child.service.name}: did not stop within {STOP_SECONDS:.0f} s, killed")
            self._kill_rest(child)

    def log_of(self, name: str) -> Path:
        """Where a child's output goes."""
        return self.logs / f"{name}.log"

    def _note_death(self, child: _Child, code: int) -> None:
        self._kill_rest(child)
        lived = time.monotonic() - child.started_at
        steady = lived >= STEADY_SECONDS
        child.pause_seconds = FIRST_PAUSE_SECONDS if steady else min(2 * child.pause_seconds, LONGEST_PAUSE_SECONDS)
        child.start_again_at = time.monotonic() + (0 if steady else child.pause_seconds)
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        self.tell(f"{child.service.name}: died ({how}); see {self.log_of(child.service.name)}")

    def _kill_rest(self, child: _Child) -> None:
        """Kill what is left of a child's process group: workers without their parent wait for ever."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait()

    def _spawn(self, service: Service) -> subprocess.Popen[bytes]:
        self.logs.mkdir(parents=True, exist_ok=True)
        path = self.log_of(service.name)
        if path.exists() and path.stat().st_size > LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        with path.open("ab") as log:
            return subprocess.Popen(
                service.command,
                env=dict(service.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,  # Ctrl-C reaches `chipledger up` alone, which stops the others in order
                user=service.user,
                preexec_fn=_end_with_parent,
            )


def _end_with_parent() -> None:
    """Ask the kernel to stop this process when `chipledger up` is killed (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
