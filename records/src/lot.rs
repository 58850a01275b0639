//! Draws subjects for what is tried on some of them first.
//!
//! ```text
//! what is tried, whose id ──▶ a number from 0 to 99, always the same ──▶ below the percentage: it is tried on this one
//! ```

/// A number from 0 to 99: FNV-1a (Fowler, Noll, Vo) over the name of what is tried and the subject's id, mixed by MurmurHash3's finalizer. A greater
/// percentage only adds subjects.
pub fn drawn(tried: &str, subject_id: &str) -> u8 {
    let bytes = tried.bytes().chain([0]).chain(subject_id.bytes());
    let hash =
        bytes.fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    ((hash ^ (hash >> 33)) % 100) as u8
}
