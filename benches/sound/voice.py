#!/usr/bin/env python3
"""Trains the encoder of voices on speech over music, and measures it: no labelled singers can be installed.

    voice.py fetch VOICES                           downloads and unpacks Debian packages with spoken prompts (apt-get, no root)
    voice.py hear TARGET VOICES WORK                what the encoder hears of them, and of songs of a generator, which only test
    voice.py train TARGET WORK WEIGHTS [STEPS [SEED]]
    voice.py test TARGET WORK WEIGHTS               the numbers as markdown

TARGET and WORK are those of timbre.py, whose bands of music are used again. A speaker is a folder of prompts of one language or one
voice pack. Test speakers speak languages of which no dev speaker has prompts of the same kind, and test music is of other packages.
"""

import collections, glob, os, subprocess, sys
import numpy as np
import timbre
from synthesis import ai_songs

PACKAGES = """klettres-data ktuberling-data asterisk-core-sounds-en-wav asterisk-core-sounds-es-wav asterisk-core-sounds-fr-wav
    asterisk-core-sounds-it-wav asterisk-core-sounds-ru-wav asterisk-prompt-it-menardi-wav""".split()
# Languages that only ktuberling has; the telephone's prompts. All others are dev.
TEST_TUBERLING = ("ca", "el", "gl", "sl", "nn", "wa")
CLIPS_MIN = 25
# A voice that is played much faster is another voice.
FASTER = 0.03
WINDOW = timbre.WINDOW


def fetch(voices):
    os.makedirs(voices, exist_ok=True)
    for package in PACKAGES:
        folder = os.path.join(voices, "x", package)
        if not os.path.isdir(folder):
            subprocess.run(["apt-get", "download", "-qq", package], cwd=voices, check=True)
            for deb in glob.glob(os.path.join(voices, package + "_*.deb")):
                subprocess.run(["dpkg", "-x", deb, folder], check=True)
                os.remove(deb)


def speakers(target, voices):
    """Speaker -> (split, who may be the same person, files)."""
    found = {}
    files = lambda *parts: sorted(p for p in glob.glob(os.path.join(*parts), recursive=True) if p.endswith((".ogg", ".wav", ".opus")))
    for folder in sorted(glob.glob(os.path.join(target, "x/hedgewars-data/usr/share/games/hedgewars/Data/Sounds/voices/*"))):
        name = os.path.basename(folder)
        # A robot is no speaker; packs of the same name in several languages, and those that sound like one actor, are not told apart.
        same = "Russian" if name in ("Russian", "Surfer", "Russian_pl") else "Default" if name in ("Default", "Classic") else name
        if name != "Robot":
            found["hedgewars " + name] = ("dev", "hedgewars " + same, files(folder, "*"))
    for folder in sorted(glob.glob(os.path.join(voices, "x/klettres-data/usr/share/klettres/*"))):
        name = os.path.basename(folder)
        found["klettres " + name] = ("dev", name[:2], files(folder, "**", "*"))
    for folder in sorted(glob.glob(os.path.join(voices, "x/ktuberling-data/usr/share/ktuberling/sounds/*"))):
        name = os.path.basename(folder)
        found["ktuberling " + name] = ("test" if name in TEST_TUBERLING else "dev", name[:2], files(folder, "*"))
    for package in PACKAGES[2:]:
        found[package] = ("test", package, files(voices, "x", package, "**", "*.wav"))
    return {name: told for name, told in found.items() if len(told[2]) >= CLIPS_MIN}


def hear(target, voices, work):
    """Per speaker and per AI song one array of steps; prompts of one speaker one after the other, silence cut off."""
    for name, (split, same, files) in speakers(target, voices).items():
        path = os.path.join(work, f"voice {split} {same} {name}.npy".replace("/", "_"))
        if not os.path.exists(path):
            kept = [loud(timbre.steps(bands)) for bands in timbre.heard(files[:250])]
            np.save(path, np.concatenate(kept).astype(np.float16))
    for song in ai_songs():
        path = os.path.join(work, f"song test {song['package']} {song['sha']}.npy".replace("/", "_"))
        if not os.path.exists(path):
            (bands,) = timbre.heard([song["path"]])
            np.save(path, timbre.steps(bands).astype(np.float16))


def loud(steps):
    """Without what is 35 dB below the loudest."""
    if len(steps) == 0:
        return steps
    level = steps.max(1)
    return steps[level > level.max() - 35]


