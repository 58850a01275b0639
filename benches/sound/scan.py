"""Prints what a scan cost and what `match` found, from the files that scan.sh left.

scan.json, clips-*.json, match.jsonl, copies.tsv ──▶ tables in Markdown
"""

import json
import sys
from collections import defaultdict
from pathlib import Path

work = Path(sys.argv[1])


def costs(report):
    cpu = report["cpu_seconds"]
    features = cpu["listening"] + cpu["characterising"] + cpu["printing"]
    return cpu, features


def catalogue():
    report = json.loads((work / "scan.json").read_text())
    wall, user, system = map(float, (work / "scan.time").read_text().split())
    cpu, features = costs(report)
    hours, heard = report["audio_seconds_heard_now"] / 3600, report["contents_heard_now"]
    print(f"{report['files']} files = {report['recordings']} recordings and refused: {report['refused']}; {hours:.1f} h of sound, {report['jobs']} jobs\n")
    print("| | |\n|---|---|")
    print(f"| by the clock | {wall:.0f} s: {heard / wall:.2f} files/s, {hours / wall:.3f} h of sound/s |")
    print(f"| CPU, all processes | {user + system:.0f} s: {(user + system) / heard:.2f} s a file, {1000 * (user + system) / (3600 * hours):.2f} ms a second of sound |")
    for name in ("decoding", "listening", "characterising", "printing", "comparing", "drawing"):
        print(f"| of it {name} | {cpu[name]:.1f} s: {1000 * cpu[name] / (3600 * hours):.2f} ms a second of sound, {1000 * cpu[name] / heard:.0f} ms a file |")
    for name, found in report["detectors"].items():
        print(f"| `{name}` | {found['heard']} heard, {found['suspicious']} with a risk of a half or more |")
    print(f"| groups of copies | {report['duplicate_groups']} |")
    per_second = (cpu["decoding"] + features + cpu["comparing"]) / (3600 * hours)
    for seconds in (180, 3600 * hours / heard):
        cores = 5e6 * seconds * per_second / 86_400
        print(f"| 5 M tracks of {seconds:.0f} s a day, without pictures | {cores:.1f} cores |")


def clips():
    print("\n| clips of 30 s | decoding, ms | sanity and synthesis, ms | timbre and voice, ms | fingerprint, ms | comparing, ms | (decoding + features) / decoding | pictures, ms |\n|---|---|---|---|---|---|---|---|")
    for path in sorted(work.glob("clips-*.json")):
        report = json.loads(path.read_text())
        cpu, features = costs(report)
        heard = report["contents_heard_now"]
        ms = {name: 1000 * value / heard for name, value in cpu.items()}
        ratio = (cpu["decoding"] + features) / cpu["decoding"]
        print(
            f"| {path.stem.removeprefix('clips-')} ({heard}) | {ms['decoding']:.1f} | {ms['listening']:.1f} | {ms['characterising']:.1f} | {ms['printing']:.1f} | {ms['comparing']:.1f} "
            f"| {ratio:.2f} | {ms['drawing']:.1f} |"
        )


def matches():
    expected = {}
    for line in (work / "copies.tsv").read_text().splitlines():
        copy, track, name, later, speed, pitch = line.split("\t")
        expected[copy] = (Path(track).stem, name, float(later), float(speed), float(pitch))
    rows = defaultdict(lambda: [0, 0, 0, 0, 0.0])
    for line in (work / "match.jsonl").read_text().splitlines():
        answer = json.loads(line)
        track, name, later, speed, pitch = expected[answer["file"]]
        row = rows[name]
        row[0] += 1
        ranked = answer["matches"]
        right = [found for found in ranked if found["content_id"] == track]
        row[3] += any(found["content_id"] != track for found in ranked)
        if ranked and right and ranked[0] is right[0]:
            row[1] += 1
            origin = right[0]["offset_seconds"] - right[0]["speed"] * right[0]["from_seconds"]
            exact = abs(origin - later) < 0.5 and abs(right[0]["speed"] / speed - 1) < 0.003 and abs(right[0]["pitch"] / pitch - 1) < 0.006
            row[2] += exact
            row[4] += right[0]["matched_share"]
    print("\n| `match`, copies of whole tracks | files | right at rank 1 | place, speed and pitch right | with others besides | landmarks matched |\n|---|---|---|---|---|---|")
    for name, (files, first, exact, others, share) in sorted(rows.items()):
        print(f"| {name} | {files} | {first} | {exact} | {others} | {100 * share / max(first, 1):.0f} % |")


catalogue()
clips()
matches()
