#!/usr/bin/env python3
"""Guests of a living service: what sessions of PostgreSQL's protocol wait for, and what subscribers who hear nothing cost.

    guests.py sessions PORT PASSWORD COUNT SECONDS [PAUSE_MS]   point questions from COUNT sessions at once, each with PAUSE_MS after an answer
    guests.py subscribers HTTP TOKEN COUNT PID                  COUNT connections that follow one answer; memory of the process PID before and after

Wants asyncpg (pip) for sessions, nothing else for subscribers. `run.sh` runs both beside `truestream load`.
"""

import asyncio
import json
import random
import sys
import time
import urllib.parse


def share(times, part):
    return sorted(times)[min(len(times) - 1, int(len(times) * part))]


async def sessions(port, password, count, seconds, pause_ms=100):
    import asyncpg

    times, failed = [], []
    ends = time.monotonic() + seconds

    async def session(number):
        chance = random.Random(number)
        connection = await asyncpg.connect(
            host="127.0.0.1", port=port, user="truestream", password=password, database="truestream", timeout=60
        )
        wanted = await connection.prepare('SELECT plays, payable FROM account_window WHERE account_id = $1 AND "window" = \'24h\'')
        await asyncio.sleep(chance.random() * pause_ms / 1e3)
        while time.monotonic() < ends:
            began = time.perf_counter()
            try:
                await wanted.fetch(f"a{chance.randrange(20_000)}")
            except Exception as error:  # whatever a client may meet
                failed.append(repr(error))
                return
            times.append(time.perf_counter() - began)
            await asyncio.sleep(pause_ms / 1e3)
        await connection.close()

    await asyncio.gather(*(session(number) for number in range(count)))
    told = {"sessions": count, "answers": len(times), "per_s": round(len(times) / seconds, 1), "failed": failed[:3]}
    if times:
        told |= {f"p{part}_ms": round(share(times, part / 100) * 1e3, 1) for part in (50, 90, 99)}
    print(json.dumps(told))


def resident_mib(pid):
    with open(f"/proc/{pid}/statm") as told:
        return int(told.read().split()[1]) * 4096 / 2**20


async def subscribers(http, token, count, pid):
    address = urllib.parse.urlsplit(http)
    before = resident_mib(pid)
    question = urllib.parse.quote("SELECT subject, verdict, count(*) AS subjects FROM verdict GROUP BY 1, 2")
    head = f"GET /v1/subscribe?sql={question} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n"
    told, hear = [], []

    async def subscriber():
        reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=2**16)
        writer.write(head.encode())
        first = await reader.readline()
        told.append(first.split()[1])

        async def listen():
            while await reader.read(65536):
                pass

        hear.append(asyncio.ensure_future(listen()))
        return writer

    writers = []
    for start in range(0, count, 64):
        writers += await asyncio.gather(*(subscriber() for _ in range(min(64, count - start))))
    await asyncio.sleep(20)
    after = resident_mib(pid)
    accepted = sum(status == b"200" for status in told)
    alive = sum(not one.done() for one in hear)
    print(json.dumps({"subscribers": accepted, "alive_after_20_s": alive, "resident_mib_before": round(before), "after": round(after)}))
    for writer in writers:
        writer.close()


def main():
    if len(sys.argv) < 6 or sys.argv[1] not in ("sessions", "subscribers"):
        sys.exit(__doc__)
    kind, one, two, *rest = sys.argv[1:]
    if kind == "sessions":
        asyncio.run(sessions(int(one), two, *map(int, rest)))
    else:
        asyncio.run(subscribers(one, two, int(rest[0]), int(rest[1])))


main()
