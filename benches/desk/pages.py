#!/usr/bin/env python3
"""How long the pages of the review desk take where a hundred thousand cases wait.

    benches/desk/pages.py [--truestream target/release/truestream] [--cases 100000] [--out FILE]

Accounts with a few plays each, every second pair of them on one device, of which a person once confirmed that they are fraud: each has a verdict, and
nobody has decided about it at this desk. Times are those of a client on the same machine, from the request to the last byte.
"""

import argparse
import http.client
import json
import os
import platform
import random
import re
import statistics
import subprocess
import tempfile
import time
import urllib.parse
from pathlib import Path

HOUR_MS = 3_600_000
MONDAY = 1_767_571_200_000
PLAYS_EACH = 5
CHUNK = 20_000


class Service:
    """A service with nothing in it, and somebody who sends and asks."""

    def __init__(self, truestream: Path, folder: Path) -> None:
        self.truestream, self.state = truestream, folder / "state"
        line = ["serve", "--state", self.state, "--time", "told", "--every", "1h", "--windows", "24h,7d,28d", "--plain-ids"]
        line += ["--listen", "127.0.0.1:0", "--sql-listen", "127.0.0.1:0"]
        self.err = open(folder / "err", "w+")
        self.process = subprocess.Popen([truestream, *line], stdout=subprocess.PIPE, stderr=self.err, text=True)
        self.token = self.process.stdout.readline().split()[-1]
        self.address = self.until(lambda: re.search(r"Listening on http://(\S+)", (folder / "err").read_text()))[1]

    def until(self, ask):
        """What is said once there is something to say."""
        for _ in range(12_000):
            said = ask()
            if said:
                return said
            assert self.process.poll() is None, "the service ended"
            time.sleep(0.05)
        raise TimeoutError

    def ask(self, way: str, place: str, body: str = "", headers: dict | None = None):
        connection = http.client.HTTPConnection(self.address, timeout=600)
        connection.request(way, place, body.encode(), headers or {})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()

    def send(self, table: str, rows: list[dict], until: int | None = None) -> None:
        headers = {"Authorization": f"Bearer {self.token}"}
        if until is not None:
            headers["Truestream-Until"] = str(until)
        status, _, said = self.ask("POST", f"/v1/{table}", "\n".join(map(json.dumps, rows)), headers)
        assert status == 200 and '"unread":0' in said.replace(" ", ""), (status, said[:500])

    def state_as_of(self, until: int) -> None:
        """Tells that all has arrived, and waits until it is stated."""
        self.send("plays", [], until)
        health = lambda: json.loads(self.ask("GET", "/health")[2])
        self.until(lambda: health()["as_of"] == until)

    def rows(self, statement: str) -> int:
        headers = {"Authorization": f"Bearer {self.token}"}
        said = self.ask("POST", "/v1/query?format=csv", statement, headers)
        return int(said[2].split()[-1])


class Reviewer:
    """Somebody at the desk, with a cookie."""

    def __init__(self, service: Service) -> None:
        self.service = service
        line = ["user", "--state", service.state, "add", "rita", "--role", "reviewer"]
        password = subprocess.run([service.truestream, *line], check=True, capture_output=True, text=True).stdout.split()[-1]
        form = urllib.parse.urlencode({"name": "rita", "password": password})
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        _, said, _ = service.ask("POST", "/desk/login", form, headers)
        self.headers = {**headers, "Cookie": said["set-cookie"].split(";")[0]}

    def page(self, place: str, form: dict | None = None) -> tuple[float, str]:
        """A page, and how many milliseconds it took."""
        began = time.perf_counter()
        way, body = ("GET", "") if form is None else ("POST", urllib.parse.urlencode(form))
        status, head, page = self.service.ask(way, place, body, self.headers)
        took = (time.perf_counter() - began) * 1_000
        assert status in (200, 303), (place, status, page[:500])
        return took, page

    def decide(self, case: str) -> float:
        _, page = self.page(case)
        field = lambda name: re.search(rf'name="{name}" value="([^"]*)"', page)[1]
        form = {name: field(name) for name in ("form_key", "subject", "id", "verdict")} | {"choice": "more", "reason": "", "note": ""}
        return self.page("/desk/decide", form)[0]


