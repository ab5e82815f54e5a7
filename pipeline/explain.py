"""Why a pod, job, runtime tag or line of the bill is the workload it is: the build's own SQL, every step shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import duckdb

from pipeline.attribution import KEYED, PATTERNS, WorkloadRule
from pipeline.models import Models, bind
from pipeline.rule_tables import load_rules
from pipeline.warehouse import bootstrap
from pipeline.windows import ALL_TIME

PART = "\x1f"  # between the parts of an owner_id, as the models write it
OWNERS, LINES = "int_owner_workloads", "int_line_workloads"
LAST_SELECT = "\n)\n\nselect\n"
# What the models below the facts read; everything else about the fleet is told by the caller.
GIVEN = """
create table int_hosts (hostname text, instance_id text, valid_from_at timestamptz, valid_until_at timestamptz);
create table int_holdings (usage_hour_at timestamptz, instance_id text, owner_id text);
create table int_work_unit_hours (usage_hour_at timestamptz, instance_id text, owner_id text);
create table int_pod_owners (usage_hour_at timestamptz, instance_id text, owner_id text);
create table int_emf_pods (
    usage_hour_at timestamptz, instance_id text, namespace text, pod_name text, owner_kind text, owner_name text,
    labels text
);
create table int_instances (instance_id text, cluster text, account_id text);
create table stg_instance_tags (
    instance_id text, valid_from_at timestamptz, valid_until_at timestamptz, is_first boolean, tags text
);
create table int_cost_lines (
    cost_line_id text, usage_hour_at timestamptz, account_id text, line_class text,
    effective_cost_usd decimal(38, 10)
);
create table int_line_terms (
    cost_line_id text, usage_hour_at timestamptz, product_code text, service_name text, usage_type text,
    resource_id text, line_tags text, cost_categories text, charge_category text
);
"""
BUILT = ("stg_workload_rules", "stg_pods", "int_pods")
WORDS = {
    "owner": "pod owner",
    "hpc_job": "Slurm job",
    "runtime_tag": "runtime tag",
    "instance_tag_value": "instance tag",
    "pod_label_value": "pod label",
    "usage_type": "usage type",
    "bill_tag_value": "tag of the line",
    "cost_category_value": "cost category",
}
NAMED = ("workload_id", "workload", "team", "kind", "cost_center", "attribution_rule")


@dataclass(frozen=True)
class Facts:
    """What telemetry and inventory would say; '' is unknown. `owner` is kind/name as Kubernetes writes it."""

    pod: str = ""
    namespace: str = ""
    container: str = ""
    owner: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    hpc_job: str = ""
    runtime_tag: str = ""
    cluster: str = ""
    account: str = ""
    service: str = ""
    resource: str = ""
    usage_type: str = ""
    bill_tags: Mapping[str, str] = field(default_factory=dict)
    cost_categories: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_line(self) -> bool:
        """A line of the bill, not an owner of an accelerator."""
        return bool(self.service or self.resource or self.usage_type)

    @property
    def model(self) -> str:
        """The model that names it."""
        return LINES if self.is_line else OWNERS

    @property
    def owner_id(self) -> str:
        """Who holds the accelerator, as int_holdings names it: the pod, else the job, else the runtime."""
        if self.pod:
            return PART.join(("pod", self.namespace, self.pod, self.container))
        return PART.join(("slurm", self.hpc_job) if self.hpc_job else ("tag", self.runtime_tag))

    @property
    def spoken(self) -> Facts:
        """Without the facts that the build does not look at: a pod speaks before a job, a job before a runtime."""
        return replace(
            self,
            hpc_job="" if self.pod else self.hpc_job,
            runtime_tag="" if self.pod or self.hpc_job else self.runtime_tag,
        )


@dataclass(frozen=True)
class Step:
    """One step: it `decides` the name, `adds` team, kind or cost center, applies not (`no`), or is `unasked`."""

    step: str
    outcome: str
    why: str


@dataclass(frozen=True)
class Explanation:
    """What the build makes of the facts, and the steps in order."""

    subject: str
    workload_id: str
    workload: str
    team: str
    kind: str
    cost_center: str
    attribution_rule: str
    steps: tuple[Step, ...]


def explain(facts: Facts, rules: Sequence[WorkloadRule], models: Models) -> Explanation:
    """Run the models that attribute owners on one owner, and read their steps."""
    with duckdb.connect() as conn:
        conn.execute("set TimeZone = 'UTC'")
        bootstrap(conn, comments=False)
        load_rules(conn, rules)
        _tell(conn, facts, models)
        found = conn.execute(f"select {', '.join(NAMED)} from ({_sql(models, facts.model)})").fetchall()
        decided = found[0] if found else ("",) * len(NAMED)
        named = conn.execute(_until(models, facts.model, "matched", "rule_number")).fetchall()
        first = named[0][0] if named else None
        steps = (*_rule_steps(conn, models, facts, rules, first), *_fallback_steps(conn, models, facts, decided[-1]))
    subject = facts.pod or facts.hpc_job or facts.runtime_tag or facts.resource or facts.usage_type or facts.service
    return Explanation(subject, **dict(zip(NAMED, decided, strict=True)), steps=steps)


def _tell(conn: duckdb.DuckDBPyConnection, facts: Facts, models: Models) -> None:
    """Put the facts where the build finds them, on one instance."""
    conn.execute(GIVEN)
    at, instance = ALL_TIME.start_at, "i-00000000"
    if facts.is_line:
        _tell_line(conn, facts)
    else:
        conn.execute("insert into int_holdings values (?, ?, ?)", [at, instance, facts.owner_id])
    conn.execute("insert into int_instances values (?, ?, ?)", [instance, facts.cluster or "-", facts.account])
    conn.execute("insert into stg_instance_tags values (?, ?, null, true, ?)", [instance, at, json.dumps(facts.tags)])
    kind, _, name = facts.owner.partition("/")
    if facts.pod:
        conn.execute(
            "insert into raw_pods (observed_at, instance_id, node_name, namespace, pod, created_at, owner_kind, "
            "owner_name, labels) values (?, ?, '', ?, ?, ?, ?, ?, ?)",
            [at, instance, facts.namespace, facts.pod, at, kind if name else "", name, json.dumps(facts.labels)],
        )
    for model in BUILT:
        conn.execute(f"create table {model} as {_sql(models, model)}")


def _tell_line(conn: duckdb.DuckDBPyConnection, facts: Facts) -> None:
    at = ALL_TIME.start_at
    conn.execute("insert into int_cost_lines values ('line', ?, ?, 'unattributed', 1)", [at, facts.account])
    told = [facts.service, facts.service, facts.usage_type, facts.resource]
    maps = [json.dumps(facts.bill_tags), json.dumps(facts.cost_categories)]
    conn.execute("insert into int_line_terms values ('line', ?, ?, ?, ?, ?, ?, ?, 'Usage')", [at, *told, *maps])


def _sql(models: Models, name: str) -> str:
    end_at = ALL_TIME.end_at
    return bind(models[name], start_at=ALL_TIME.start_at, end_at=end_at, seeds_dir=models.seeds_dir, as_of=end_at)


def _until(models: Models, model: str, step: str, columns: str) -> str:
    """A model's own SQL up to one of its named steps, and that step's rows instead of the last SELECT."""
    steps, found, _ = _sql(models, model).rpartition(LAST_SELECT)
    if not found:
        raise LookupError(f"{model} no longer ends in a SELECT after its named steps")
    return f"{steps}\n)\n\nselect {columns} from {step}"


def _rule_steps(
    conn: duckdb.DuckDBPyConnection,
    models: Models,
    facts: Facts,
    rules: Sequence[WorkloadRule],
    first: int | None,
) -> Iterator[Step]:
    """Every rule in order; the patterns of `tried` say what matched."""
    columns = ", ".join(f"is_{name}" for name in PATTERNS)
    sql = _until(models, facts.model, "tried", f"rule_number, {columns}")
    tried = {row[0]: row[1:] for row in conn.execute(sql).fetchall()}
    if not rules:
        yield Step("rules", "no", "workloads.toml holds no rule")
    known = "''" if facts.is_line else "controller"
    controller = conn.execute(_until(models, facts.model, "parsed", known)).fetchall()[0][0]
    for rule in rules:
        failed = [name for name, is_match in zip(PATTERNS, tried[rule.rule_number], strict=True) if not is_match]
        step = f"rule:{rule.rule_number}"
        if failed:
            yield Step(step, "no", "; ".join(_mismatch(rule, name, facts.spoken, controller) for name in failed))
        elif rule.rule_number == first or rule.is_inherited:
            given = ", ".join(f"{key} = {value!r}" for key, value in _gives(rule).items())
            unless = ", where nothing before gives one" if rule.is_inherited else ""
            yield Step(step, "decides" if rule.workload else "adds", f"it matches and gives {given}{unless}")
        else:
            yield Step(step, "unasked", f"it matches too, but rule {first} comes first")


def _mismatch(rule: WorkloadRule, name: str, facts: Facts, controller: str) -> str:
    pattern, word = getattr(rule, name), WORDS.get(name, name)
    if name in KEYED:
        key = getattr(rule, KEYED[name])
        held = _held(facts, name, key)
        if key not in held:
            return f"there is no {word} {key!r}"
        return f"{word} {key!r} is {held[key]!r}, which {pattern!r} does not match"
    value = controller if name == "owner" else getattr(facts, name)
    return (
        f"{word} {value!r} is not matched by {pattern!r}" if value else f"{pattern!r} asks for a {word}; none is known"
    )


def _held(facts: Facts, name: str, key: str) -> Mapping[str, str]:
    """What the keyed pattern looks into; a key of the bill that is spelled otherwise stands under the rule's own."""
    if name in ("instance_tag_value", "pod_label_value"):
        return facts.tags if name == "instance_tag_value" else facts.labels
    told = facts.bill_tags if name == "bill_tag_value" else facts.cost_categories
    alike = [value for own, value in told.items() if _folded(own) == _folded(key)]
    return {key: alike[0]} if alike else {}


