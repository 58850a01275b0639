"""What verdicts did to a world whose truth is known: who was held, how early, how much of the money waits, and who was wronged.

Usage: verdicts.py DATA VERDICTS; reads labels, truth and plays of DATA and a `verdict.parquet` of `--emit changes`, prints JSON. A play is stopped
if its account had a verdict (hold or more) at any time from the play on: money is paid after the month.
"""
import json
import sys

import duckdb

data, verdicts = sys.argv[1:]
sql = duckdb.connect()
sql.execute("set preserve_insertion_order = false")
sql.execute(f"""create table labels as
    select subject, cast(subject_id as varchar) as id, any_value(label) as label, any_value(attack) as family
    from read_parquet('{data}/labels*.parquet', union_by_name = true) group by 1, 2""")
sql.execute(f"""create table judged as
    select subject, cast(subject_id as varchar) as id, min(as_of) as first_at,
           -- A row that was not taken back is still in force.
           case when sum(diff) > 0 then timestamptz 'infinity' else max(as_of) end as last_at,
           max(case verdict when 'hold' then 1 when 'escalate' then 2 when 'block' then 3 else 0 end) as gravest
    from '{verdicts}' where verdict <> 'allow' group by 1, 2""")
sql.execute(f"""create table plays as
    select cast(p.account_id as varchar) as id, p.ended_at, p.played_ms >= 30000 as payable, t.attack, t.part
    from read_parquet('{data}/plays*.parquet', union_by_name = true) p
    join '{data}/truth.parquet' t using (play_id)""")


def rows(query):
    return sql.execute(query).fetchall()


families = {}
for family, accounts, held, blocked, hours in rows("""
        with begin as (select id, attack, min(ended_at) as began from plays where part = 'target' group by 1, 2),
        of_account as (select begin.attack, begin.id, judged.gravest,
                              greatest(0, epoch_ms(judged.first_at) - epoch_ms(began)) / 3600000.0 as hours
                       from begin left join judged on judged.subject = 'account' and judged.id = begin.id)
        select attack, count(*), count(gravest), count(*) filter (where gravest = 3), list(hours) from of_account group by 1"""):
    families[family] = {"accounts": accounts, "held": held, "blocked": blocked, "hours": sorted(h for h in hours if h is not None)}
for family, payable, stopped in rows("""
        select plays.attack, count(*), count(*) filter (where judged.id is not null and plays.ended_at <= judged.last_at) from plays
        left join judged on judged.subject = 'account' and judged.id = plays.id
        where plays.payable and plays.part = 'target' group by 1"""):
    families[family] |= {"payable_plays": payable, "payable_stopped": stopped}
honest = {}
for family, accounts, held, more, blocked in rows("""
        select split_part(coalesce(family, 'unnamed'), '/', 1), count(*), count(*) filter (where gravest = 1), count(*) filter (where gravest = 2),
               count(*) filter (where gravest = 3)
        from labels left join judged using (subject, id) where subject = 'account' and label = 'honest' group by 1"""):
    honest[family] = {"accounts": accounts, "held": held, "escalated": more, "blocked": blocked}
others = rows("""with players as (select distinct cast(account_id as varchar) as id from read_parquet('%s/plays*.parquet', union_by_name = true))
    select count(*), count(gravest), count(*) filter (where gravest = 3) from players left join judged on judged.subject = 'account' and judged.id = players.id
    where players.id not in (select id from labels where subject = 'account')""" % data)[0]
victims = {}
for subject, family, all_of, stopped in rows("""
        select subject, family, count(*), count(gravest) from labels left join judged using (subject, id)
        where label = 'victim' and subject <> 'account' group by 1, 2"""):
    victims[f"{family} ({subject})"] = {"of": all_of, "stopped": stopped}
print(json.dumps({"families": families, "honest": honest, "victims": victims,
                  "others": {"accounts": others[0], "stopped": others[1], "blocked": others[2]}}))
