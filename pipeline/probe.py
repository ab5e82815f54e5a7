"""Whether the services are healthy, as the api-server tells it from their heartbeats; also compose's health check.

`python -m pipeline.probe http://127.0.0.1:8080 scheduler` ends with 0 when the scheduler is healthy.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Sequence

PARTS = ("metadatabase", "scheduler", "dag_processor", "triggerer")
ANSWER_SECONDS = 8


def unhealthy(base_url: str, parts: Sequence[str] = PARTS) -> list[str]:
    """The parts that are not healthy; `api-server` alone where it does not answer."""
    try:
        with urllib.request.urlopen(f"{base_url}/api/v2/monitor/health", timeout=ANSWER_SECONDS) as answer:
            health = json.load(answer)
    except (OSError, json.JSONDecodeError):  # refused, reset, timed out, or an HTTP error
        return ["api-server"]
    return [part for part in parts if (health.get(part) or {}).get("status") != "healthy"]


def main(arguments: Sequence[str]) -> int:
    """Exit code: 0 healthy, 1 not."""
    base_url, *parts = arguments
    missing = unhealthy(base_url, parts or PARTS)
    if missing:
        print(f"not healthy: {', '.join(missing)}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