def _folded(key: str) -> str:
    return re.sub("[^a-z0-9]+", "_", key.lower()).removeprefix("user_")


def _gives(rule: WorkloadRule) -> dict[str, str]:
    given = {key: getattr(rule, key) for key in ("workload", "team", "kind", "cost_center")}
    return {key: value for key, value in given.items() if value}


def _fallback_steps(conn: duckdb.DuckDBPyConnection, models: Models, facts: Facts, decided: str) -> Iterator[Step]:
    """The steps after the rules, as the build tries them."""
    rows = conn.execute(f"{_until(models, facts.model, 'steps', 'step, name')} order by step_number").fetchall()
    absent = {
        "owner": "the pod's controller is not known: give --owner, or list pods with kubectl get pods -o json",
        "pod_name": "there is no pod",
        "slurm": "there is no Slurm job",
        "runtime_tag": "there is no runtime tag",
        "tag": "no tag of AWS Batch or ECS names it",
        "arn": "its resource is no ARN of SageMaker, Bedrock or ECS",
        "usage_type": "its service is none of SageMaker, Bedrock and ECS",
    }
    if facts.pod:
        beside = "the pod speaks for what it holds: {} is not looked at"
        absent |= {"slurm": beside.format("a Slurm job"), "runtime_tag": beside.format("a runtime tag")}
    elif facts.hpc_job:
        absent["runtime_tag"] = "the job speaks for what it holds: a runtime tag is not looked at"
    reached = decided.startswith("rule:")
    for step, name in rows:
        if reached:
            yield Step(step, "unasked", f"{decided} has named the workload" + (f"; else {name!r}" if name else ""))
        elif not name:
            yield Step(step, "no", absent[step])
        else:
            reached = step == decided
            yield Step(step, "decides", f"the name is {name!r}")
