"""Which tables a SELECT reads, as the parser sees it; never declared by hand."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError

from pipeline.errors import ModelError
from pipeline.headers import PARAMETER, Header, substitute


def read_tables(header: Header, known: Collection[str]) -> frozenset[str]:
    """Names of the tables behind FROM and JOIN, common table expressions left out.

    Raises ModelError when the file is not one SELECT, or names a common table expression like a `known` table.
    """
    # two $names in one statement can look like a dollar-quoted string to the parser
    sql = substitute(header.sql, dict.fromkeys(PARAMETER.findall(header.sql), "null"))
    try:
        names = _names(sql)
    except (ParseError, TokenError) as error:
        details = error.errors[0] if isinstance(error, ParseError) and error.errors else {}
        line = header.first_sql_line + int(details.get("line") or 1) - 1
        raise ModelError(f"{header.at(line)}: does not parse: {details.get('description') or error}") from error
    if names is None:
        raise ModelError(f"{header.at(header.first_sql_line)}: a model is one SELECT")
    tables, own_names = names
    if hidden := sorted(own_names & set(known)):
        raise ModelError(f"{header.at()}: a common table expression hides the table {hidden[0]}; give it another name")
    return tables - own_names


@lru_cache(maxsize=512)  # a pass reads the models several times, a task starts from a process that has read them
def _names(sql: str) -> tuple[frozenset[str], frozenset[str]] | None:
    """Tables and common table expressions that a statement names; None when it is not one SELECT."""
    statements = sqlglot.parse(sql, dialect="duckdb")
    query = statements[0]
    if len(statements) != 1 or not isinstance(query, exp.Query):
        return None
    tables = {table.name for table in query.find_all(exp.Table) if isinstance(table.this, exp.Identifier)}
    return frozenset(tables), frozenset(cte.alias for cte in query.find_all(exp.CTE))
