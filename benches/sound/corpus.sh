#!/usr/bin/env bash
# Gathers a corpus of real music from Debian packages, and makes transformed queries of it.
#
# Usage: corpus.sh tracks TARGET [dev|test|all]        download, unpack (no root, nothing is installed), list
#        corpus.sh queries TARGET dev|test [SOURCES]   cut and transform clips of SOURCES tracks (default 40)
#
# TARGET/tracks/<split>/<package>/...   the audio files as the packages carry them
# TARGET/tracks.tsv                     split, package, sha256, seconds, path; tracks of 40 s or more, each sound file once
# TARGET/queries/<split>/<name>.wav     16-bit mono 44.1 kHz; TARGET/queries/<split>.tsv says what each one is
#
# The music is under free licences (GPL, CC-BY-SA, CC-BY, CC0, others: see usr/share/doc/*/copyright beside the files) and
# stays outside the repository. Splits are by package, so that no composer of the dev split is in the test split by the
# same package. ffmpeg and ffprobe: from PATH, or TRUESTREAM_FFMPEG names one; else the wheel imageio-ffmpeg is fetched.
set -euo pipefail

dev="wesnoth-1.16-music supertux-data planetblupi-music-ogg singularity-music flare-game fretsonfire-songs-sectoid
     hyperrogue-music ardentryst xmoto-data extremetuxracer-data"
test="warzone2100-music drascula-music fillets-ng-data lincity-ng-data asc-music hedgewars-data openclonk-data
      freedroidrpg-data widelands-data unknown-horizons freeorion-data naev-data pingus-data dreamchess-data
      trigger-rally-data megaglest-data endless-sky-data pathological"
seconds_min=40

usage() { sed -n '4,5p' "${BASH_SOURCE[0]}" >&2; exit 2; }
(($# >= 2)) || usage
step="$1" target="$2" split="${3:-all}" sources="${4:-40}"
mkdir -p "$target"
target="$(cd "$target" && pwd)"

# A static ffmpeg without root: the wheel carries one.
find_ffmpeg() {
    if [[ -n "${TRUESTREAM_FFMPEG:-}" ]]; then echo "$TRUESTREAM_FFMPEG"; return; fi
    if command -v ffmpeg; then return; fi
    [[ -x "$target/ffmpeg/bin/python" ]] || python3 -m venv "$target/ffmpeg" >&2
    "$target/ffmpeg/bin/python" -m pip install --quiet --disable-pip-version-check imageio-ffmpeg >&2
    "$target/ffmpeg/bin/python" -c 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())'
}
ffmpeg="$(find_ffmpeg)"
run_ffmpeg() { "$ffmpeg" -nostdin -hide_banner -loglevel error -y "$@"; }

# Seconds of a sound file, as ffmpeg prints them (the wheel has no ffprobe).
seconds_of() {
    { "$ffmpeg" -nostdin -hide_banner -i "$1" 2>&1 || true; } |
        sed -n 's/.*Duration: \([0-9]*\):\([0-9]*\):\([0-9.]*\),.*/\1 \2 \3/p' | awk 'NR==1 {printf "%.1f", $1*3600+$2*60+$3}'
}

fetch_split() {
    local split="$1" package folder
    mkdir -p "$target/packages"
    for package in ${!split}; do
        folder="$target/tracks/$split/$package"
        [[ -d "$folder" ]] && continue
        (cd "$target/packages" && apt-get download -qq "$package" >&2) || { echo "SKIPPED: $package cannot be had" >&2; continue; }
        mkdir -p "$folder.part"
        dpkg -x "$target/packages/$package"_*.deb "$folder.part"
        find "$folder.part" -type f ! -iname '*.ogg' ! -iname '*.mp3' ! -iname '*.opus' ! -iname '*.flac' ! -iname '*.wav' \
            ! -iname '*.m4a' ! -name copyright -delete
        find "$folder.part" -empty -delete
        rm "$target/packages/$package"_*.deb
        mv "$folder.part" "$folder"
        list_tracks
    done
}

# One line per distinct file; what was measured before is not measured again.
list_tracks() {
    local path sha seconds known="$target/tracks.tsv" list="$target/tracks.tsv.part" seen="$target/seen.tsv"
    touch "$known" "$seen"
    (cd "$target/tracks" && find . -type f ! -name copyright ! -path '*.part/*' | sed 's|^\./||' | LC_ALL=C sort) |
        while read -r path; do
            if ! grep -qF "	$path	" "$seen"; then
                sha="$(sha256sum "$target/tracks/$path" | cut -d' ' -f1)"
                seconds="$(seconds_of "$target/tracks/$path")"
                printf '%s\t%s\t%s\n' "$sha" "$path" "${seconds:-0}" >>"$seen"
            fi
        done
    awk -F'\t' -v min="$seconds_min" '$3 >= min && !had[$1]++ {
        split($2, part, "/"); print part[1] "\t" part[2] "\t" $1 "\t" $3 "\t" $2 }' "$seen" |
        LC_ALL=C sort -t'	' -k1,1 -k2,2 -k5,5 >"$list"
    mv "$list" "$known"
}

