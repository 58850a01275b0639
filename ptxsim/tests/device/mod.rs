//! A small kernel around a few instructions, and what came of it.
#![allow(dead_code)] // each test file uses its part

use ptxsim::memory::Memory;
use ptxsim::parse;
use ptxsim::run::{Launch, launch};

/// A kernel that reads four values a, b, c, d per thread, runs `body`, and writes o. `p` and `q` are predicates.
pub fn around(body: &str) -> String {
    format!(
        "
.version 8.4
.target sm_80
.address_size 64
.extern .shared .align 16 .b8 lent[];
.visible .entry tried(.param .u64 tried_0, .param .u64 tried_1)
{{
.reg .pred %p, %q;
.reg .b64 %a, %b, %c, %d, %o, %in, %out, %u;
.reg .b32 %t;
.shared .align 8 .b8 first[256];
.shared .align 8 .b8 second[256];
ld.param.u64 %in, [tried_0];
ld.param.u64 %out, [tried_1];
mov.u32 %t, %tid.x;
mul.wide.u32 %u, %t, 32;
add.s64 %in, %in, %u;
mul.wide.u32 %u, %t, 8;
add.s64 %out, %out, %u;
ld.global.u64 %a, [%in];
ld.global.u64 %b, [%in+8];
ld.global.u64 %c, [%in+16];
ld.global.u64 %d, [%in+24];
.loc 1 77 0
{body}
st.global.u64 [%out], %o;
ret;
}}
.file 1 \"tried.cu\"
"
    )
}

/// What `body` makes of the values, a thread each, in one block.
pub fn run(body: &str, values: &[[u64; 4]]) -> Result<Vec<u64>, String> {
    run_blocks(body, values, 1)
}

/// The same in so many blocks that all see the same values and write to the same places.
pub fn run_blocks(body: &str, values: &[[u64; 4]], blocks: u32) -> Result<Vec<u64>, String> {
    let kernels = parse::module(&around(body))?;
    let mut memory = Memory::default();
    // Several blocks also have a place that they share, zero at first.
    let shared = if blocks > 1 { 8 } else { 0 };
    let input = memory.allocate(values.len() * 32 + shared);
    let output = memory.allocate(values.len() * 8);
    let bytes: Vec<u8> = values.iter().flatten().flat_map(|value| value.to_le_bytes()).collect();
    memory.write(input, &[bytes, vec![0; shared]].concat())?;
    let params: Vec<u8> = [input, output].iter().flat_map(|address| address.to_le_bytes()).collect();
    let block = [values.len() as u32, 1, 1];
    let dynamic_bytes = if body.contains("lent") { 64 } else { 0 };
    let given = Launch { grid: [blocks, 1, 1], block, dynamic_bytes, params: &params, backwards: false };
    launch(&kernels[0], &given, &mut memory)?;
    let mut written = vec![0; values.len() * 8];
    memory.read(output, &mut written)?;
    Ok(written.chunks(8).map(ptxsim::memory::value).collect())
}

/// Values with all that integers and floats have at their ends, and random ones.
pub fn values(count: usize, seed: u64) -> Vec<[u64; 4]> {
    let ends = [
        0,
        1,
        2,
        31,
        32,
        63,
        64,
        0x7f,
        0x80,
        0xff,
        0x7fff,
        0x8000,
        0xffff,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_ffff,
        i64::MAX as u64,
        i64::MIN as u64,
        u64::MAX,
        u64::from(f32::NAN.to_bits()),
        u64::from(f32::INFINITY.to_bits()),
        u64::from((-0.0f32).to_bits()),
        u64::from((-1.5f32).to_bits()),
        u64::from(2.5f32.to_bits()),
        u64::from(1e20f32.to_bits()),
        f64::NAN.to_bits(),
        f64::NEG_INFINITY.to_bits(),
        (-0.0f64).to_bits(),
        (-2.5f64).to_bits(),
        1e300f64.to_bits(),
    ];
    let mut state = seed;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        match state % 5 {
            0 => ends[(state >> 8) as usize % ends.len()],
            1 => u64::from(((state >> 8) as i32 as f32 / 65536.0).to_bits()),
            2 => ((state >> 8) as i32 as f64 / 65536.0).to_bits(),
            3 => state >> 8 & 63,
            _ => state,
        }
    };
    (0..count).map(|_| std::array::from_fn(|_| next())).collect()
}
