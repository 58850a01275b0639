#!/bin/sh
# Makes the small audio files of tones/: one second and a half of two tones (440 Hz left, 660 Hz right), in every codec that
# is read. Ours from the first sample on, so they may lie in the repository. Needs ffmpeg (FFMPEG names another one).
set -eu
cd "$(dirname "$0")/tones"
tones='aevalsrc=0.4*sin(2*PI*440*t)|0.3*sin(2*PI*660*t):s=44100:d=1.5'
surround='aevalsrc=0.4*sin(2*PI*440*t)|0.3*sin(2*PI*660*t)|0|0|0.1*sin(2*PI*220*t)|0.1*sin(2*PI*330*t):c=5.1:s=48000:d=0.3'
make() {
    out=$1
    from=$2
    shift 2
    "${FFMPEG:-ffmpeg}" -v error -y -f lavfi -i "$from" "$@" -map_metadata -1 -fflags +bitexact -flags:a +bitexact "$out"
}
make tone.mp3 "$tones" -c:a libmp3lame -b:a 64k
make tone.m4a "$tones" -c:a aac -b:a 48k
make tone.aac "$tones" -c:a aac -b:a 48k -f adts
make alac.m4a "$tones" -c:a alac -sample_fmt s16p
make tone.flac "$tones" -c:a flac -compression_level 8 -sample_fmt s16
make tone.ogg "$tones" -c:a libvorbis -q:a 1
make tone.opus "$tones" -c:a libopus -b:a 32k
make voice.opus "$tones" -ac 1 -c:a libopus -b:a 10k -application voip
make surround.opus "$surround" -c:a libopus -b:a 96k -mapping_family 1
make tone.aiff "$tones" -ar 8000 -c:a pcm_s16be
