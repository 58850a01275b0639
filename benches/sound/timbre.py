#!/usr/bin/env python3
"""Trains the encoder of what music sounds like, and measures it beside plain statistics.

    timbre.py hear TARGET WORK                     what the encoder hears of every track of `synthesis.py tracks TARGET`
    timbre.py train TARGET WORK WEIGHTS [STEPS [SEED]]    trains on the dev packages, writes safetensors
    timbre.py test TARGET WORK WEIGHTS [SPLIT]     the numbers as markdown

QUERIES of the environment names the folder of queries of corpus.sh.

Dev and test packages are those of synthesis.py: nobody's music is in both. The release build of the example `timbre`
(cargo build --release -p features --example timbre; TRUESTREAM_TIMBRE names it otherwise) writes the bands, so what the network
learns from is exactly what it will hear. Wants numpy and torch (pip).
"""

import collections, json, os, struct, subprocess, sys, time
import numpy as np

BANDS, WINDOW, AT_ONCE, DEPTH_DB, LOUDEST_DB_MIN, STEPS_MIN = 64, 64, 2, 60.0, -22.0, 16
CHANNELS, DIMENSIONS = 64, 64
# Steps of a piece from which a window is made at any speed.
LONG = 74
# Steps of an excerpt.
EXCERPT = 447


# --- what is heard ----------------------------------------------------------------------------------------------------

def heard(paths):
    """Bands of each file in order, frames x 64, dB."""
    program = os.environ.get("TRUESTREAM_TIMBRE", "target/release/examples/timbre")
    child = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for path in paths:
        child.stdin.write(f"{path}\n".encode())
        child.stdin.flush()
        (frames,) = struct.unpack("<I", child.stdout.read(4))
        yield np.frombuffer(child.stdout.read(4 * BANDS * frames), "<f4").reshape(frames, BANDS)
    child.stdin.close()
    child.wait()


def steps(bands):
    """Pairs of frames averaged."""
    whole = len(bands) // AT_ONCE * AT_ONCE
    return bands[:whole].reshape(-1, AT_ONCE, BANDS).mean(1)


def hear(target, work):
    os.makedirs(work, exist_ok=True)
    tracks = json.load(open(os.path.join(target, "tracks.json")))
    path = lambda t: os.path.join(work, t["sha"][:16] + ".npy")
    tracks = [t for t in tracks if not os.path.exists(path(t))]
    for track, bands in zip(tracks, heard(t["path"] for t in tracks)):
        np.save(path(track), steps(bands).astype(np.float16))


def known(target, work, split):
    tracks = [t for t in json.load(open(os.path.join(target, "tracks.json"))) if t["split"] == split]
    return [dict(t, steps=np.load(os.path.join(work, t["sha"][:16] + ".npy"))) for t in tracks]


def normal(windows):
    """As features/src/sound/timbre/bands.rs: n x time x band -> n x band x time."""
    loudest = windows.max((1, 2), keepdims=True)
    windows = np.maximum(windows, loudest - DEPTH_DB)
    return ((windows - windows.mean((1, 2), keepdims=True)) / 10).transpose(0, 2, 1).astype(np.float32)


def excerpts(steps):
    """All of a recording of up to a minute and a half; of a longer one 28.7 s around a sixth, the middle and five sixths."""
    if len(steps) <= 3 * EXCERPT:
        return [steps]
    return [steps[at:at + EXCERPT] for at in (round(len(steps) * part / 6 - EXCERPT / 2) for part in (1, 3, 5))]


def windows(steps):
    """Of each excerpt, side by side, the last moved back; silent ones left out."""
    return np.concatenate([windows_of(part) for part in excerpts(steps)])


