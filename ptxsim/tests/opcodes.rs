//! Each instruction against what the PTX manual says of it, in other words than the interpreter's own.

mod device;

use device::{run, values};

/// What an instruction should make of a, b, c and d.
type Meaning = fn(u64, u64, u64, u64) -> u64;

fn f(bits: u64) -> f32 {
    f32::from_bits(bits as u32)
}
fn d(bits: u64) -> f64 {
    f64::from_bits(bits)
}
fn s(value: f32) -> u64 {
    u64::from(value.to_bits())
}
fn w(value: u64) -> u64 {
    value & 0xffff_ffff
}
fn i(bits: u64) -> i64 {
    i64::from(bits as i32)
}
/// `len` low bits of a value, len up to 64.
fn low(value: u64, len: u64) -> u64 {
    if len >= 64 { value } else { value & ((1 << len) - 1) }
}
/// Whether two 32-bit values are ordered so; NaN is unordered.
fn order(a: u64, b: u64) -> Option<std::cmp::Ordering> {
    f(a).partial_cmp(&f(b))
}

/// Instruction (its result is %o, or %p if it makes a predicate) and meaning.
const INSTRUCTIONS: &[(&str, Meaning)] = &[
    ("add.s16 %o, %a, %b", |a, b, _, _| (a % 65536 + b % 65536) % 65536),
    ("add.s32 %o, %a, %b", |a, b, _, _| w(w(a) + w(b))),
    ("add.u32 %o, %a, %b", |a, b, _, _| w(w(a) + w(b))),
    ("add.s64 %o, %a, %b", |a, b, _, _| (u128::from(a) + u128::from(b)) as u64),
    ("sub.s32 %o, %a, %b", |a, b, _, _| w((i(a) - i(b)) as u64)),
    ("sub.s64 %o, %a, %b", |a, b, _, _| (i128::from(a) - i128::from(b)) as u64),
    ("mul.lo.s32 %o, %a, %b", |a, b, _, _| w((i(a) * i(b)) as u64)),
    ("mul.lo.s64 %o, %a, %b", |a, b, _, _| (u128::from(a) * u128::from(b)) as u64),
    ("mul.hi.u32 %o, %a, %b", |a, b, _, _| (w(a) * w(b)) >> 32),
    ("mul.hi.s32 %o, %a, %b", |a, b, _, _| w(((i(a) * i(b)) >> 32) as u64)),
    ("mul.hi.u64 %o, %a, %b", |a, b, _, _| ((u128::from(a) * u128::from(b)) >> 64) as u64),
    ("mul.wide.u32 %o, %a, %b", |a, b, _, _| w(a) * w(b)),
    ("mul.wide.s32 %o, %a, %b", |a, b, _, _| (i(a) * i(b)) as u64),
    ("mul.wide.u16 %o, %a, %b", |a, b, _, _| (a & 0xffff) * (b & 0xffff)),
    ("mul.wide.s16 %o, %a, %b", |a, b, _, _| w((i64::from(a as i16) * i64::from(b as i16)) as u64)),
    ("mad.lo.s32 %o, %a, %b, %c", |a, b, c, _| w((i(a) * i(b)) as u64).wrapping_add(c) & 0xffff_ffff),
    ("mad.wide.u32 %o, %a, %b, %c", |a, b, c, _| (w(a) * w(b)).wrapping_add(c)),
    ("mad.wide.s32 %o, %a, %b, %c", |a, b, c, _| ((i(a) * i(b)) as u64).wrapping_add(c)),
    ("min.s32 %o, %a, %b", |a, b, _, _| w(if i(a) < i(b) { a } else { b })),
    ("max.s32 %o, %a, %b", |a, b, _, _| w(if i(a) > i(b) { a } else { b })),
    ("min.u64 %o, %a, %b", |a, b, _, _| if a < b { a } else { b }),
    ("max.u64 %o, %a, %b", |a, b, _, _| if a > b { a } else { b }),
    ("abs.s32 %o, %a", |a, _, _, _| w(i(a).unsigned_abs())),
    ("neg.s32 %o, %a", |a, _, _, _| w(0u64.wrapping_sub(w(a)))),
    ("and.b16 %o, %a, %b", |a, b, _, _| a & b & 0xffff),
    ("and.b32 %o, %a, %b", |a, b, _, _| w(a & b)),
    ("and.b64 %o, %a, %b", |a, b, _, _| a & b),
    ("or.b32 %o, %a, %b", |a, b, _, _| w(a | b)),
    ("or.b64 %o, %a, %b", |a, b, _, _| a | b),
    ("xor.b32 %o, %a, %b", |a, b, _, _| w(a ^ b)),
    ("xor.b64 %o, %a, %b", |a, b, _, _| a ^ b),
    ("not.b32 %o, %a", |a, _, _, _| 0xffff_ffff - w(a)),
    ("not.b64 %o, %a", |a, _, _, _| u64::MAX - a),
    ("shl.b32 %o, %a, %b", |a, b, _, _| if w(b) > 31 { 0 } else { w(a << w(b)) }),
    ("shl.b64 %o, %a, %b", |a, b, _, _| if w(b) > 63 { 0 } else { a << w(b) }),
    ("shr.u32 %o, %a, %b", |a, b, _, _| if w(b) > 31 { 0 } else { w(a) >> w(b) }),
    ("shr.s32 %o, %a, %b", |a, b, _, _| w((i(a) >> w(b).min(31)) as u64)),
    ("shr.u64 %o, %a, %b", |a, b, _, _| if w(b) > 63 { 0 } else { a >> w(b) }),
    ("shr.s64 %o, %a, %b", |a, b, _, _| (a as i64 >> w(b).min(63)) as u64),
    ("popc.b32 %o, %a", |a, _, _, _| (0..32).map(|bit| a >> bit & 1).sum()),
    ("popc.b64 %o, %a", |a, _, _, _| (0..64).map(|bit| a >> bit & 1).sum()),
    ("clz.b32 %o, %a", |a, _, _, _| (0..32).rev().take_while(|bit| a >> bit & 1 == 0).count() as u64),
    ("clz.b64 %o, %a", |a, _, _, _| (0..64).rev().take_while(|bit| a >> bit & 1 == 0).count() as u64),
    ("brev.b32 %o, %a", |a, _, _, _| (0..32).map(|bit| (a >> bit & 1) << (31 - bit)).sum()),
    ("brev.b64 %o, %a", |a, _, _, _| (0..64).map(|bit| (a >> bit & 1) << (63 - bit)).sum()),
    ("bfind.u32 %o, %a", |a, _, _, _| (0..32).rev().find(|bit| a >> bit & 1 == 1).unwrap_or(0xffff_ffff)),
    ("bfind.shiftamt.u32 %o, %a", |a, _, _, _| (0..32).find(|shift| a << shift & 1 << 31 != 0).unwrap_or(0xffff_ffff)),
    ("bfi.b32 %o, %a, %b, %c, %d", |a, b, c, d| {
        let (from, len) = (c & 255, d & 255);
        (0..32)
            .map(|bit| if bit >= from && bit < from + len { (a >> (bit - from) & 1) << bit } else { b & 1 << bit })
            .sum()
    }),
    ("bfi.b64 %o, %a, %b, %c, %d", |a, b, c, d| {
        let (from, len) = (c & 255, d & 255);
        (0..64)
            .map(|bit| if bit >= from && bit < from + len { (a >> (bit - from) & 1) << bit } else { b & 1 << bit })
            .sum()
    }),
    ("bfe.u32 %o, %a, %b, %c", |a, b, c, _| if b & 255 > 31 { 0 } else { low(w(a) >> (b & 255), c & 255) }),
    ("bfe.u64 %o, %a, %b, %c", |a, b, c, _| if b & 255 > 63 { 0 } else { low(a >> (b & 255), c & 255) }),
    ("prmt.b32 %o, %a, %b, %c", |a, b, c, _| {
        let bytes = [w(a).to_le_bytes(), w(b).to_le_bytes()];
        let pick = |nibble: u64| {
            let byte = bytes[(nibble >> 2 & 1) as usize][(nibble & 3) as usize];
            u64::from(if nibble < 8 {
                byte
            } else if byte > 127 {
                255
            } else {
                0
            })
        };
        pick(c & 15) | pick(c >> 4 & 15) << 8 | pick(c >> 8 & 15) << 16 | pick(c >> 12 & 15) << 24
    }),
    ("mov.u16 %o, %a", |a, _, _, _| a),
    ("mov.b32 %o, %a", |a, _, _, _| a),
    ("mov.u32 %o, %a", |a, _, _, _| a),
    ("mov.b64 %o, %a", |a, _, _, _| a),
    ("mov.u64 %o, %a", |a, _, _, _| a),
    ("mov.f32 %o, %a", |a, _, _, _| a),
    ("mov.f64 %o, %a", |a, _, _, _| a),
    ("cvta.to.global.u64 %o, %a", |a, _, _, _| a),
    ("add.f32 %o, %a, %b", |a, b, _, _| s((f64::from(f(a)) + f64::from(f(b))) as f32)),
    ("sub.f32 %o, %a, %b", |a, b, _, _| s((f64::from(f(a)) - f64::from(f(b))) as f32)),
    ("mul.f32 %o, %a, %b", |a, b, _, _| s((f64::from(f(a)) * f64::from(f(b))) as f32)),
    ("div.rn.f32 %o, %a, %b", |a, b, _, _| s((f64::from(f(a)) / f64::from(f(b))) as f32)),
    ("fma.rn.f32 %o, %a, %b, %c", |a, b, c, _| s(f(a).mul_add(f(b), f(c)))),
    ("min.f32 %o, %a, %b", |a, b, _, _| match order(a, b) {
        None => s(if f(a).is_nan() { f(b) } else { f(a) }),
        Some(order) if order.is_eq() => w(a | b),
        Some(order) => w(if order.is_lt() { a } else { b }),
    }),
    ("max.f32 %o, %a, %b", |a, b, _, _| match order(a, b) {
        None => s(if f(a).is_nan() { f(b) } else { f(a) }),
        Some(order) if order.is_eq() => w(a & b),
        Some(order) => w(if order.is_gt() { a } else { b }),
    }),
    ("abs.f32 %o, %a", |a, _, _, _| a & 0x7fff_ffff),
    ("neg.f32 %o, %a", |a, _, _, _| w(a ^ 0x8000_0000)),
    ("sqrt.rn.f32 %o, %a", |a, _, _, _| s(f64::from(f(a)).sqrt() as f32)),
    ("rcp.rn.f32 %o, %a", |a, _, _, _| s((1.0 / f64::from(f(a))) as f32)),
    ("add.f64 %o, %a, %b", |a, b, _, _| (d(a) + d(b)).to_bits()),
    ("sub.f64 %o, %a, %b", |a, b, _, _| (d(a) - d(b)).to_bits()),
    ("mul.f64 %o, %a, %b", |a, b, _, _| (d(a) * d(b)).to_bits()),
    ("div.rn.f64 %o, %a, %b", |a, b, _, _| (d(a) / d(b)).to_bits()),
    ("fma.rn.f64 %o, %a, %b, %c", |a, b, c, _| d(a).mul_add(d(b), d(c)).to_bits()),
    ("max.f64 %o, %a, %b", |a, b, _, _| match d(a).partial_cmp(&d(b)) {
        None => {
            if d(a).is_nan() {
                b
            } else {
                a
            }
        }
        Some(order) if order.is_eq() => a & b,
        Some(order) => {
            if order.is_gt() {
                a
            } else {
                b
            }
        }
    }),
    ("cvt.u32.u64 %o, %a", |a, _, _, _| w(a)),
    ("cvt.u64.u32 %o, %a", |a, _, _, _| w(a)),
    ("cvt.s64.s32 %o, %a", |a, _, _, _| i(a) as u64),
    ("cvt.u16.u32 %o, %a", |a, _, _, _| a & 0xffff),
    ("cvt.s32.s8 %o, %a", |a, _, _, _| w(a as i8 as u64)),
    ("cvt.rn.f32.s16 %o, %a", |a, _, _, _| s(f32::from(a as i16))),
    ("cvt.rn.f32.s32 %o, %a", |a, _, _, _| s(i(a) as f32)),
    ("cvt.rn.f32.u32 %o, %a", |a, _, _, _| s(w(a) as f32)),
    ("cvt.rn.f64.s32 %o, %a", |a, _, _, _| (i(a) as f64).to_bits()),
    ("cvt.rn.f64.u64 %o, %a", |a, _, _, _| (a as f64).to_bits()),
    ("cvt.f64.f32 %o, %a", |a, _, _, _| f64::from(f(a)).to_bits()),
    ("cvt.rn.f32.f64 %o, %a", |a, _, _, _| s(d(a) as f32)),
    ("cvt.rzi.s32.f32 %o, %a", |a, _, _, _| {
        w(f64::from(f(a)).trunc().clamp(i32::MIN as f64, i32::MAX as f64) as i64 as u64)
    }),
    ("cvt.rni.s32.f32 %o, %a", |a, _, _, _| {
        let value = f64::from(f(a));
        let near = value.round();
        let even = if (near - value).abs() == 0.5 { 2.0 * (value / 2.0).round() } else { near };
        w(even.clamp(i32::MIN as f64, i32::MAX as f64) as i64 as u64)
    }),
    ("cvt.rmi.s64.f32 %o, %a", |a, _, _, _| f64::from(f(a)).floor() as i64 as u64),
    ("cvt.rpi.u32.f32 %o, %a", |a, _, _, _| f64::from(f(a)).ceil().clamp(0.0, u32::MAX as f64) as u64),
    ("setp.eq.s16 %p, %a, %b", |a, b, _, _| u64::from(a & 0xffff == b & 0xffff)),
    ("setp.ne.s16 %p, %a, %b", |a, b, _, _| u64::from(a & 0xffff != b & 0xffff)),
    ("setp.eq.b32 %p, %a, %b", |a, b, _, _| u64::from(w(a) == w(b))),
    ("setp.eq.s32 %p, %a, %b", |a, b, _, _| u64::from(w(a) == w(b))),
    ("setp.ne.s32 %p, %a, %b", |a, b, _, _| u64::from(w(a) != w(b))),
    ("setp.lt.s32 %p, %a, %b", |a, b, _, _| u64::from(i(a) < i(b))),
    ("setp.le.s32 %p, %a, %b", |a, b, _, _| u64::from(i(a) <= i(b))),
    ("setp.gt.s32 %p, %a, %b", |a, b, _, _| u64::from(i(a) > i(b))),
    ("setp.ge.s32 %p, %a, %b", |a, b, _, _| u64::from(i(a) >= i(b))),
    ("setp.lt.u32 %p, %a, %b", |a, b, _, _| u64::from(w(a) < w(b))),
    ("setp.gt.u32 %p, %a, %b", |a, b, _, _| u64::from(w(a) > w(b))),
    ("setp.ge.u32 %p, %a, %b", |a, b, _, _| u64::from(w(a) >= w(b))),
    ("setp.eq.s64 %p, %a, %b", |a, b, _, _| u64::from(a == b)),
    ("setp.ne.s64 %p, %a, %b", |a, b, _, _| u64::from(a != b)),
    ("setp.lt.s64 %p, %a, %b", |a, b, _, _| u64::from((a as i64) < b as i64)),
    ("setp.le.s64 %p, %a, %b", |a, b, _, _| u64::from(a as i64 <= b as i64)),
    ("setp.gt.s64 %p, %a, %b", |a, b, _, _| u64::from(a as i64 > b as i64)),
    ("setp.ge.s64 %p, %a, %b", |a, b, _, _| u64::from(a as i64 >= b as i64)),
    ("setp.lt.u64 %p, %a, %b", |a, b, _, _| u64::from(a < b)),
    ("setp.le.u64 %p, %a, %b", |a, b, _, _| u64::from(a <= b)),
    ("setp.gt.u64 %p, %a, %b", |a, b, _, _| u64::from(a > b)),
    ("setp.ge.u64 %p, %a, %b", |a, b, _, _| u64::from(a >= b)),
    ("setp.eq.f32 %p, %a, %b", |a, b, _, _| u64::from(order(a, b).is_some_and(|order| order.is_eq()))),
    ("setp.ne.f32 %p, %a, %b", |a, b, _, _| u64::from(order(a, b).is_some_and(|order| order.is_ne()))),
    ("setp.lt.f32 %p, %a, %b", |a, b, _, _| u64::from(order(a, b).is_some_and(|order| order.is_lt()))),
    ("setp.le.f32 %p, %a, %b", |a, b, _, _| u64::from(order(a, b).is_some_and(|order| order.is_le()))),
    ("setp.gt.f32 %p, %a, %b", |a, b, _, _| u64::from(order(a, b).is_some_and(|order| order.is_gt()))),
    ("setp.ge.f32 %p, %a, %b", |a, b, _, _| u64::from(order(a, b).is_some_and(|order| order.is_ge()))),
    ("setp.equ.f32 %p, %a, %b", |a, b, _, _| u64::from(order(a, b).is_none_or(|order| order.is_eq()))),
    ("setp.neu.f32 %p, %a, %b", |a, b, _, _| u64::from(order(a, b).is_none_or(|order| order.is_ne()))),
    ("setp.ltu.f32 %p, %a, %b", |a, b, _, _| u64::from(order(a, b).is_none_or(|order| order.is_lt()))),
    ("setp.leu.f32 %p, %a, %b", |a, b, _, _| u64::from(order(a, b).is_none_or(|order| order.is_le()))),
    ("setp.gtu.f32 %p, %a, %b", |a, b, _, _| u64::from(order(a, b).is_none_or(|order| order.is_gt()))),
    ("setp.geu.f32 %p, %a, %b", |a, b, _, _| u64::from(order(a, b).is_none_or(|order| order.is_ge()))),
    ("setp.num.f32 %p, %a, %b", |a, b, _, _| u64::from(order(a, b).is_some())),
    ("setp.nan.f32 %p, %a, %b", |a, b, _, _| u64::from(order(a, b).is_none())),
];

