"""What a published figure can hang on is what `chipledger verify` gives to the warehouse that makes it again."""

from pipeline.models import load_models
from pipeline.periods import is_dated
from pipeline.verify import CATALOGUES, NOT_REBUILT
from pipeline.warehouse import SQL_DIR

FROM_MANIFEST = {"raw_workload_rules", "raw_allocation_settings"}


def test_every_raw_table_behind_a_compared_mart_is_delivered_catalogued_or_in_the_manifest() -> None:
    models = load_models(SQL_DIR)
    compared = [model for model in models.values() if model.layer == "marts" and is_dated(model) and not model.is_view]
    waiting = [name for model in compared if model.name not in NOT_REBUILT for name in model.inputs]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += [] if name in models.raw else models[name].inputs
    undelivered = {name for name in seen if name in models.raw and "delivery_id" not in models.raw[name].columns}
    assert undelivered == FROM_MANIFEST | CATALOGUES
