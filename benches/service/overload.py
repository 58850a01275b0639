#!/usr/bin/env python3
"""A living service that is sent far more than its views can follow: does its memory stay bounded, is all counted that was acknowledged, and how
long does it take until it has caught up?

    benches/service/overload.py [--truestream target/release/truestream] [--rate 400000] [--seconds 600] [--behind-max 10s] [--memory-max 6144]

Prints a line of JSON each ten seconds, and one at the end. Time is the load's own: a beat is ten minutes, and so is the window. What the views hold
stays nearly the same once the day is over that lockstep looks back (144 beats): memory that grows on after that is a queue. As many accounts and tracks
play as could: of few, every two would have played something together.
"""

import argparse
import json
import os
import re
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path


def metrics(address: str, token: str) -> dict[str, float]:
    asked = urllib.request.Request(f"{address}/metrics", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


def until(ask, process):
    while not (said := ask()):
        assert process.poll() is None, "the service ended"
        time.sleep(0.05)
    return said


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--truestream", type=Path, default=Path("target/release/truestream"))
    words.add_argument("--rate", type=int, default=400_000)
    words.add_argument("--people", type=int, default=2_000_000, help="accounts, and tracks")
    words.add_argument("--seconds", type=int, default=600)
    words.add_argument("--behind-max", default="10s")
    words.add_argument("--memory-max", type=int, default=6144)
    asked = words.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        line = ["serve", "--state", folder / "state", "--time", "told", "--plain-ids", "--every", "10min", "--windows", "10min"]
        line += ["--behind-max", asked.behind_max, "--memory-max", str(asked.memory_max)]
        line += ["--listen", "127.0.0.1:0", "--sql-listen", "127.0.0.1:0"]
        with open(folder / "out", "w") as out, open(folder / "err", "w") as err:
            service = subprocess.Popen([asked.truestream, *line], stdout=out, stderr=err)
        try:
            address = until(lambda: re.search(r"Listening on (http\S+)", (folder / "err").read_text()), service)[1]
            token = re.search(r"told this once: (\S+)", (folder / "out").read_text())[1]
            run(asked, service, address, token)
        finally:
            service.terminate()
            service.wait()


def run(asked, service, address: str, token: str) -> None:
    line = ["load", "--to", address, "--rate", str(asked.rate), "--every", "10min", "--beats", "100000", "--readers", "0", "--senders", "8"]
    line += ["--accounts", str(asked.people), "--tracks", str(asked.people), "--time-max", f"{asked.seconds}s", "--json"]
    environment = os.environ | {"TRUESTREAM_TOKEN": token}
    load = subprocess.Popen([asked.truestream, *line], stdout=subprocess.PIPE, text=True, env=environment)
    began, highest, behind, told_at, sent_at = time.monotonic(), 0, 0, 0, None
    while True:
        now, seen = time.monotonic() - began, metrics(address, token)
        highest, behind = max(highest, seen["truestream_resident_bytes"]), max(behind, seen["truestream_behind_seconds"])
        over = seen["truestream_log_entries_stated"] >= seen["truestream_log_entries_durable"]
        if now >= asked.seconds:
            # The last beat is still taken; it has been when nothing grows any more.
            entries = seen["truestream_log_entries_durable"]
            if sent_at is None or sent_at[1] != entries:
                sent_at = (now, entries)
        if load.poll() is not None or (sent_at and over and now - sent_at[0] > 2):
            break
        if now - told_at >= 10:
            told_at = now
            print(json.dumps({"s": round(now), "plays": seen["truestream_plays"], "behind_s": seen["truestream_behind_seconds"],
                              "resident_mib": round(seen["truestream_resident_bytes"] / 2**20)}), flush=True)
        time.sleep(0.5)
    caught_up = time.monotonic() - began
    said = json.loads(load.communicate()[0])
    read = metrics(address, token)["truestream_plays"]
    print(json.dumps({"plays_acknowledged": said["plays"], "plays_read": read, "all_counted": said["plays"] == read,
                      "plays_per_second": said["plays_per_second"], "asked_to_come_again": said["asked_to_come_again"],
                      "behind_max_s": behind, "resident_max_mib": round(highest / 2**20), "memory_max_mib": asked.memory_max,
                      "caught_up_after_last_entry_s": round(caught_up - (sent_at or (caught_up,))[0], 1)}))


main()