/// The same for instructions that take a predicate: %q is whether a < b as unsigned 32 bits, %p whether c is odd.
const WITH_PREDICATES: &[(&str, Meaning)] = &[
    ("selp.f32 %o, %c, %d, %q", |a, b, c, d| if w(a) < w(b) { c } else { d }),
    ("selp.f64 %o, %c, %d, %q", |a, b, c, d| if w(a) < w(b) { c } else { d }),
    ("selp.b32 %o, %c, %d, %q", |a, b, c, d| if w(a) < w(b) { c } else { d }),
    ("selp.b64 %o, %c, %d, %q", |a, b, c, d| if w(a) < w(b) { c } else { d }),
    ("selp.u16 %o, %c, %d, %q", |a, b, c, d| if w(a) < w(b) { c } else { d }),
    ("and.pred %p, %p, %q", |a, b, c, _| c & 1 & u64::from(w(a) < w(b))),
    ("or.pred %p, %p, %q", |a, b, c, _| c & 1 | u64::from(w(a) < w(b))),
    ("xor.pred %p, %p, %q", |a, b, c, _| c & 1 ^ u64::from(w(a) < w(b))),
    ("not.pred %p, %q", |a, b, _, _| u64::from(w(a) >= w(b))),
    ("mov.pred %p, %q", |a, b, _, _| u64::from(w(a) < w(b))),
];

