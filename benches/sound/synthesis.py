#!/usr/bin/env python3
"""Measures the synthesis detector on real human and AI music, clean and transformed; calibrates its tiers.

    synthesis.py tracks TARGET                         download and unpack Debian packages, list their tracks
    synthesis.py measure TARGET SPLIT KIND TRANSFORMS  cut, transform and hear clips; goes on where it stopped
    synthesis.py calibrate TARGET                      the table of features/src/sound/synthesis/calibration.rs
    synthesis.py table TARGET SPLIT                    the numbers as markdown

SPLIT is dev or test: packages (and prompts of AI songs) are in one of them only. The detector's constants were chosen on dev.
KIND is human, ai, speech (neural speech synthesisers, see speech()) or fake (deconvolution fakes, see fake()).
TRANSFORMS is a list, separated by semicolons, of the names in TRANSFORMS below.

Wants numpy, scipy, soundfile and imageio-ffmpeg (pip), apt-get and dpkg for the packages, and the release build of the
binary `synthesis` (cargo build --release -p benches --bin synthesis; TRUESTREAM_SYNTHESIS names it otherwise). AI songs are read from
TRUESTREAM_SHARED_DATA/ai-music. No audio ever goes into the repository.
"""

import collections, glob, hashlib, json, os, random, resource, subprocess, sys, time, zipfile, zlib

# The AI songs' prompts: retakes and edits of one prompt stay on one side.
AI_DEV_GROUPS = ("repaint", "retake")
AI_TEST_GROUPS = ("edit",)

DEV = """ardentryst extremetuxracer-data flare-game fretsonfire-songs-sectoid hyperrogue-music planetblupi-music-ogg
    singularity-music supertux-data wesnoth-1.16-music xmoto-data megaglest-data hedgewars-data naev-data widelands-data
    boswars-data endless-sky-data freeorion-data colobot-common-sounds""".split()
TEST = """0ad-data asc-music drascula-music fillets-ng-data freedroidrpg-data fretsonfire-songs-muldjord holotz-castle-data
    lordsawar-data marsshooter-data nexuiz-music redeclipse-data starfighter-data supertuxkart-data torcs-data
    trackballs-data ufoai-music unknown-horizons warmux-data warzone2100-music zaz-data""".split()
AUDIO = (".ogg", ".mp3", ".flac", ".opus", ".oga", ".wav")
SECS = 30
# Where likely and certain begin: features/src/sound/synthesis/calibration.rs.
TIERS = (3.5, 5.0)
SECS_MIN = 20
HALF_TONE = 2 ** (0.5 / 12)


# --- what is measured -------------------------------------------------------------------------------------------------

def tracks(target):
    """Downloads what is missing; writes tracks.json: every track of 20 s or more, equal files once."""
    import soundfile
    found, seen = [], set()
    for split, packages in (("dev", DEV), ("test", TEST)):
        for package in packages:
            folder = os.path.join(target, "x", package)
            if not os.path.isdir(folder):
                unpack(target, package, folder)
            for path in sorted(files(folder)):
                digest = hashlib.sha256(open(path, "rb").read()).hexdigest()
                if digest in seen or os.path.getsize(path) < 150_000:
                    continue
                seen.add(digest)
                try:
                    info = soundfile.info(path)
                except RuntimeError:
                    continue
                if info.duration >= SECS_MIN:
                    found.append(dict(split=split, package=package, path=path, sha=digest, seconds=info.duration,
                                      rate=info.samplerate, format=info.format + "/" + info.subtype,
                                      kbps=os.path.getsize(path) * 8 / 1000 / info.duration))
    with open(os.path.join(target, "tracks.json"), "w") as out:
        json.dump(found, out)
    for (split, package), count in sorted(collections.Counter((t["split"], t["package"]) for t in found).items()):
        print(split, package, count)


