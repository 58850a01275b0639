#!/usr/bin/env python3
"""Makes tables of the finds of the bench `fingerprints`.

Usage: fingerprints.py shared CORPUS FINDS SPLIT OUT      which tracks share recorded sound, sample by sample
       fingerprints.py table FINDS SHARED [THRESHOLD|zero]  recall per transform at the threshold, false matches

Tracks of one game often share recorded sound: edits, stems, a theme inside another. A match between such two is true. Whether two
stretches are one recording is decided without fingerprints: their waveforms, whitened, are cross-correlated; one recording
gives one lag that stands out by far, two performances of one tune do not.
"""
import collections
import csv
import os
import subprocess
import sys

RATE_HZ = 8000
# Peak of the whitened correlation in standard deviations. Chance over 16,000 lags gives 4 to 5.
SHARED_PEAK_MIN = 8.0
# Finds below are not looked at: no threshold lies there.
LOOKED_AT_SCORE_MIN = 4.5


def finds(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def tracks(corpus, split):
    with open(os.path.join(corpus, "tracks.tsv")) as file:
        rows = [line.rstrip("\n").split("\t") for line in file]
    return {row[2]: os.path.join(corpus, "tracks", row[4]) for row in rows if row[0] == split}


def samples(path, start, seconds):
    import numpy

    ffmpeg = os.environ.get("TRUESTREAM_FFMPEG", "ffmpeg")
    command = [ffmpeg, "-nostdin", "-v", "error", "-ss", f"{max(start, 0):.4f}", "-t", f"{seconds:.3f}", "-i", path,
               "-ac", "1", "-ar", str(RATE_HZ), "-f", "s16le", "-"]
    raw = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    return numpy.frombuffer(raw, dtype="<i2").astype(float)


def correlation_peak(a, b):
    """The peak of the whitened cross-correlation within one second, in standard deviations."""
    import numpy

    size = 1 << (len(a) + len(b)).bit_length()
    spectrum = numpy.fft.rfft(a, size) * numpy.conj(numpy.fft.rfft(b, size))
    # Only where either has sound: 100 Hz to 3.8 kHz.
    hz = numpy.fft.rfftfreq(size, 1 / RATE_HZ)
    inside = (hz > 100) & (hz < 3800)
    white = numpy.where(inside, spectrum / (numpy.abs(spectrum) + 1e-9 * numpy.abs(spectrum).max() + 1e-12), 0)
    correlation = numpy.fft.irfft(white, size)
    near = numpy.concatenate([correlation[:RATE_HZ], correlation[-RATE_HZ:]])
    return float(numpy.abs(near).max() / (correlation.std() + 1e-12))


def shared(corpus, path, split, out):
    files = tracks(corpus, split)
    best = collections.defaultdict(list)
    for find in finds(path):
        if find["kind"] == "unknown" and find["transform"].startswith("part of") and float(find["score"]) >= LOOKED_AT_SCORE_MIN:
            pair = tuple(sorted((find["sha"], find["found"])))
            best[pair].append(find)
    with open(out, "w") as file:
        for pair, found in sorted(best.items()):
            found.sort(key=lambda find: -float(find["score"]))
            peak = 0.0
            for find in found[:4]:
                seconds = min(float(find["seconds"]), 10.0)
                start, origin = float(find["at"]), float(find["origin_s"])
                late = max(0.0, -origin)
                a = samples(files[find["sha"]], start + late, seconds)
                b = samples(files[find["found"]], origin + late, seconds)
                if min(len(a), len(b)) > RATE_HZ:
                    peak = max(peak, correlation_peak(a, b))
            top = found[0]
            name = lambda sha: "/".join(files[sha].split("/")[-1:])
            file.write(f"{pair[0]}\t{pair[1]}\t{peak:.1f}\t{top['score']}\t{len(found)}\t{name(pair[0])}\t{name(pair[1])}\n")
            print(f"{peak:6.1f}  score {float(top['score']):5.1f} x{len(found):<4} {name(top['sha'])} -> {name(top['found'])}")


def table(path, shared_path, threshold):
    with open(shared_path) as file:
        rows = [line.split("\t") for line in file]
    same = {(row[0], row[1]) for row in rows if float(row[2]) >= SHARED_PEAK_MIN}
    is_same = lambda a, b: a == b or tuple(sorted((a, b))) in same
    all_finds = finds(path)
    if threshold == "zero":
        # The peer gets the lowest threshold that lets no un-indexed query of this very set through: better than it could know.
        scores = [float(find["score"]) for find in all_finds if find["kind"] == "unknown" and not is_same(find["sha"], find["found"])]
        threshold = max(scores) + 1e-6
        print(f"threshold {threshold:.4f}, above all {len(scores)} un-indexed queries")
    threshold = float(threshold)
    recall = collections.defaultdict(lambda: collections.defaultdict(list))
    known, false_of_known = 0, 0
    for find in all_finds:
        if find["kind"] == "known":
            known += 1
            accepted = float(find["score"]) >= threshold
            right = is_same(find["sha"], find["found"])
            recall[find["transform"]][find["seconds"]].append(accepted and right)
            false_of_known += accepted and not right
    lengths = sorted({find["seconds"] for find in all_finds}, key=int)
    print("| transform | " + " | ".join(f"{length} s" for length in lengths) + " |")
    print("|---|" + "---|" * len(lengths))
    for transform, by_length in recall.items():
        cells = [f"{sum(by_length[length]) / len(by_length[length]):.3f}" for length in lengths]
        print(f"| {transform} | " + " | ".join(cells) + " |")
    print(f"\nqueries per cell: {len(next(iter(next(iter(recall.values())).values())))}; known queries matched to another recording: {false_of_known} of {known}")
    for length in lengths:
        scores, skipped = [], 0
        for find in all_finds:
            if find["kind"] == "unknown" and find["seconds"] == length:
                if find["found"] and is_same(find["sha"], find["found"]):
                    skipped += 1
                else:
                    scores.append(float(find["score"]))
        scores.sort(reverse=True)
        above = sum(score >= threshold for score in scores)
        n = len(scores)
        at = lambda share: scores[min(int(n * share), n - 1)]
        print(f"un-indexed, {length} s: {above} false of {n} (at most {3.0 / n if above == 0 else float('nan'):.5f} with 95 % confidence if 0); "
              f"{skipped} more found the same recorded sound in another track; highest scores {' '.join(f'{s:.1f}' for s in scores[:8])}; "
              f"one in 10 / 100 / 1000: {at(.1):.2f} {at(.01):.2f} {at(.001):.2f}")


if __name__ == "__main__":
    if len(sys.argv) == 6 and sys.argv[1] == "shared":
        shared(*sys.argv[2:])
    elif len(sys.argv) in (4, 5) and sys.argv[1] == "table":
        table(sys.argv[2], sys.argv[3], sys.argv[4] if len(sys.argv) == 5 else "9.5")
    else:
        sys.exit(__doc__)