/// What an approximation is near.
type Nearly = fn(f64) -> f64;

/// Approximations, to a relative 1e-6.
const NEARLY: &[(&str, Nearly)] = &[
    ("rsqrt.approx.f32 %o, %a", |a| a.powf(-0.5)),
    ("ex2.approx.f32 %o, %a", |a| 2f64.powf(a)),
    ("lg2.approx.f32 %o, %a", |a| a.ln() / std::f64::consts::LN_2),
];

/// Instructions that `rules.rs` and the tests below try in other ways.
const TRIED_ELSEWHERE: &[&str] = &[
    "bra",
    "bra.uni",
    "ret",
    "bar.sync",
    "bar.warp.sync",
    "div.s32",
    "ld.param.u64",
    "ld.param.u32",
    "ld.param.f32",
    "ld.global.nc.u64",
    "ld.global.nc.u32",
    "ld.global.nc.u16",
    "ld.global.nc.f32",
    "ld.global.nc.v2.f32",
    "ld.global.nc.v4.f32",
    "ld.shared.u64",
    "ld.shared.u32",
    "ld.shared.f32",
    "ld.shared.v2.f32",
    "ld.shared.v2.u64",
    "st.shared.f32",
    "st.shared.u32",
    "st.shared.u64",
    "st.shared.v2.f32",
    "st.shared.v4.f32",
    "st.global.f32",
    "st.global.u64",
    "shfl.sync.bfly.b32",
    "shfl.sync.idx.b32",
    "vote.sync.ballot.b32",
    "atom.shared.add.u32",
    "atom.global.add.u32",
    "st.global.v2.f32",
];