def known(work, kind, split):
    found = []
    for path in sorted(glob.glob(os.path.join(work, f"{kind} {split} *.npy"))):
        words = os.path.basename(path)[:-4].split(" ", 3)
        found.append((words[2], words[3], np.load(path).astype(np.float32)))
    return found


def music(target, work, split):
    return [t["steps"] for t in timbre.known(target, work, split) if len(t["steps"]) > 4 * WINDOW]


def mixed(rng, voice, backing, above_db):
    """Voice over music: powers add; the voice so much louder than the music, on average. n x time x band, dB."""
    power = lambda db: 10 ** (db / 10)
    level = lambda db: 10 * np.log10(power(db).mean((1, 2), keepdims=True))
    shift = level(voice) - above_db[:, None, None] - level(backing)
    return 10 * np.log10(power(voice) + power(backing + shift))


def network():
    import torch
    from torch import nn
    body = timbre.network()
    # The last of 65 numbers says whether there is a voice at all.
    body.last = nn.Conv1d(2 * timbre.CHANNELS, timbre.DIMENSIONS + 1, 1)

    def forward(x):
        x = torch.relu(body.first(x))
        x = x + torch.relu(body.second(x))
        x = x + torch.relu(body.third(x))
        spread = (x.var(2, unbiased=False) + 1e-6).sqrt()
        out = body.last(torch.cat([x.mean(2), spread], 1)[:, :, None])[:, :, 0]
        return nn.functional.normalize(out[:, :-1]), out[:, -1]

    return body, forward