def fill(service: Service, cases: int) -> int:
    """The cases; as of when they are stated."""
    lot = random.Random(1)
    plays, until = [], MONDAY + 24 * HOUR_MS
    for account in range(cases):
        for number in range(PLAYS_EACH):
            plays.append(
                {
                    "play_id": account * PLAYS_EACH + number,
                    "ended_at": MONDAY + lot.randrange(23 * HOUR_MS),
                    "account_id": f"a{account}",
                    "track_id": f"t{lot.randrange(20_000)}",
                    "played_ms": lot.choice([12_000, 31_000, 180_000]),
                    "device_id": f"d{account // 2}",
                }
            )
    plays.sort(key=lambda play: play["ended_at"])
    for at in range(0, len(plays), CHUNK):
        service.send("plays", plays[at : at + CHUNK])
    verdicts = ["hold", "hold", "hold", "escalate", "block"]
    for at in range(0, cases, CHUNK):
        of = range(at, min(at + CHUNK, cases))
        ruling = {"subject": "account", "ruling": "confirmed", "known_at": MONDAY}
        service.send("rulings", [{**ruling, "subject_id": f"a{one}", "verdict": verdicts[one % 5]} for one in of])
    service.state_as_of(until)
    return until


def main() -> None:
    root = Path(__file__).resolve().parents[2]
    asked = argparse.ArgumentParser()
    asked.add_argument("--truestream", type=Path, default=root / "target/release/truestream")
    asked.add_argument("--cases", type=int, default=100_000)
    asked.add_argument("--out", type=Path)
    given = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        service = Service(given.truestream.resolve(), Path(folder))
        try:
            told = measure(service, given.cases)
        finally:
            service.process.terminate()
            service.process.wait()
    lines = ["| page | median ms | longest ms | times |", "|---|---|---|---|"]
    lines += [f"| {name} | {statistics.median(took):.0f} | {max(took):.0f} | {len(took)} |" for name, took in told]
    about = f"{given.cases} cases, {os.cpu_count()} processors, {platform.machine()}, load {os.getloadavg()[0]:.1f}\n"
    text = "\n".join([about, *lines, ""])
    print(text)
    if given.out:
        given.out.write_text(text)


def measure(service: Service, cases: int) -> list[tuple[str, list[float]]]:
    until = fill(service, cases)
    waiting = service.rows("SELECT count(*) FROM verdict")
    assert waiting >= cases, f"{waiting} verdicts"
    rita = Reviewer(service)
    lot = random.Random(2)

    def each(place, times: int = 20) -> list[float]:
        return [rita.page(place())[0] for _ in range(times)]

    told = [("list, the first after an instant", each(lambda: "/desk", 1))]
    for hour in range(1, 5):
        service.state_as_of(until + hour * HOUR_MS)
        told[0][1].append(rita.page("/desk")[0])
    told.append(("list", each(lambda: "/desk")))
    told.append(("list, some page", each(lambda: f"/desk?page={lot.randrange(cases // 50)}")))
    told.append(("list, of a kind and verdict", each(lambda: "/desk?subject=account&verdict=escalate")))
    told.append(("list, by words of a reason", each(lambda: "/desk?words=person", 5)))
    told.append(("drawn by lot, the first after an instant", each(lambda: "/desk?queue=audit", 1)))
    told.append(("drawn by lot", each(lambda: "/desk?queue=audit")))
    told.append(("in doubt, the first after an instant", each(lambda: "/desk?queue=uncertain", 1)))
    told.append(("in doubt", each(lambda: "/desk?queue=uncertain")))
    told.append(("two hundred at once, to be seen", each(lambda: "/desk/bulk?subject=account&verdict=escalate", 5)))
    told.append(("case", each(lambda: f"/desk/case/account/a{lot.randrange(cases)}")))
    track = lambda: f"/desk/case/track/t{lot.randrange(20_000)}"
    told.append(("somebody without a verdict", each(track)))
    told.append(("decision, and the next case is chosen", [rita.decide(f"/desk/case/account/a{number}") for number in range(20)]))
    told.append(("list, after decisions", each(lambda: "/desk")))
    told.append(("decided", each(lambda: "/desk?decided=1")))
    told.append(("overview", each(lambda: "/desk/overview")))
    told.append(("all as CSV", each(lambda: "/desk/cases.csv", 3)))
    told.append(("all in groups", each(lambda: "/desk/groups.csv", 3)))
    return told


if __name__ == "__main__":
    main()