/// A NaN is a NaN, whichever.
fn same(name: &str, got: u64, want: u64) -> bool {
    got == want
        || name.contains("f32 %o") && !name.starts_with("mov") && f(got).is_nan() && f(want).is_nan()
        || (name.contains("f64 %o") || name.contains("f64.f32")) && d(got).is_nan() && d(want).is_nan()
        || name.contains("f32.f64") && f(got).is_nan() && f(want).is_nan()
}

fn check(instructions: &[(&str, Meaning)], before: &str) {
    for (seed, (instruction, meaning)) in instructions.iter().enumerate() {
        let predicate = instruction.split_whitespace().nth(1).is_some_and(|to| to.starts_with("%p"));
        let after = if predicate { "selp.b64 %o, 1, 0, %p;" } else { "" };
        for round in 0..8 {
            let values = values(256, (seed as u64 + 1) * 1_000_003 + round);
            let got = run(&format!("{before}\n{instruction};\n{after}"), &values).expect(instruction);
            for ([a, b, c, d], got) in values.into_iter().zip(got) {
                let want = meaning(a, b, c, d);
                assert!(
                    same(instruction, got, want),
                    "{instruction} of {a:#x} {b:#x} {c:#x} {d:#x}: {got:#x} for {want:#x}"
                );
            }
        }
    }
}