def unpack(target, package, folder):
    os.makedirs(folder, exist_ok=True)
    subprocess.run(["apt-get", "download", "-qq", package], cwd=target, check=False)
    for deb in glob.glob(os.path.join(target, package + "_*.deb")):
        subprocess.run(["dpkg", "-x", deb, folder], check=True)
        os.remove(deb)
    for path in [p for p in walk(folder) if p.endswith((".zip", ".pk3"))]:
        with zipfile.ZipFile(path) as archive:
            music = [i for i in archive.infolist() if i.filename.lower().endswith(AUDIO) and i.file_size > 150_000
                     and ("music" in i.filename or package == "nexuiz-music")]
            for member in music:
                archive.extract(member, os.path.join(folder, "unzipped"))


def walk(folder):
    return [os.path.join(at, name) for at, _, names in os.walk(folder) for name in names]


def files(folder):
    return [p for p in walk(folder) if p.lower().endswith(AUDIO) and not os.path.islink(p)]


def ai_songs():
    shared = os.environ.get("TRUESTREAM_SHARED_DATA", os.path.join(os.path.dirname(__file__), "../../../shared/data"))
    groups = collections.defaultdict(list)
    for path in sorted(glob.glob(os.path.join(shared, "ai-music", "*.opus"))):
        name = os.path.basename(path)[:-5]
        group = next((g for g in ("repaint", "retake", "edit") if name.startswith("Control") and g + "_" in name), None)
        groups[group or name.split("_")[0]].append((name, path))
    if not groups:
        print("SKIPPED: no ai-music in", shared, file=sys.stderr)
    songs = []
    for group, members in groups.items():
        for n, (name, path) in enumerate(members):
            dev = group in AI_DEV_GROUPS or (group not in AI_TEST_GROUPS and n % 2 == 0)
            songs.append(dict(split="dev" if dev else "test", package="ACE-Step " + group, path=path, sha=name, seconds=SECS))
    return songs


def speech(target):
    """Speech of neural decoders made beforehand (TARGET/speech/*.wav, named <generator><n>.wav): in test only."""
    return [dict(split="test", package=os.path.basename(p).rstrip("0123456789.wav"), path=p, sha=os.path.basename(p)[:-4],
                 seconds=SECS) for p in sorted(glob.glob(os.path.join(target, "speech", "*.wav")))]


def fakes(target):
    """Human test tracks through the stride stacks of FAKES: not a generator, only its last mechanism."""
    human = [t for t in json.load(open(os.path.join(target, "tracks.json"))) if t["split"] == "test"]
    random.Random(11).shuffle(human)
    return [dict(t, package=name, sha=name + "-" + t["sha"], fake=name)
            for name in FAKES for t in human[:20]]


def sources(target, kind):
    if kind == "human":
        return json.load(open(os.path.join(target, "tracks.json")))
    return {"ai": ai_songs, "speech": lambda: speech(target), "fake": lambda: fakes(target)}[kind]()


# --- clips ------------------------------------------------------------------------------------------------------------

def ffmpeg(*arguments):
    import imageio_ffmpeg
    program = os.environ.get("TRUESTREAM_FFMPEG") or imageio_ffmpeg.get_ffmpeg_exe()
    subprocess.run([program, "-v", "error", "-y", "-nostdin", "-threads", "1", *arguments], check=True)


def through(filters):
    return lambda a, b: ffmpeg("-i", a, "-af", filters, b)


def coded(extension, *arguments):
    def transform(a, b):
        coded_path = b + "." + extension
        ffmpeg("-i", a, *arguments, coded_path)
        ffmpeg("-i", coded_path, b)
        os.remove(coded_path)
    return transform


def speed(factor):
    return through(f"aresample=44100,asetrate={round(44100 * factor)},aresample=44100:filter_size=64")


def pitch_by_phase_vocoder(factor):
    return through(f"rubberband=pitch={factor:.7f}")


def pitch_by_overlap(factor):
    rate = round(44100 * factor)
    return through(f"aresample=44100,asetrate={rate},aresample=44100,atempo={44100 / rate:.7f}")