def windows_of(steps):
    long = min(len(steps), WINDOW)
    if len(steps) < STEPS_MIN:
        return np.zeros((0, BANDS, WINDOW), np.float32)
    starts = [min(n * long, len(steps) - long) for n in range(-(-len(steps) // long))]
    some = np.stack([steps[s:s + long] for s in starts]).astype(np.float32)
    return normal(some[some.max((1, 2)) >= LOUDEST_DB_MIN])


# --- the network ------------------------------------------------------------------------------------------------------

def network():
    import torch
    from torch import nn

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            conv = lambda a, b, d: nn.Conv1d(a, b, 3, padding=d, dilation=d)
            self.first, self.second, self.third = conv(BANDS, CHANNELS, 1), conv(CHANNELS, CHANNELS, 2), conv(CHANNELS, CHANNELS, 4)
            self.last = nn.Conv1d(2 * CHANNELS, DIMENSIONS, 1)

        def forward(self, x):
            x = torch.relu(self.first(x))
            x = x + torch.relu(self.second(x))
            x = x + torch.relu(self.third(x))
            mean = x.mean(2)
            spread = (x.var(2, unbiased=False) + 1e-6).sqrt()
            return nn.functional.normalize(self.last(torch.cat([mean, spread], 1)[:, :, None])[:, :, 0])

    return Encoder()


def warped(rng, some, most):
    """Pieces of LONG steps as windows, half of them played faster or slower, and so higher or lower by as much."""
    out = np.empty((len(some), WINDOW, BANDS), np.float32)
    mel = lambda hz: 2595 * np.log10(1 + hz / 700)
    low, high = mel(60.0), mel(7600.0)
    hz = 700 * (10 ** ((low + (high - low) * (np.arange(BANDS) + 1) / (BANDS + 1)) / 2595) - 1)
    for n, piece in enumerate(some):
        speed = np.exp(rng.uniform(-most, most)) if rng.random() < 0.5 else 1.0
        at = np.clip((mel(hz / speed) - low) / (high - low) * (BANDS + 1) - 1, 0, BANDS - 1.001)
        step = np.arange(WINDOW) * speed
        band, before = at.astype(int), step.astype(int)
        piece = piece.astype(np.float32)
        rows = piece[before] + (piece[before + 1] - piece[before]) * (step - before)[:, None]
        out[n] = rows[:, band] + (rows[:, band + 1] - rows[:, band]) * (at - band)
    return out


def augmented(rng, some, faster=0.12):
    """Pieces, n x time x band in dB, as a change of speed, a codec, a room, a cheap loudspeaker or a noisy line would leave them."""
    n = len(some)
    some = warped(rng, some, faster)
    band = np.linspace(0, 1, BANDS)
    tilt = sum(rng.normal(0, 4 / (k + 1), (n, 1)) * np.cos(np.pi * (k + 1) * band) for k in range(4))
    cut = np.where(rng.random((n, 1)) < 0.25, rng.uniform(0.6, 1.0, (n, 1)), 2)
    some = some + (tilt - 40 * np.maximum(0, band - cut) * 10)[:, None, :]
    width = np.exp(2.2 * band) - 0.5
    level = some.max((1, 2), keepdims=True) - rng.uniform(5, 70, (n, 1, 1))
    noise = level + 10 * np.log10(width / width.max())[None, None, :] + 10 * np.log10(rng.gamma(2, 0.5, some.shape) + 1e-3)
    some = np.where(rng.random((n, 1, 1)) < 0.5, 10 * np.log10(10 ** (some / 10) + 10 ** (noise / 10)), some)
    some = some + rng.normal(0, 1, some.shape) * rng.uniform(0, 2, (n, 1, 1))
    return normal(np.maximum(some, -40).astype(np.float32))


def train(target, work, weights, count=1500, seed=20261122):
    import torch
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    tracks = [t for t in known(target, work, "dev") if len(t["steps"]) >= 2 * LONG]
    packages = {p: n for n, p in enumerate(sorted({t["package"] for t in tracks}))}
    by_package = collections.Counter(t["package"] for t in tracks)
    # A package of 50 tracks is no ten times as interesting as one of 5.
    chance = np.array([by_package[t["package"]] ** -0.5 for t in tracks])
    chance /= chance.sum()
    model = network()
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=count)
    batch, temperature = 64, 0.1
    for step in range(count):
        chosen = rng.choice(len(tracks), batch, replace=False, p=chance)
        sides = []
        for _ in range(2):
            pieces = []
            for at in chosen:
                steps = tracks[at]["steps"]
                start = rng.integers(len(steps) - LONG + 1)
                pieces.append(steps[start:start + LONG])
            sides.append(augmented(rng, np.stack(pieces).astype(np.float32)))
        out = model(torch.from_numpy(np.concatenate(sides)))
        label = torch.tensor([packages[tracks[at]["package"]] for at in chosen]).repeat(2)
        same = torch.arange(2 * batch)
        partner = (same + batch) % (2 * batch)
        score = out @ out.T / temperature
        # NT-Xent; what is of one package is neither drawn together nor pushed apart: an album may sound alike.
        hidden = label[:, None] == label[None, :]
        hidden[same, partner] = False
        loss = torch.nn.functional.cross_entropy(score.masked_fill(hidden, -1e9), partner)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 0:
            print(step, f"{loss.item():.3f}", f"{time.process_time():.0f} s", flush=True)
    save(model, weights)


def save(model, path):
    state = {k: v.detach().numpy().astype("<f4") for k, v in sorted(model.state_dict().items())}
    head, at = {}, 0
    for name, values in state.items():
        head[name] = dict(dtype="F32", shape=list(values.shape), data_offsets=[at, at + values.nbytes])
        at += values.nbytes
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for values in state.values():
            out.write(values.tobytes())


def load(path):
    import torch
    model = network()
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        head, data = json.loads(file.read(length)), file.read()
    state = {k: torch.from_numpy(np.frombuffer(data[slice(*v["data_offsets"])], "<f4").reshape(v["shape"]).copy()) for k, v in head.items()}
    model.load_state_dict(state)
    return model.eval()


# --- what is measured -------------------------------------------------------------------------------------------------

def plain(some):
    return np.concatenate([some.mean(2), some.std(2)], 1)


def unit(rows):
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-9)


def discriminant(rows, labels, keep):
    """Linear discriminant analysis: directions in which recordings differ more than their windows do."""
    labels = np.unique(labels, return_inverse=True)[1]
    count = np.bincount(labels).astype(float)
    means = np.stack([np.bincount(labels, rows[:, d]) for d in range(rows.shape[1])], 1) / count[:, None]
    within = np.cov((rows - means[labels]).T) + 1e-3 * np.eye(rows.shape[1])
    value, vector = np.linalg.eigh(within)
    white = vector / np.sqrt(value)
    between = np.cov((means @ white).T)
    return white @ np.linalg.eigh(between)[1][:, ::-1][:, :keep], means.mean(0)


def methods(target, work, weights):
    """Name -> windows to vectors of unit length."""
    import torch
    dev = known(target, work, "dev")
    some = [windows(t["steps"]) for t in dev]
    some = [(n, w) for n, w in enumerate(some) if len(w) and w.shape[2] == WINDOW]
    rows = np.concatenate([plain(w) for _, w in some])
    mean, std = rows.mean(0), rows.std(0)
    labels = np.concatenate([np.full(len(w), n) for n, w in some])
    project, centre = discriminant(rows, labels, DIMENSIONS)
    model = load(weights)

    def encoded(w):
        with torch.no_grad():
            return model(torch.from_numpy(w)).numpy()

    return {"plain statistics": lambda w: unit((plain(w) - mean) / std),
            "statistics, discriminant": lambda w: unit((plain(w) - centre) @ project),
            "encoder": encoded}


def pooled(method, steps):
    some = windows(steps)
    return unit(method(some).mean(0)) if len(some) else None


def ranks(queries, vectors, right):
    score = queries @ vectors.T
    return (score > score[np.arange(len(queries)), right][:, None]).sum(1)


def test(target, work, weights, split="test"):
    tracks = [t for t in known(target, work, split) if len(t["steps"]) >= 4 * WINDOW]
    queries = list(queries_of(tracks, os.environ["QUERIES"], work))
    for name, method in methods(target, work, weights).items():
        vectors = [pooled(method, t["steps"]) for t in tracks]
        fine = [n for n, v in enumerate(vectors) if v is not None]
        all_ = np.stack([vectors[n] for n in fine])
        packages = np.array([tracks[n]["package"] for n in fine])
        halves = [[pooled(method, part) for part in np.array_split(tracks[n]["steps"], 2)] for n in fine]
        both = [n for n, h in enumerate(halves) if h[0] is not None and h[1] is not None]
        rank = ranks(np.stack([halves[n][0] for n in both]), np.stack([halves[n][1] for n in both]), np.arange(len(both)))
        score = all_ @ all_.T
        np.fill_diagonal(score, -2)
        nearest = score.argmax(1)
        lonely = np.array([(packages == p).sum() == 1 for p in packages])
        album = (packages[nearest] == packages)[~lonely].mean()
        precision = np.mean([average_precision(score[n], packages == packages[n], n) for n in range(len(fine)) if not lonely[n]])
        by_chance = np.mean([((packages == packages[n]).sum() - 1) / (len(fine) - 1) for n in range(len(fine)) if not lonely[n]])
        print(f"| {name} | {(rank == 0).mean():.3f} | {(rank < 10).mean():.3f} | {album:.3f} | {precision:.3f} (chance {by_chance:.3f}) |")
        apart = score[packages[:, None] != packages[None, :]]
        print("  unrelated pairs:", ", ".join(f"{share:g} of {len(apart)} at {np.quantile(apart, 1 - share):.3f}" for share in (.5, .1, .01, .001, .0001)))
        where = {tracks[n]["sha"]: at for at, n in enumerate(fine)}
        line = collections.defaultdict(list)
        for sha, transform, steps in queries:
            if sha in where:
                vector = pooled(method, steps)
                line[transform].append(ranks(vector[None], all_, [where[sha]])[0] if vector is not None else 9999)
        told = ", ".join(f"{t} {np.mean(np.array(r) == 0):.2f}/{np.mean(np.array(r) < 10):.2f}" for t, r in sorted(line.items()))
        every = np.array(sum(line.values(), []))
        if len(every):
            print(f"  transformed, n = {len(every)}: rank 1 {np.mean(every == 0):.3f}, among ten {np.mean(every < 10):.3f}: {told}")


def average_precision(scores, right, own):
    order = [n for n in np.argsort(-scores) if n != own]
    hits = right[order]
    at = np.flatnonzero(hits) + 1
    return np.mean(np.arange(1, len(at) + 1) / at) if len(at) else 0


def queries_of(tracks, folder, work):
    ours = {t["sha"] for t in tracks}
    rows = [line.rstrip("\n").split("\t") + [part] for part in ("dev", "test") for line in open(os.path.join(folder, part + ".tsv"))]
    rows = [r for r in rows if r[0] in ours]
    kept = os.path.join(work, "queries.%s.npz" % len(rows))
    if not os.path.exists(kept):
        paths = [os.path.join(folder, part, file) for _, _, _, file, part in rows]
        np.savez(kept, **{f"q{n}": steps(bands) for n, bands in enumerate(heard(paths))})
    data = np.load(kept)
    for n, row in enumerate(rows):
        yield row[0], row[2], data[f"q{n}"]


if __name__ == "__main__":
    step, *rest = sys.argv[1:] or [""]
    if step == "hear" and len(rest) == 2:
        hear(*rest)
    elif step == "train" and len(rest) >= 3:
        train(*rest[:3], *map(int, rest[3:]))
    elif step == "test" and len(rest) >= 3:
        test(*rest)
    else:
        sys.exit(__doc__)