#[test]
fn every_instruction_without_effects_means_what_the_manual_says() {
    check(INSTRUCTIONS, "");
}

#[test]
fn predicates_choose_and_combine() {
    check(WITH_PREDICATES, "setp.lt.u32 %q, %a, %b;\nand.b64 %u, %c, 1;\nsetp.ne.s64 %p, %u, 0;");
}

#[test]
fn approximations_are_near() {
    for (instruction, meaning) in NEARLY {
        let values: Vec<[u64; 4]> = (1..200).map(|n| [s(n as f32 * 0.173), 0, 0, 0]).collect();
        for ([a, ..], got) in values.iter().zip(run(&format!("{instruction};"), &values).expect("runs")) {
            let want = meaning(f64::from(f(*a)));
            assert!((f64::from(f(got)) - want).abs() <= 1e-6 * want.abs().max(1.0), "{instruction} of {}", f(*a));
        }
    }
}

#[test]
fn division_is_of_integers_and_not_by_zero() {
    for (instruction, meaning) in [
        ("div.s32 %o, %a, %b;", (|a, b| w((i(a) / i(b)) as u64)) as fn(u64, u64) -> u64),
        ("rem.s32 %o, %a, %b;", |a, b| w((i(a) % i(b)) as u64)),
        ("div.u64 %o, %a, %b;", |a, b| a / b),
        ("rem.u32 %o, %a, %b;", |a, b| w(a) % w(b)),
    ] {
        let values: Vec<[u64; 4]> = values(600, 5).into_iter().filter(|[_, b, ..]| w(*b) != 0).take(256).collect();
        for ([a, b, ..], got) in values.iter().zip(run(instruction, &values).expect("runs")) {
            assert_eq!(got, meaning(*a, *b), "{instruction} {a:#x} {b:#x}");
        }
        let fault = run(instruction, &[[1, 2, 0, 0], [1, 0, 0, 0]]).expect_err("divides by zero");
        assert!(fault.contains("tried.cu:77") && fault.contains("division by zero"), "{fault}");
    }
}