def noise(below_db):
    """Adds pink noise so far below the clip, seeded by the clip."""
    def transform(a, b):
        import numpy, soundfile
        samples, rate = soundfile.read(a, dtype="float32", always_2d=True)
        white = numpy.random.default_rng(zlib.crc32(samples.tobytes())).standard_normal(len(samples))
        spectrum = numpy.fft.rfft(white)
        spectrum[1:] /= numpy.sqrt(numpy.arange(1, len(spectrum)))
        spectrum[0] = 0
        pink = numpy.fft.irfft(spectrum, len(samples))
        pink *= numpy.sqrt((samples ** 2).mean() / (pink ** 2).mean()) * 10 ** (-below_db / 20)
        soundfile.write(b, samples + pink[:, None].astype("float32"), rate, subtype="FLOAT")
    return transform


def both(first, second):
    def transform(a, b):
        first(a, b + ".first.wav")
        second(b + ".first.wav", b)
        os.remove(b + ".first.wav")
    return transform


mp3_128 = coded("mp3", "-c:a", "libmp3lame", "-b:a", "128k")
TRANSFORMS = {
    "clean": None,
    "mp3 128k": mp3_128,
    "mp3 64k mono": coded("mp3", "-c:a", "libmp3lame", "-b:a", "64k", "-ac", "1"),
    "aac 96k": coded("m4a", "-c:a", "aac", "-b:a", "96k"),
    "opus 96k": coded("opus", "-c:a", "libopus", "-b:a", "96k"),
    "opus 32k": coded("opus", "-c:a", "libopus", "-b:a", "32k"),
    "resampled to 32 kHz": through("aresample=32000,aresample=44100"),
    "gain -12 dB": through("volume=-12dB"),
    "pink noise -30 dB": noise(30),
    "pink noise -20 dB": noise(20),
    "speed +0.1 %": speed(1.001),
    "speed -0.1 %": speed(0.999),
    "speed +2 %": speed(1.02),
    "speed -2 %": speed(0.98),
    "speed +5 %": speed(1.05),
    "tempo +3 %": through("atempo=1.03"),
    "pitch +0.5 st, phase vocoder": pitch_by_phase_vocoder(HALF_TONE),
    "pitch -0.5 st, phase vocoder": pitch_by_phase_vocoder(1 / HALF_TONE),
    "pitch +1 st, phase vocoder": pitch_by_phase_vocoder(HALF_TONE ** 2),
    "pitch +0.5 st, overlap-add": pitch_by_overlap(HALF_TONE),
    "pitch -0.5 st, overlap-add": pitch_by_overlap(1 / HALF_TONE),
    "speed +2 %, mp3 128k": both(speed(1.02), mp3_128),
    "pitch +0.5 st, mp3 128k": both(pitch_by_phase_vocoder(HALF_TONE), mp3_128),
}

# Strides of transposed convolutions, at an output rate: as in DAC (44.1 kHz), EnCodec 24 and 32 kHz, and one that no lattice names.
FAKES = {
    "fake 8.8.4.2 at 44.1 kHz": ((8, 8, 4, 2), 44_100),
    "fake 8.5.4.2 at 24 kHz": ((8, 5, 4, 2), 24_000),
    "fake 8.5.4.4 at 32 kHz": ((8, 5, 4, 4), 32_000),
    "fake 7.6.3.4 at 44.1 kHz": ((7, 6, 3, 4), 44_100),
}


