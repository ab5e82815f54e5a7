"""The commands of the simulator: a seeded fleet as files, and AWS answers from the same truth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from pipeline.cli_output import progress, say
from pipeline.errors import UsageError

SIZE_HELP = "S, M or L: 1, 4 or 20 copies of the fleet; a week of S is some 105 MB at 60 s."
INTERVAL_HELP = "Seconds between samples: a divisor of 3600, at least 30. Above 60, GPU scrapes leave gaps."
ROUTE_HELP = (
    "Also write Container Insights' figures by this route to routes/: metric_stream, metric_stream_otlp or emf "
    "(a day of S is some 5 million datapoints)."
)
SERVED_FAULT_HELP = (
    "What goes wrong, as throttle, late or forbidden:ce:GetCostAndUsage; repeatable. A wrong name lists all."
)
FAULT_HELP = "Spoil deliveries, not the truth: truncated, duplicated, reordered, late or hostile; repeatable."

EVENT_HELP = (
    "What happens to the bill: capacity_block, savings_plan_mid_month, price_cut, large_credit, refund_of_last_month, "
    "reserved_instances, credit_beyond_month or late_tags; repeatable."
)
AROUND_HELP = "Telemetry covers --telemetry-days around each event instead of the last days."
UNALIGNED_HELP = "Instances and holders come and go at any second, between samples."

app = typer.Typer(rich_markup_mode=None, help="A seeded fleet whose every second and cent is known.")


@app.callback(invoke_without_command=True, epilog="Example: chipledger world --seed 1 --days 7 --out /tmp/fleet")
def world(
    context: typer.Context,
    seed: Annotated[int | None, typer.Option(help="Same seed and options, same bytes.")] = None,
    days: Annotated[int, typer.Option(min=1, help="Days of bill.")] = 35,
    telemetry_days: Annotated[int | None, typer.Option(min=0, help="Last days with telemetry; default: all.")] = None,
    size: Annotated[str, typer.Option(help=SIZE_HELP)] = "S",
    interval: Annotated[int, typer.Option(help=INTERVAL_HELP)] = 60,
    fault: Annotated[list[str] | None, typer.Option(help=FAULT_HELP)] = None,
    route: Annotated[list[str] | None, typer.Option(help=ROUTE_HELP)] = None,
    event: Annotated[list[str] | None, typer.Option(help=EVENT_HELP)] = None,
    focus: Annotated[str, typer.Option(help="Also write FOCUS exports of this version: 1.0 or 1.2.")] = "",
    managed: Annotated[bool, typer.Option(help="Also bill SageMaker, HyperPod, Batch and Bedrock.")] = False,
    work: Annotated[bool, typer.Option(help="Also count requests, tokens and steps, and tell how jobs ended.")] = False,
    around_events: Annotated[bool, typer.Option("--around-events", help=AROUND_HELP)] = False,
    unaligned: Annotated[bool, typer.Option("--unaligned", help=UNALIGNED_HELP)] = False,
    out: Annotated[Path | None, typer.Option(help="Folder to write: landing/, truth/, world.json.")] = None,
) -> None:
    """Write a believable fleet in the true wire formats, with its truth beside it."""
    if context.invoked_subcommand is not None:
        return
    if seed is None or out is None:
        raise UsageError("world needs --seed and --out, as in: chipledger world --seed 1 --days 7 --out DIR")
    options = {"seed": seed, "days": days, "telemetry_days": telemetry_days, "size": size, "interval_seconds": interval}
    chosen = {"routes": tuple(route or ()), "faults": tuple(fault or ()), "events": tuple(event or ()), "focus": focus}
    switches = {"managed": managed, "work": work, "around_events": around_events, "unaligned": unaligned}
    generate(out, **chosen, **switches, **options)
    say(f"{out}: landing/, truth/, world.json; next: chipledger ingest {out / 'landing'}")


def generate(out: Path, **options: object) -> Path:
    """Write a world and give its folder back; wrong options raise UsageError."""
    from pipeline.world import WorldOptions
    from pipeline.world import generate as write
    from pipeline.world.routes import ROUTES

    routes = cast("tuple[str, ...]", options.pop("routes", ()))
    if unknown := set(routes) - set(ROUTES):
        raise UsageError(f"world: route {min(unknown)} is unknown; choose one of {', '.join(ROUTES)}")
    try:
        chosen = WorldOptions(**options)  # type: ignore[arg-type]
    except ValueError as error:
        raise UsageError(f"world: {error}") from error
    try:
        with progress("world") as on_progress:
            write(chosen, out, on_progress, routes)
    except FileExistsError as error:
        raise UsageError(f"world: {error}") from error
    return out


@app.command(epilog="Example: chipledger world serve /tmp/fleet --port 4777 --fault throttle --fault late")
def serve(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What `chipledger world --out` wrote.")],
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on the loopback address; 0 takes a free one.")
    ] = 4777,
    fault: Annotated[list[str] | None, typer.Option(help=SERVED_FAULT_HELP)] = None,
    now: Annotated[
        str | None, typer.Option(help="Time at which the served clock stands; default: the end of the world.")
    ] = None,
) -> None:
    """Answer CloudWatch, Cost Explorer and Prometheus range queries over HTTP, from the world's truth.

    An access key of twelve digits sees that account alone, any other all of them. PUT a time to /clock to move the
    served clock.
    """
    from pipeline.settings import parse_time
    from pipeline.world import serve as server

    if not (folder / "world.json").is_file():
        raise UsageError(f"{folder} holds no world.json; write a world first: chipledger world --seed 1 --out {folder}")
    try:
        server.serve(
            folder,
            port=port,
            faults=tuple(fault or ()),
            now=None if now is None else parse_time(now, "--now"),
            on_ready=lambda url: say(f"serving {folder} at {url}; AWS_ENDPOINT_URL={url}"),
        )
    except ValueError as error:
        raise UsageError(f"world serve: {error}") from error
    except OSError as error:
        raise UsageError(f"world serve: port {port} of 127.0.0.1: {error.strerror or error}; take another") from error