/// What the committed kernels use is all tried here; a new compiler's new instruction is seen at once.
#[test]
fn no_instruction_of_the_kernels_is_untried() {
    let elsewhere = concat!(include_str!("rules.rs"), include_str!("device/mod.rs"), include_str!("opcodes.rs"));
    for name in TRIED_ELSEWHERE {
        assert!(
            elsewhere.contains(&format!("{name} ")) || elsewhere.contains(&format!("{name};")),
            "{name} is not tried"
        );
    }
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../kernels/ptx");
    let tried: std::collections::HashSet<&str> = INSTRUCTIONS
        .iter()
        .chain(WITH_PREDICATES)
        .map(|(text, _)| *text)
        .chain(NEARLY.iter().map(|(text, _)| *text))
        .chain(TRIED_ELSEWHERE.iter().copied())
        .map(|text| text.split_whitespace().next().unwrap_or(""))
        .collect();
    let mut seen = 0;
    for file in std::fs::read_dir(folder).expect("the kernels' PTX") {
        let text = std::fs::read_to_string(file.expect("a file").path()).expect("text");
        for line in text.lines().map(str::trim).filter(|line| line.ends_with(';')) {
            let line =
                line.strip_prefix('@').and_then(|guarded| guarded.split_once(' ')).map_or(line, |(_, rest)| rest);
            let name = line.trim().trim_end_matches(';').split_whitespace().next().unwrap_or("");
            if name.starts_with(|letter: char| letter.is_ascii_lowercase()) {
                assert!(tried.contains(name), "{name} is in the kernels and in no test");
                seen += 1;
            }
        }
    }
    assert!(seen > 1000, "only {seen} instructions were looked at");
}