def fake(samples, strides, seed):
    """Takes a clip apart into blocks and puts it together again by transposed convolutions with biases.

    One orthonormal transform per stride (a random rotation mixed with the identity) folds the time axis into channels, level by
    level. On the way back each level is the inverse as a transposed convolution of stride k, with kernel weights off by a
    thousandth and one bias per output phase at 60 dB under the level: what training never makes exactly zero. No network
    was trained: this shows the mechanism, not a generator.
    """
    import numpy
    rng = numpy.random.default_rng(seed)
    whole = int(numpy.prod(strides))
    blocks = samples[: len(samples) // whole * whole].reshape(-1, 1)
    rotations = []
    for stride in reversed(strides):
        width = stride * blocks.shape[1]
        rotation = numpy.linalg.qr(numpy.eye(stride) + 0.5 * rng.standard_normal((stride, stride)))[0]
        blocks = numpy.einsum("ij,tjc->tic", rotation, blocks.reshape(-1, stride, blocks.shape[1])).reshape(-1, width)
        rotations.append((stride, rotation))
    for stride, rotation in reversed(rotations):
        channels = blocks.shape[1] // stride
        back = rotation.T + 1e-3 * rng.standard_normal((stride, stride))
        blocks = numpy.einsum("ij,tjc->tic", back, blocks.reshape(-1, stride, channels))
        level = numpy.sqrt((blocks ** 2).mean()) + 1e-9
        blocks += 1e-3 * level * rng.standard_normal((1, stride, channels))
        blocks = blocks.reshape(-1, channels)
    return blocks.reshape(-1)


def cut(source, path):
    """The middle 30 s, as they are; a fake's at the rate of its decoder."""
    import numpy, scipy.signal, soundfile
    info = soundfile.info(source["path"])
    start = max(0, int((info.duration / 2 - SECS / 2) * info.samplerate))
    samples, rate = soundfile.read(source["path"], start=start, frames=SECS * info.samplerate, dtype="float32", always_2d=True)
    if "fake" in source:
        strides, to = FAKES[source["fake"]]
        mono = scipy.signal.resample_poly(samples.mean(1), to, rate) if to != rate else samples.mean(1)
        samples, rate = fake(mono.astype(numpy.float64), strides, zlib.crc32(source["sha"].encode()))[:, None], to
    soundfile.write(path, samples[:, :2], rate, subtype="FLOAT")


# --- measuring --------------------------------------------------------------------------------------------------------

def measure(target, split, kind, transforms, limit=None, cpu_secs=270):
    """Appends to found/<split>.<kind>.<transform>.tsv what is not there yet; exit status 3: more is left."""
    listed = [s for s in sources(target, kind) if s["split"] == split]
    if limit:
        random.Random(7).shuffle(listed)
        listed = listed[: int(limit)]
    os.makedirs(os.path.join(target, "found"), exist_ok=True)
    scratch = os.path.join(target, "scratch%d" % os.getpid())
    os.makedirs(scratch, exist_ok=True)
    for transform in transforms.split(";"):
        path = os.path.join(target, "found", f"{split}.{kind}.{transform}.tsv")
        done = {row.split("\t")[0] for row in open(path)} if os.path.exists(path) else set()
        todo = [s for s in listed if s["sha"] not in done]
        for n in range(0, len(todo), 12):
            hear(todo[n:n + 12], transform, scratch, path)
            used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
            if sum(u.ru_utime + u.ru_stime for u in used) > cpu_secs:
                os.rmdir(scratch)
                return 3
    os.rmdir(scratch)
    return 0


def hear(batch, transform, scratch, path):
    clips = {}
    for n, source in enumerate(batch):
        whole, clip = os.path.join(scratch, f"{n}.wav"), os.path.join(scratch, f"{n}t.wav")
        try:
            cut(source, whole)
            if TRANSFORMS[transform]:
                TRANSFORMS[transform](whole, clip)
                os.remove(whole)
            else:
                os.rename(whole, clip)
            clips[clip] = source
        except (subprocess.CalledProcessError, RuntimeError) as error:
            print("cannot be made:", source["path"], transform, error, file=sys.stderr)
    program = os.environ.get("TRUESTREAM_SYNTHESIS", "target/release/synthesis")
    lines = subprocess.run([program], input="\n".join(clips), text=True, capture_output=True, check=True).stdout.splitlines()
    with open(path, "a") as out:
        for line in lines[1:]:
            clip, rest = line.split("\t", 1)
            out.write("\t".join((clips[clip]["sha"], clips[clip]["package"], rest)) + "\n")
    for clip in clips:
        os.remove(clip)


COLUMNS = """sha package tier evidence spacing_hz lattice scale height contrast steadiness rise evenness breadth teeth_raised teeth secs
    audible_to_hz decode_ms detect_ms""".split()


def found(target, split, kind):
    rows = {}
    for transform in TRANSFORMS:
        path = os.path.join(target, "found", f"{split}.{kind}.{transform}.tsv")
        if os.path.exists(path):
            heard = [dict(zip(COLUMNS, line.rstrip("\n").split("\t"))) for line in open(path)]
            rows[transform] = list({row["sha"]: row for row in heard}.values())
    return rows


def auc(low, high):
    """How often a value of `high` is above one of `low`; equal ones count half."""
    return sum((h > l) + 0.5 * (h == l) for h in high for l in low) / (len(low) * len(high))


def evidence(rows):
    return [float(row["evidence"]) for row in rows]


def calibrate(target):
    """The quantiles of human evidence, over all dev clips clean and transformed."""
    rows = found(target, "dev", "human")
    values = sorted(v for transform in rows.values() for v in evidence(transform))
    print("transform, clips, 50 %, 95 %, 99 %, largest")
    for name, transform in [*rows.items(), ("all", [r for t in rows.values() for r in t])]:
        at = sorted(evidence(transform))
        quantile = lambda share: at[min(len(at) - 1, int(share * len(at)))]
        print(f"{name}, {len(at)}, {quantile(.5):.2f}, {quantile(.95):.2f}, {quantile(.99):.2f}, {at[-1]:.2f}")
    print("largest:", [f"{v:.2f}" for v in values[-12:]])


def interval(hits, of):
    """A share with its exact interval of 95 % (Clopper and Pearson)."""
    from scipy.stats import beta
    low = beta.ppf(0.025, hits, of - hits + 1) if hits else 0.0
    high = beta.ppf(0.975, hits + 1, of - hits) if hits < of else 1.0
    return f"{hits}/{of} = {hits / of:.3f} ({low:.3f}-{high:.3f})"


def tiers(rows):
    """How many rows are likely or certain, and certain: by their evidence, for tiers of older builds may have begun elsewhere."""
    return [sum(value >= least for value in evidence(rows)) for least in TIERS]


def table(target, split):
    human = found(target, split, "human")
    print("| human recordings | n | median | highest | likely or certain | certain |")
    print("|---|---|---|---|---|---|")
    for transform, rows in [*human.items(), ("all together", [row for rows in human.values() for row in rows])]:
        at = sorted(evidence(rows))
        shares = " | ".join(interval(hits, len(rows)) for hits in tiers(rows))
        print(f"| {transform} | {len(rows)} | {at[len(at) // 2]:.2f} | {at[-1]:.2f} | {shares} |")
    for kind in ("ai", "speech", "fake"):
        print(f"\n| {kind} | n | least | median | AUC | likely or certain | certain | above all human clips so transformed |")
        print("|---|---|---|---|---|---|---|---|")
        for transform, rows in found(target, split, kind).items():
            same = evidence(human.get(transform, human["clean"]))
            groups = collections.defaultdict(list)
            for row in rows:
                groups[row["package"].split(" ")[0] if kind == "ai" else row["package"]].append(row)
            for group, members in groups.items():
                at = sorted(evidence(members))
                above = sum(value > max(same) for value in at)
                shares = " | ".join(interval(hits, len(members)) for hits in (*tiers(members), above))
                print(f"| {group}, {transform} | {len(members)} | {at[0]:.1f} | {at[len(at) // 2]:.1f} | "
                      f"{auc(same, at):.4f} | {shares} |")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    command, target, rest = sys.argv[1], sys.argv[2], sys.argv[3:]
    sys.exit({"tracks": tracks, "measure": measure, "calibrate": calibrate, "table": table}[command](target, *rest))
