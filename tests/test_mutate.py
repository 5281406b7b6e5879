"""The program that changes the package a little: what it changes, and that the rest stays."""

import ast

from mutate import mutants

SOURCE = '''
def first(rows: list = [1]) -> int:
    """Return 3 or less."""
    if rows and len(rows) < 2:
        raise ValueError(f"{1 + 1} rows")
    total = -max(rows[:2])
    rows.append(total + 0.5)
    return total
'''


def test_each_mutant_has_one_change_and_every_kind_is_there():
    changes = [change for _, change, _ in mutants(SOURCE)]
    assert {
        "rows and len(rows) < 2  ->  rows or len(rows) < 2",
        "len(rows) < 2  ->  len(rows) <= 2",
        "2  ->  3",
        "2  ->  1",
        "-max(rows[:2])  ->  max(rows[:2])",
        "max  ->  min",
        "total + 0.5  ->  total - 0.5",
        "0.5  ->  1.0",
        "rows.append(total + 0.5)  ->  pass",
    } <= set(changes)
    plain = ast.unparse(ast.parse(SOURCE)).splitlines()
    for _, _, source in mutants(SOURCE):
        changed = source.splitlines()
        assert sum(one != other for one, other in zip(plain, changed, strict=True)) == 1
        assert changed[1] == plain[1]
        assert changed[3] == plain[3]