def piece(rng, steps, long=timbre.LONG):
    start = rng.integers(max(1, len(steps) - long + 1))
    part = steps[start:start + long]
    return np.tile(part, (-(-long // len(part)), 1))[:long]


def train(target, work, weights, count=1500, seed=20261122):
    import torch
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    people = [(same, name, steps) for same, name, steps in known(work, "voice", "dev") if len(steps) >= 3 * WINDOW]
    backing = music(target, work, "dev")
    print(len(people), "speakers", len(backing), "pieces of music")
    masks = {same: n for n, same in enumerate(sorted({same for same, _, _ in people}))}
    body, forward = network()
    optimiser = torch.optim.AdamW(body.parameters(), lr=2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=count)
    batch = min(48, len(people))
    for step in range(count):
        chosen = rng.choice(len(people), batch, replace=False)
        sides = []
        for _ in range(2):
            voice = np.stack([piece(rng, people[at][2]) for at in chosen]).astype(np.float32)
            behind = np.stack([piece(rng, backing[rng.integers(len(backing))]) for _ in chosen]).astype(np.float32)
            sides.append(timbre.augmented(rng, mixed(rng, voice, behind, rng.uniform(0, 25, batch)), FASTER))
        alone = np.stack([piece(rng, backing[rng.integers(len(backing))]) for _ in chosen]).astype(np.float32)
        sides.append(timbre.augmented(rng, alone, FASTER))
        out, is_voice = forward(torch.from_numpy(np.concatenate(sides)))
        label = torch.tensor([masks[people[at][0]] for at in chosen]).repeat(2)
        score = out[:2 * batch] @ out[:2 * batch].T / 0.1
        partner = (torch.arange(2 * batch) + batch) % (2 * batch)
        hidden = label[:, None] == label[None, :]
        hidden[torch.arange(2 * batch), partner] = False
        hidden.fill_diagonal_(True)
        loss = torch.nn.functional.cross_entropy(score.masked_fill(hidden, -1e9), partner)
        truth = torch.cat([torch.ones(2 * batch), torch.zeros(batch)])
        heard = torch.nn.functional.binary_cross_entropy_with_logits(is_voice, truth)
        optimiser.zero_grad()
        (loss + heard).backward()
        optimiser.step()
        schedule.step()
        if step % 100 == 0:
            print(step, f"{loss.item():.3f} {heard.item():.3f}", flush=True)
    timbre.save(body, weights)


def load(path):
    import torch, json, struct
    body, forward = network()
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        head, data = json.loads(file.read(length)), file.read()
    body.load_state_dict({k: torch.from_numpy(np.frombuffer(data[slice(*v["data_offsets"])], "<f4").reshape(v["shape"]).copy())
                          for k, v in head.items()})
    body.eval()

    def heard(windows):
        with torch.no_grad():
            vectors, is_voice = forward(torch.from_numpy(windows))
        return vectors.numpy(), is_voice.numpy()

    return heard


def test(target, work, weights, split="test"):
    rng = np.random.default_rng(5)
    heard = load(weights)
    # Is there a voice? Music alone, and the songs of a generator, which are nearly all sung.
    each = [heard(timbre.windows(steps))[1] for steps in music(target, work, split)]
    songs = known(work, "song", split)
    sung_each = [heard(timbre.windows(steps))[1] for _, _, steps in songs]
    alone, sung = np.concatenate(each), np.concatenate(sung_each)
    # The rule of features/src/sound/timbre/mod.rs.
    has = lambda numbers: (numbers >= 0).sum() >= 3 and (numbers >= 0).mean() >= 0.2
    print(f"a voice by the rule: {np.mean([has(n) for n in each]):.3f} of music, {np.mean([has(n) for n in sung_each]):.3f} of songs")
    people = [(same, name, steps) for same, name, steps in known(work, "voice", split) if len(steps) >= 6 * WINDOW]
    backing = music(target, work, split)
    print(f"{len(people)} speakers, {len(songs)} songs, {len(backing)} pieces of music")
    for rate in (0.1, 0.05, 0.01):
        limit = np.quantile(alone, 1 - rate)
        print(f"voice found where {rate:.0%} of the windows of music are (logit {limit:.2f}): songs {np.mean(sung > limit):.3f}", end="")
        for above in (20, 10, 5, 0):
            some = np.concatenate([heard(over(rng, steps, backing, above, 20))[1] for _, _, steps in people])
            print(f", speech {above} dB over music {np.mean(some > limit):.3f}", end="")
        print()
    # Who is it? Twice 5 windows (20 s) of each speaker over other music.
    for above in (60, 20, 10, 5, 0):
        trials(rng, heard, people, backing, above, "speech")
    # The songs: halves of one are one voice, over one accompaniment.
    halves = [[timbre.unit(heard(timbre.windows(part))[0].mean(0)) for part in np.array_split(steps, 2)] for _, _, steps in songs if len(steps) > 4 * WINDOW]
    told("halves of AI songs", np.array([h[0] for h in halves]), np.array([h[1] for h in halves]), np.arange(len(halves)), np.arange(len(halves)))


def over(rng, steps, backing, above_db, count):
    voice = np.stack([piece(rng, steps, WINDOW) for _ in range(count)]).astype(np.float32)
    behind = np.stack([piece(rng, backing[rng.integers(len(backing))], WINDOW) for _ in range(count)]).astype(np.float32)
    return timbre.normal(np.maximum(mixed(rng, voice, behind, np.full(count, float(above_db))), -40).astype(np.float32))


def trials(rng, heard, people, backing, above_db, what):
    left, right, who = [], [], []
    for n, (same, name, steps) in enumerate(people):
        first, second = np.array_split(steps, 2)
        for _ in range(4):
            left.append(timbre.unit(heard(over(rng, first, backing, above_db, 5))[0].mean(0)))
            right.append(timbre.unit(heard(over(rng, second, backing, above_db, 5))[0].mean(0)))
            who.append(n)
    told(f"{what} {above_db} dB over music", np.array(left), np.array(right), np.array(who), np.array(who))


def told(what, left, right, who_left, who_right):
    score = left @ right.T
    same = who_left[:, None] == who_right[None, :]
    own, other = score[same], score[~same]
    limits = np.sort(np.concatenate([own, other]))
    miss, false = np.searchsorted(np.sort(own), limits) / len(own), 1 - np.searchsorted(np.sort(other), limits) / len(other)
    at = np.argmin(np.abs(miss - false))
    kept = {rate: np.mean(own > np.quantile(other, 1 - rate)) for rate in (0.01, 0.001)}
    print(f"| {what} | {len(own)} / {len(other)} | {own.mean():.2f} / {other.mean():.2f} | {(miss[at] + false[at]) / 2:.3f} at {limits[at]:.2f} "
          f"| {np.mean(own >= 0.91):.2f} at 0.91, {kept[0.01]:.2f} at {np.quantile(other, .99):.2f} | {kept[0.001]:.2f} at {np.quantile(other, .999):.2f} |")


if __name__ == "__main__":
    step, *rest = sys.argv[1:] or [""]
    steps = {"fetch": (fetch, 1), "hear": (hear, 3), "train": (train, 3), "test": (test, 3)}
    if step not in steps or len(rest) < steps[step][1]:
        sys.exit(__doc__)
    call, fixed = steps[step]
    call(*rest[:fixed], *(int(n) if n.isdigit() else n for n in rest[fixed:]))
