#!/usr/bin/env bash
# Scans a catalogue of real music and counts what it found and cost: the tables of a result file.
#
# Usage: scan.sh CORPUS WORK [SONGS]
#
# CORPUS is what corpus.sh gathers, SONGS a folder of songs that generators made. WORK gets the audio (links to 300 tracks and all songs, transformed
# copies of 8 tracks, clips of 30 s), the scan's tables and previews, an index, and matches: about 1 GB. CPU: 15 min on the first run.
# Needs python3; TRUESTREAM_FFMPEG names an ffmpeg, else that of corpus.sh is used; TRUESTREAM names a binary that is built already.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(cd "$here/../.." && pwd)"
(($# >= 2)) || { sed -n '4p' "${BASH_SOURCE[0]}" >&2; exit 2; }
corpus="$(cd "$1" && pwd)" songs="${3:-}"
mkdir -p "$2"
work="$(cd "$2" && pwd)"
target="${CARGO_TARGET_DIR:-$root/target}"
tracks=300 copied=8 cut=20

[[ -s "$corpus/tracks.tsv" ]] || bash "$here/corpus.sh" tracks "$corpus" all
ffmpeg="${TRUESTREAM_FFMPEG:-$(command -v ffmpeg || "$corpus/ffmpeg/bin/python" -c 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())')}"
run_ffmpeg() { "$ffmpeg" -nostdin -hide_banner -loglevel fatal -y "$@"; }

# Every n-th of the list: so many, spread over packages.
spread() { awk -F'\t' -v want="$1" '{line[NR] = $0} END {for (i = 1; i <= NR; i++) if (int(i*want/NR) > int((i-1)*want/NR)) print line[i]}'; }

# What is done to a copy, and how much later than the original it begins, faster it plays and higher it sounds.
transforms="mp3_128:0:1:1 opus_32:0:1:1 aac_96:0:1:1 trim:17:1:1 noise_10db:0:1:1 speed_p2:0:1.02:1.02 speed_m5:0:0.95:0.95 tempo_p5:0:1.05:1 pitch_p1:0:1:1.0594630944 half_minute:40:1:1"
transform() {
    local track="$1" name="$2" out="$3"
    case "$name" in
        mp3_128) run_ffmpeg -i "$track" -map_metadata -1 -c:a libmp3lame -b:a 128k -f mp3 "$out" ;;
        opus_32) run_ffmpeg -i "$track" -map_metadata -1 -c:a libopus -b:a 32k -f ogg "$out" ;;
        aac_96) run_ffmpeg -i "$track" -map_metadata -1 -c:a aac -b:a 96k -f adts "$out" ;;
        trim) run_ffmpeg -ss 17 -i "$track" -map_metadata -1 -c:a libmp3lame -b:a 192k -f mp3 "$out" ;;
        half_minute) run_ffmpeg -ss 40 -t 30 -i "$track" -map_metadata -1 -c:a libmp3lame -b:a 192k -f mp3 "$out" ;;
        noise_10db) run_ffmpeg -i "$track" -f lavfi -i "anoisesrc=color=white:amplitude=0.04:r=44100:seed=7" -filter_complex \
            "[0:a]loudnorm,aresample=44100[a];[a][1:a]amix=inputs=2:duration=first:normalize=0" -map_metadata -1 -c:a libmp3lame -b:a 192k -f mp3 "$out" ;;
        speed_p2) run_ffmpeg -i "$track" -map_metadata -1 -af "aresample=44100,asetrate=44982,aresample=44100" -c:a libmp3lame -b:a 192k -f mp3 "$out" ;;
        speed_m5) run_ffmpeg -i "$track" -map_metadata -1 -af "aresample=44100,asetrate=41895,aresample=44100" -c:a libmp3lame -b:a 192k -f mp3 "$out" ;;
        tempo_p5) run_ffmpeg -i "$track" -map_metadata -1 -af "rubberband=tempo=1.05" -c:a libmp3lame -b:a 192k -f mp3 "$out" ;;
        pitch_p1) run_ffmpeg -i "$track" -map_metadata -1 -af "rubberband=pitch=1.0594630944" -c:a libmp3lame -b:a 192k -f mp3 "$out" ;;
    esac
}

