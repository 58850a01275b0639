//! How an entry stands in a segment: framed, numbered and checksummed.
//!
//! ```text
//! segment: head (32 bytes) │ frame │ frame │ …
//! frame:   body bytes u32 │ CRC32C u32 │ number u64 │ vouched u64 │ body
//! ```
//!
//! `vouched` is the number of the last entry that was durable when the frame was written. A frame that cannot be read
//! was torn by a crash only if no later frame, and no hint, says that it had been durable; else it was damaged.

use super::LogError;

/// Bytes before a frame's body.
pub(super) const FRAME_HEAD: usize = 24;
/// Bytes before a segment's first frame.
pub(super) const SEGMENT_HEAD: usize = 32;
/// The longest body. A length beyond it is damage, and nothing is allocated for it.
pub const BODY_MAX: usize = 64 << 20;
/// The version of the format; a reader knows this one and the one before, of which there is none yet.
pub const FORMAT: u32 = 1;

const MAGIC: &[u8; 8] = b"truelog\n";

/// A frame that could be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub number: u64,
    pub vouched: u64,
    pub body: &'a [u8],
}

impl Frame<'_> {
    /// How many bytes it takes.
    pub fn bytes(&self) -> usize {
        FRAME_HEAD + self.body.len()
    }
}

/// Appends a frame.
pub(super) fn write(number: u64, vouched: u64, body: &[u8], to: &mut Vec<u8>) {
    let at = to.len();
    to.extend((body.len() as u32).to_le_bytes());
    to.extend([0; 4]);
    to.extend(number.to_le_bytes());
    to.extend(vouched.to_le_bytes());
    to.extend(body);
    let checksum = checksum(&to[at..at + 4], &to[at + 8..]);
    to[at + 4..at + 8].copy_from_slice(&checksum.to_le_bytes());
}

/// The frame at the start of the bytes; `None` when there is no whole one.
pub(super) fn read(bytes: &[u8]) -> Option<Frame<'_>> {
    let head = bytes.get(..FRAME_HEAD)?;
    let length = number_u32(&head[..4]) as usize;
    let body = bytes[FRAME_HEAD..].get(..length).filter(|_| length <= BODY_MAX)?;
    let whole = &bytes[8..FRAME_HEAD + length];
    (checksum(&head[..4], whole) == number_u32(&head[4..8])).then(|| Frame {
        number: number_u64(&head[8..16]),
        vouched: number_u64(&head[16..24]),
        body,
    })
}

/// The number of the frame at the start of the bytes, and how many bytes it takes, as it says; `None` when that cannot be.
pub(super) fn told(bytes: &[u8]) -> Option<(u64, usize)> {
    let head = bytes.get(..FRAME_HEAD)?;
    Some((number_u64(&head[8..16]), told_bytes(head)?))
}

/// How many bytes the frame at the start of the bytes says that it takes; `None` when that cannot be.
pub(super) fn told_bytes(head: &[u8]) -> Option<usize> {
    let length = number_u32(head.get(..4)?) as usize;
    (length <= BODY_MAX).then_some(FRAME_HEAD + length)
}

/// The whole frames with a number of the range, wherever they begin.
pub(super) fn search(bytes: &[u8], numbers: std::ops::Range<u64>) -> impl Iterator<Item = Frame<'_>> {
    let starts = 0..bytes.len().saturating_sub(FRAME_HEAD - 1);
    let plausible = move |at: &usize| numbers.contains(&number_u64(&bytes[at + 8..at + 16]));
    starts.filter(plausible).filter_map(|at| read(&bytes[at..]))
}

/// The head of the segment whose first entry has this number.
pub(super) fn segment_head(first: u64) -> [u8; SEGMENT_HEAD] {
    let mut head = [0; SEGMENT_HEAD];
    head[..8].copy_from_slice(MAGIC);
    head[8..12].copy_from_slice(&FORMAT.to_le_bytes());
    head[16..24].copy_from_slice(&first.to_le_bytes());
    let checksum = checksum(&head[..12], &head[16..]);
    head[12..16].copy_from_slice(&checksum.to_le_bytes());
    head
}

/// Whether the bytes begin with the head of that segment.
///
/// # Errors
/// When another version of the program wrote it.
pub(super) fn is_segment_head(name: &str, bytes: &[u8], first: u64) -> Result<bool, LogError> {
    let Some(head) = bytes.get(..SEGMENT_HEAD) else { return Ok(false) };
    let whole = checksum(&head[..12], &head[16..]) == number_u32(&head[12..16]);
    let format = number_u32(&head[8..12]);
    if whole && head[..8] == *MAGIC && format != FORMAT {
        return Err(LogError::Version { file: name.to_owned(), found: format });
    }
    Ok(head == segment_head(first))
}

fn checksum(first: &[u8], rest: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(first), rest)
}

fn number_u32(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes.try_into().expect("four bytes"))
}

fn number_u64(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
}