# The filters of each transformation; a clip is cut first, then transformed. "noise" is white, by its ratio to the clip.
declare -A filter=(
    [clean]=anull [gain_m12]=volume=-12dB [eq_tilt]="bass=g=6:f=200,treble=g=-6:f=4000" [lp_4k]="lowpass=f=4000,lowpass=f=4000"
    [trim]=anull
    [speed_p2]=1.02 [speed_m2]=0.98 [speed_p5]=1.05 [speed_m5]=0.95 [speed_p10]=1.10 [speed_m10]=0.90
    [tempo_p5]="rubberband=tempo=1.05" [tempo_m5]="rubberband=tempo=0.95" [tempo_p10]="rubberband=tempo=1.10"
    [pitch_p05]="rubberband=pitch=1.0293022366" [pitch_m05]="rubberband=pitch=0.9715319412"
    [pitch_p1]="rubberband=pitch=1.0594630944" [pitch_m1]="rubberband=pitch=0.9438743127"
    [pitch_p2]="rubberband=pitch=1.1224620483" [pitch_m2]="rubberband=pitch=0.8908987181"
)
codecs="mp3_64 mp3_128 aac_96 opus_32"
noises="noise_10db noise_0db"
transforms="clean $codecs $noises gain_m12 eq_tilt lp_4k trim speed_p2 speed_m2 speed_p5 speed_m5 speed_p10 speed_m10
            tempo_p5 tempo_m5 tempo_p10 pitch_p05 pitch_m05 pitch_p1 pitch_m1 pitch_p2 pitch_m2"

# transform CLIP NAME OUT: writes OUT.
transform() {
    local clip="$1" name="$2" out="$3" coded="$3.coded" format=(-ac 1 -ar 44100 -c:a pcm_s16le) level
    case "$name" in
        mp3_*) run_ffmpeg -i "$clip" -c:a libmp3lame -b:a "${name#mp3_}k" -f mp3 "$coded" ;;
        aac_*) run_ffmpeg -i "$clip" -c:a aac -b:a "${name#aac_}k" -f adts "$coded" ;;
        opus_*) run_ffmpeg -i "$clip" -c:a libopus -b:a "${name#opus_}k" -f ogg "$coded" ;;
        noise_*)
            # White noise of the level of the clip, less the ratio that the name tells.
            level="$("$ffmpeg" -nostdin -hide_banner -i "$clip" -af volumedetect -f null - 2>&1 | sed -n 's/.*mean_volume: \([-0-9.]*\) dB.*/\1/p')"
            level="$(awk -v l="$level" -v r="$(sed 's/noise_\([0-9]*\)db/\1/' <<<"$name")" 'BEGIN {
                # anoisesrc draws evenly from +-amplitude: its mean square is a third of amplitude squared.
                printf "%.6f", sqrt(3) * exp(log(10) * (l - r) / 20) }')"
            run_ffmpeg -i "$clip" -f lavfi -i "anoisesrc=color=white:amplitude=$level:r=44100:seed=7" \
                -filter_complex "[0:a][1:a]amix=inputs=2:duration=first:normalize=0" "${format[@]}" -f wav "$out"
            return ;;
        speed_*)
            # The whole tape faster or slower: samples are read at another rate, then resampled back.
            run_ffmpeg -i "$clip" -af "asetrate=$(awk -v f="${filter[$name]}" 'BEGIN {printf "%d", 44100*f+.5}'),aresample=44100" \
                "${format[@]}" -f wav "$out"
            return ;;
        *) run_ffmpeg -i "$clip" -af "${filter[$name]}" "${format[@]}" -f wav "$out"; return ;;
    esac
    run_ffmpeg -i "$coded" "${format[@]}" -f wav "$out"
    rm "$coded"
}

