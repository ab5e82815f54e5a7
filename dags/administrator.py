"""The first user of Airflow's web interface: `python -m dags.administrator [--reset]`, before the services start.

Airflow's own `users create` takes the password as an argument, where every user of the machine can read it.
"""

from __future__ import annotations

import os
import sys

from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from airflow.utils.providers_configuration_loader import providers_configuration_loaded

from pipeline.services import ADMIN_PASSWORD

USER, ROLE, EMAIL = "admin", "Admin", "admin@localhost"


@providers_configuration_loaded
def create(password: str, *, reset: bool) -> str:
    """Make `admin` unless there is one; what was done, in a sentence.

    A user that exists keeps its password and its roles, which may have been changed in the web interface; with `reset`
    it gets this password.
    """
    with get_application_builder() as builder:
        users = builder.sm
        known = users.find_user(USER)
        if known and not reset:
            return f"user {USER} exists"
        if known:
            done = users.reset_password(known.id, password)
        else:
            done = users.add_user(USER, "chipledger", "operator", EMAIL, users.find_role(ROLE), password)
        if not done:
            raise SystemExit(f"user {USER} has not got its password: see the lines above")
        return f"user {USER} has a new password" if known else f"user {USER} made"


if __name__ == "__main__":
    print(create(os.environ.pop(ADMIN_PASSWORD), reset="--reset" in sys.argv[1:]))
