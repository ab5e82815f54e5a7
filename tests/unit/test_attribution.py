from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.attribution import WorkloadRule, read_rules
from pipeline.errors import UsageError


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "workloads.toml"
    path.write_text(text, "utf-8")
    return path


def test_no_file_means_no_rules(tmp_path: Path) -> None:
    assert read_rules(tmp_path / "workloads.toml") == []


def test_rules_keep_their_order_and_count_from_one(tmp_path: Path) -> None:
    text = '[[rule]]\npod = "^a-"\nworkload = "a"\n[[rule]]\nhpc_job = "."\nteam = "hpc"\n'
    assert read_rules(write(tmp_path, text)) == [
        WorkloadRule(1, pod="^a-", workload="a"),
        WorkloadRule(2, hpc_job=".", team="hpc"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[rule]]\npodd = "x"\nteam = "t"\n', "line 2, rule 1: unknown key 'podd'; did you mean pod?"),
        ('\n[[rule]]\npod = "x"\nteam = "t"\n\n[[ rule ]]\nteam = "t"\n pod = "("\n', "line 8, rule 2: pod = "),
        ('rule = [{pod = "(", team = "t"}]\n', "workloads.toml, rule 1: pod = "),
        (
            '[[rule]]\npod_label_key = "x"\nteam = "t"\n',
            "line 2, rule 1: pod_label_key and pod_label_value",
        ),
        ('[[rule]]\npod = 3\nteam = "t"\n', "pod must be text"),
        ('[[rule]]\npod = "x"\n', "gives nothing"),
        ('[[rule]]\nteam = "t"\n', "matches everything"),
        ('[[rule]]\npod = "x("\nteam = "t"\n', "rule 1: pod = 'x\\('"),
        ('[[rule]]\npod = "(?=x)"\nteam = "t"\n', "not a pattern in RE2 syntax"),
        ('[[rule]]\ninstance_tag_value = "x"\nteam = "t"\n', "go together"),
        ('[rule]\npod = "x"\nteam = "t"\n', r"write \[\[rule\]\]"),
        ('[[rules]]\npod = "x"\n', "unknown key 'rules'"),
        ("[[rule", "not valid TOML"),
    ],
)
def test_a_wrong_rule_is_named_with_file_and_number(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        read_rules(write(tmp_path, text))
    assert "workloads.toml" in str(caught.value)


def test_an_account_alone_is_inherited_and_never_names_a_workload(tmp_path: Path) -> None:
    text = """
        [[rule]]
        account = "^111122223333$"
        team = "research"
        [[rule]]
        account = "^111122223333$"
        workload = "all"
        [[rule]]
        account = "^111122223333$"
        service = "^AmazonBedrock$"
        team = "models"
    """
    assert [rule.is_inherited for rule in read_rules(write(tmp_path, text))] == [True, False, False]


@pytest.mark.parametrize("key", ["bill_tag_key", "cost_category_key"])
def test_a_key_of_the_bill_stands_beside_its_value(tmp_path: Path, key: str) -> None:
    with pytest.raises(UsageError, match=f"{key} and {key.replace('_key', '_value')} go together"):
        read_rules(write(tmp_path, f'[[rule]]\n{key} = "team"\nteam = "t"\n'))
