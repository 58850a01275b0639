"""Recall of the rules alone: the highest risk of each account on any day, at 0.1 % and 1 % of the other accounts flagged.

Usage: rules.py FOLDER; reads FOLDER/rules/risk.parquet and FOLDER/data/labels*.parquet, prints JSON like a model's report.
"""
import json
import sys

import duckdb

folder = sys.argv[1]
connection = duckdb.connect()
rows = connection.execute(f"""
    with labels as (
        select cast(subject_id as varchar) as id, any_value(label) as label, any_value(attack) as family
        from read_parquet('{folder}/data/labels*.parquet', union_by_name = true) where subject = 'account' group by 1
    ), risks as (
        select subject_id as id, max(r) as r from '{folder}/rules/risk.parquet' where subject = 'account' and diff = 1 group by 1
    ), players as (select distinct cast(account_id as varchar) as id from read_parquet('{folder}/data/plays*.parquet', union_by_name = true))
    select id, coalesce(r, 0), label, family from players left join labels using (id) left join risks using (id)
""").fetchall()
others = sorted((r for _, r, label, _ in rows if label not in ("fraud", "victim")), reverse=True)
report = {"accounts": len(rows), "recall": {}, "families": {}}
fraud = [r for _, r, label, _ in rows if label in ("fraud", "victim")]
for name, rate in [("0.1pct", 0.001), ("1pct", 0.01)]:
    threshold = others[int(rate * len(others))]
    report["recall"][name] = {"value": sum(r > threshold for r in fraud) / max(1, len(fraud))}
    families = {}
    for _, r, _, family in rows:
        if family:
            families.setdefault(family, []).append(r > threshold)
    for family, flags in families.items():
        of = report["families"].setdefault(family, {"accounts": len(flags), "recall": {}})
        of["recall"][name] = sum(flags) / len(flags)
print(json.dumps(report))
