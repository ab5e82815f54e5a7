"""An own PostgreSQL cluster under the home, where no server is given: made once, then run as one more process."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ChipledgerError, UsageError
from pipeline.supervisor import Service

ROLE = "chipledger"
DATABASE = "airflow"
POSTGRES_USER = "postgres"  # PostgreSQL refuses to run as root
DEBIAN_FOLDER = Path("/usr/lib/postgresql")
START_SECONDS = 60.0
NEXT_STEP = "install PostgreSQL's server, or set CHIPLEDGER_DATABASE_URL to a server's database"


@dataclass(frozen=True)
class Cluster:
    """One cluster on a loopback port, with a password for its only role."""

    folder: Path
    port: int
    password: str
    environment: Mapping[str, str]

    @property
    def url(self) -> str:
        """For SQLAlchemy; holds the password."""
        return f"postgresql+psycopg2://{ROLE}:{self.password}@127.0.0.1:{self.port}/{DATABASE}"

    def service(self) -> Service:
        """The server; SIGINT is its fast shutdown. Data stay durable: nothing is switched off."""
        settings = {"listen_addresses": "127.0.0.1", "port": str(self.port), "unix_socket_directories": ""}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = [str(_program("postgres")), "-D", str(self.folder), *options]
        return Service("postgres", command, self.environment, self._user, signal.SIGINT)

    def create(self) -> None:
        """Make the cluster where there is none; one that was cut off half-way is made anew."""
        if (self.folder / "PG_VERSION").is_file():
            return
        unfinished = self.folder.with_name(f".{self.folder.name}.tmp")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700, parents=True)
        self._give(unfinished)
        self._require_reachable(unfinished)
        with tempfile.TemporaryDirectory(prefix="chipledger-") as scratch:
            password = Path(scratch) / "password"
            password.touch(mode=0o600)
            password.write_text(self.password, "utf-8")
            self._give(Path(scratch))
            self._give(password)
            self._run("initdb", "-D", str(unfinished), "-U", ROLE, "--auth=scram-sha-256", f"--pwfile={password}",
                      "--encoding=UTF8", "--locale=C")  # fmt: skip
        unfinished.rename(self.folder)

    def wait_until_ready(self) -> None:
        """Wait for the server and make the database; raises ChipledgerError after a minute."""
        give_up_at = time.monotonic() + START_SECONDS
        target = ("-h", "127.0.0.1", "-p", str(self.port), "-U", ROLE)
        while self._try("pg_isready", *target, "-d", "postgres").returncode != 0:
            if time.monotonic() >= give_up_at:
                raise ChipledgerError(f"PostgreSQL in {self.folder} does not answer after {START_SECONDS:.0f} s; "
                                      "look at postgres.log beside it")  # fmt: skip
            time.sleep(0.1)
        made = self._try("createdb", *target, DATABASE)
        if made.returncode != 0 and "already exists" not in made.stderr:
            raise ChipledgerError(f"createdb: {made.stderr.strip()}; look at postgres.log beside {self.folder}")

    @property
    def _user(self) -> str | None:
        return POSTGRES_USER if os.geteuid() == 0 else None

    def _give(self, path: Path) -> None:
        """Hand a file or folder to the user that runs the server."""
        if self._user:
            try:
                owner = pwd.getpwnam(self._user)
            except KeyError as error:
                raise UsageError(f"no user {self._user} here, and PostgreSQL does not run as root; "
                                 "be another user, or set CHIPLEDGER_DATABASE_URL") from error  # fmt: skip
            os.chown(path, owner.pw_uid, owner.pw_gid)

    def _require_reachable(self, folder: Path) -> None:
        """Name the folder that keeps the server's user out, before initdb fails without saying which."""
        if self._user and subprocess.run(["test", "-w", str(folder)], user=self._user, check=False).returncode != 0:
            closed = next((one for one in reversed(folder.parents) if not one.stat().st_mode & 0o001), folder)
            raise UsageError(f"user {self._user}, who runs PostgreSQL for root, cannot enter {closed}: choose another "
                             "--home, run chipledger up as another user, or set CHIPLEDGER_DATABASE_URL")  # fmt: skip

    def _run(self, program: str, *arguments: str) -> None:
        done = self._try(program, *arguments)
        if done.returncode != 0:
            last = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise ChipledgerError(
                f"{program} failed: {last[-1] if last else done.returncode}; mend that, then run again"
            )

    def _try(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        secret = {"PGPASSWORD": self.password} if program == "createdb" else {}
        return subprocess.run(
            [str(_program(program)), *arguments], env={**self.environment, **secret}, user=self._user,
            cwd="/", capture_output=True, text=True, check=False,
        )  # fmt: skip


def _program(name: str) -> Path:
    """A program of PostgreSQL, from the PATH or from where Debian keeps the servers (newest first)."""
    if found := shutil.which(name):
        return Path(found)
    installed = sorted(DEBIAN_FOLDER.glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]), reverse=True)
    if not installed:
        raise UsageError(f"no {name} on this machine, and no CHIPLEDGER_DATABASE_URL: {NEXT_STEP}")
    return installed[0]


def free_port() -> int:
    """A loopback port that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