audio="$work/audio"
mkdir -p "$audio/tracks" "$audio/copies" "$audio/songs" "$work/clips"
spread "$tracks" <"$corpus/tracks.tsv" | while IFS=$'\t' read -r _ _ sha _ path; do
    ln -sf "$corpus/tracks/$path" "$audio/tracks/${sha:0:12}.${path##*.}"
done
if [[ -n "$songs" ]]; then
    find "$(cd "$songs" && pwd)" -type f \( -name '*.opus' -o -name '*.mp3' -o -name '*.wav' -o -name '*.flac' \) -exec ln -sf {} "$audio/songs/" \;
fi
# Copies of tracks that are in the scan themselves; long ones are a matter of time only.
: >"$work/copies.tsv"
spread "$tracks" <"$corpus/tracks.tsv" | awk -F'\t' '$4 >= 90 && $4 <= 300' | spread "$copied" | while IFS=$'\t' read -r _ _ sha _ path; do
    for entry in $transforms; do
        IFS=: read -r name later speed pitch <<<"$entry"
        copy="$audio/copies/${sha:0:12}.$name.audio"
        [[ -f "$copy" ]] || { transform "$corpus/tracks/$path" "$name" "$work/part" && mv "$work/part" "$copy"; }
        printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$copy" "$audio/tracks/${sha:0:12}.${path##*.}" "$name" "$later" "$speed" "$pitch" >>"$work/copies.tsv"
    done
done
# Half a minute of music in the codecs that are uploaded.
spread "$cut" <"$corpus/tracks.tsv" | while IFS=$'\t' read -r _ _ sha seconds path; do
    for codec in mp3:libmp3lame:256k:mp3 aac:aac:192k:ipod vorbis:libvorbis:160k:ogg opus:libopus:128k:ogg flac:flac:0:flac; do
        IFS=: read -r name encoder rate format <<<"$codec"
        mkdir -p "$work/clips/$name"
        clip="$work/clips/$name/${sha:0:12}.audio"
        # ffmpeg 9 takes the size of the first frame for that of all, and after a seek it is a short one that FLAC cannot have.
        [[ -f "$clip" ]] || {
            run_ffmpeg -ss "$(awk -v s="$seconds" 'BEGIN {printf "%.1f", (s - 30) / 2}')" -t 30 -i "$corpus/tracks/$path" -vn -map_metadata -1 -ac 2 -ar \
                "$([[ $name == opus ]] && echo 48000 || echo 44100)" -frame_size 4608 -c:a "$encoder" -b:a "$rate" -f "$format" "$work/part"
            mv "$work/part" "$clip"
        }
    done
done

(cd "$root" && cargo build --quiet --release -p benches --bin copies)
[[ -n "${TRUESTREAM:-}" ]] || (cd "$root" && cargo build --quiet --release -p truestream)
truestream="${TRUESTREAM:-$target/release/truestream}"
rm -rf "$work/heard" "$work/prints" "$work"/clips-*
TIMEFORMAT=$'%R\t%U\t%S'
{ time "$truestream" scan "$audio" --out "$work/heard" --json >"$work/scan.json"; } 2>"$work/scan.time"
"$truestream" index add --index "$work/prints" "$audio/tracks" >"$work/index.txt"
"$truestream" match "$audio/copies" --index "$work/prints" --json >"$work/match.jsonl"
for codec in "$work"/clips/*; do
    "$truestream" scan "$codec" --jobs 1 --out "$work/clips-$(basename "$codec")" --json >"$work/clips-$(basename "$codec").json"
done
python3 "$here/scan.py" "$work"
"$target/release/copies" "$work/heard/duplicate_group.parquet" "$work/copies.tsv"
