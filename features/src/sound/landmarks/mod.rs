//! Fingerprints of recordings that survive re-encoding, noise, trimming, and a change of speed or pitch.