# Clips of 36 s from a third of each source track (every n-th of the list, spread over packages): enough for 30 s after speed +10 %.
make_queries() {
    local split="$1" folder="$target/queries/$split" list="$target/queries/$split.tsv" sha path seconds start name clip level
    mkdir -p "$folder"
    : >"$list.part"
    awk -F'\t' -v part="$split" '$1 == part && $4 >= 60' "$target/tracks.tsv" >"$folder/eligible"
    awk -F'\t' -v n="$(wc -l <"$folder/eligible")" -v want="$sources" 'int(NR*want/n) > int((NR-1)*want/n)' "$folder/eligible" >"$folder/chosen"
    while IFS=$'\t' read -r _ _ sha seconds path; do
        # The place is drawn from the file's own hash: the same corpus gives the same clips. Not on a frame of any engine.
        start="$(awk -v s="$seconds" -v h="$((16#${sha:0:6}))" 'BEGIN {printf "%.3f", 4 + (s - 44) * (h / 16777216)}')"
        clip="$folder/${sha:0:12}.clip.wav"
        [[ -f "$clip" ]] || {
            run_ffmpeg -ss "$start" -t 36 -i "$target/tracks/$path" -ac 1 -ar 44100 -c:a pcm_s16le -f wav "$folder/part.wav"
            mv "$folder/part.wav" "$clip"
        }
        # What holds no sound can be found by nobody, and is a copy of all other silence to who compares bits.
        level="$("$ffmpeg" -nostdin -hide_banner -i "$clip" -af volumedetect -f null - 2>&1 | sed -n 's/.*max_volume: \([-0-9.]*\) dB.*/\1/p')"
        if awk -v level="$level" 'BEGIN { exit !(level < -60) }'; then
            echo "SKIPPED: silence at $start s of $path" >&2
            continue
        fi
        for name in $transforms; do
            [[ -f "$folder/${sha:0:12}.$name.wav" ]] || {
                transform "$clip" "$name" "$folder/part.wav"
                mv "$folder/part.wav" "$folder/${sha:0:12}.$name.wav"
            }
            printf '%s\t%s\t%s\t%s\n' "$sha" "$start" "$name" "${sha:0:12}.$name.wav" >>"$list.part"
        done
    done <"$folder/chosen"
    mv "$list.part" "$list"
    echo "$list: $(wc -l <"$list") queries"
}

case "$step" in
    tracks)
        case "$split" in dev | test) fetch_split "$split" ;; all) fetch_split dev; fetch_split test ;; *) usage ;; esac
        list_tracks
        awk -F'\t' '{n[$1 " " $2]++; s[$1 " " $2] += $4} END {for (k in n) printf "%s %d tracks %.2f h\n", k, n[k], s[k]/3600}' \
            "$target/tracks.tsv" | LC_ALL=C sort ;;
    queries) make_queries "$split" ;;
    *) usage ;;
esac
