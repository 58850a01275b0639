//! What each instruction makes of its operands: functions on bits, without lanes or memory.
//!
//! A register holds the value's bits in its low end; what stands above them is nobody's. [`pure`] is the whole list: a mnemonic with a
//! modifier that is not written here has no meaning and is refused, because to ignore a modifier is to compute something else.

use crate::program::Ty;

/// An instruction without effects, of up to four operands.
pub type Pure = fn([u64; 4]) -> u64;

/// A function on integers of the type, written once for all of them.
macro_rules! integer {
    ($ty:expr, [$($kind:ident $rust:ty),*], |$a:ident, $b:ident, $c:ident| $body:expr) => {
        match $ty {
            $(Ty::$kind => Some((|[a, b, c, _]| {
                #[allow(unused_variables)]
                let ($a, $b, $c) = (a as $rust, b as $rust, c as $rust);
                ($body) as u64 & (u64::MAX >> (64 - <$rust>::BITS))
            }) as Pure),)*
            _ => None,
        }
    };
}
/// The same on floats.
macro_rules! float {
    ($ty:expr, |$a:ident, $b:ident, $c:ident| $body:expr) => {
        match $ty {
            Ty::F32 => Some(
                (|[a, b, c, _]| {
                    #[allow(unused_variables)]
                    let ($a, $b, $c) = (f32::from_bits(a as u32), f32::from_bits(b as u32), f32::from_bits(c as u32));
                    u64::from(($body).to_bits())
                }) as Pure,
            ),
            Ty::F64 => Some(
                (|[a, b, c, _]| {
                    #[allow(unused_variables)]
                    let ($a, $b, $c) = (f64::from_bits(a), f64::from_bits(b), f64::from_bits(c));
                    ($body).to_bits()
                }) as Pure,
            ),
            _ => None,
        }
    };
}
/// The same on floats, one function for an f32 and none else.
macro_rules! single {
    (|$a:ident| $body:expr) => {
        Some(
            (|[a, ..]| {
                let $a = f32::from_bits(a as u32);
                u64::from(($body).to_bits())
            }) as Pure,
        )
    };
}
macro_rules! every_integer {
    ($ty:expr, |$a:ident, $b:ident, $c:ident| $body:expr) => {
        integer!($ty, [U16 u16, S16 i16, U32 u32, S32 i32, U64 u64, S64 i64], |$a, $b, $c| $body)
    };
}
/// Bits of every width, predicates among them.
macro_rules! bits {
    ($ty:expr, |$a:ident, $b:ident| $body:expr) => {
        match $ty {
            Ty::Pred => Some((|[a, b, ..]| {
                #[allow(unused_variables)]
                let ($a, $b) = (a != 0, b != 0);
                u64::from($body)
            }) as Pure),
            _ => integer!($ty, [U16 u16, U32 u32, U64 u64], |$a, $b, _c| $body),
        }
    };
}

/// The function of a mnemonic with its modifiers, the types taken out and given apart: (to, of). `None` if there is none.
pub fn pure(mnemonic: &str, modifiers: &[&str], to: Ty, of: Ty) -> Option<Pure> {
    let floats = matches!(of, Ty::F32 | Ty::F64);
    match (mnemonic, modifiers) {
        ("mov", []) => Some(|[a, ..]| a),
        // Addresses of the global space are what they are.
        ("cvta", ["to", "global"]) if of == Ty::U64 => Some(|[a, ..]| a),
        ("add", [] | ["rn"]) if floats => float!(of, |a, b, _c| a + b),
        ("sub", [] | ["rn"]) if floats => float!(of, |a, b, _c| a - b),
        ("mul", [] | ["rn"]) if floats => float!(of, |a, b, _c| a * b),
        ("add", []) => every_integer!(of, |a, b, _c| a.wrapping_add(b)),
        ("sub", []) => every_integer!(of, |a, b, _c| a.wrapping_sub(b)),
        ("mul", ["lo"]) => every_integer!(of, |a, b, _c| a.wrapping_mul(b)),
        ("mad", ["lo"]) => every_integer!(of, |a, b, c| a.wrapping_mul(b).wrapping_add(c)),
        ("mul", ["hi"]) => high(of),
        ("mul", ["wide"]) => wide(of),
        ("mad", ["wide"]) => wide_and_add(of),
        ("fma", ["rn"]) => float!(of, |a, b, c| a.mul_add(b, c)),
        ("div", ["rn"]) if floats => float!(of, |a, b, _c| a / b),
        // The interpreter has seen to it that nothing is divided by 0.
        ("div", []) => every_integer!(of, |a, b, _c| a.wrapping_div(b)),
        ("rem", []) => every_integer!(of, |a, b, _c| a.wrapping_rem(b)),
        ("rcp", ["rn"]) => float!(of, |a, _b, _c| 1.0 / a),
        ("sqrt", ["rn"]) => float!(of, |a, _b, _c| a.sqrt()),
        // Approximations: a GPU is a few units in the last place away.
        ("rsqrt", ["approx"]) if of == Ty::F32 => single!(|a| 1.0 / a.sqrt()),
        ("ex2", ["approx"]) if of == Ty::F32 => single!(|a| a.exp2()),
        ("lg2", ["approx"]) if of == Ty::F32 => single!(|a| a.log2()),
        ("min", []) if floats => {
            float!(of, |a, b, _c| if a.is_nan() || b < a || (a == b && b.is_sign_negative()) { b } else { a })
        }
        ("max", []) if floats => {
            float!(of, |a, b, _c| if a.is_nan() || b > a || (a == b && a.is_sign_negative()) { b } else { a })
        }
        ("min", []) => every_integer!(of, |a, b, _c| a.min(b)),
        ("max", []) => every_integer!(of, |a, b, _c| a.max(b)),
        ("abs", []) if floats => float!(of, |a, _b, _c| a.abs()),
        ("neg", []) if floats => float!(of, |a, _b, _c| -a),
        ("abs", []) => integer!(of, [S16 i16, S32 i32, S64 i64], |a, _b, _c| a.wrapping_abs()),
        ("neg", []) => integer!(of, [S16 i16, S32 i32, S64 i64], |a, _b, _c| a.wrapping_neg()),
        ("and", []) => bits!(of, |a, b| a & b),
        ("or", []) => bits!(of, |a, b| a | b),
        ("xor", []) => bits!(of, |a, b| a ^ b),
        ("not", []) => bits!(of, |a, _b| !a),
        ("shl", []) => shift_left(of),
        ("shr", []) => shift_right(of),
        ("popc", []) => integer!(of, [U32 u32, U64 u64], |a, _b, _c| a.count_ones()),
        ("clz", []) => integer!(of, [U32 u32, U64 u64], |a, _b, _c| a.leading_zeros()),
        ("brev", []) => integer!(of, [U32 u32, U64 u64], |a, _b, _c| a.reverse_bits()),
        ("bfind", []) => integer!(of, [U32 u32, U64 u64], |a, _b, _c| a.checked_ilog2().unwrap_or(u32::MAX)),
        ("bfind", ["shiftamt"]) if of == Ty::U32 => {
            Some(|[a, ..]| u64::from(if a as u32 == 0 { u32::MAX } else { (a as u32).leading_zeros() }))
        }
        ("bfi", []) => insert_field(of),
        ("bfe", []) => extract_field(of),
        ("prmt", []) if of == Ty::U32 => Some(permute),
        ("selp", []) => Some(|[a, b, chosen, _]| if chosen != 0 { a } else { b }),
        ("setp", [comparison]) => compare(comparison, of),
        ("cvt", rounding) => convert(rounding, to, of),
        _ => None,
    }
}

/// What an atomic makes of \[old, operand, second operand\]. Floats have none: their sum would depend on the order.
pub fn atomic(kind: &str, ty: Ty) -> Option<Pure> {
    match kind {
        "add" => integer!(ty, [U32 u32, S32 i32, U64 u64], |a, b, _c| a.wrapping_add(b)),
        "min" => integer!(ty, [U32 u32, S32 i32, U64 u64, S64 i64], |a, b, _c| a.min(b)),
        "max" => integer!(ty, [U32 u32, S32 i32, U64 u64, S64 i64], |a, b, _c| a.max(b)),
        "or" => integer!(ty, [U32 u32, U64 u64], |a, b, _c| a | b),
        "and" => integer!(ty, [U32 u32, U64 u64], |a, b, _c| a & b),
        "exch" => integer!(ty, [U32 u32, U64 u64], |_a, b, _c| b),
        "cas" => integer!(ty, [U32 u32, U64 u64], |a, b, c| if a == b { c } else { a }),
        _ => None,
    }
}

fn high(of: Ty) -> Option<Pure> {
    match of {
        Ty::U64 => Some(|[a, b, ..]| ((u128::from(a) * u128::from(b)) >> 64) as u64),
        Ty::S64 => Some(|[a, b, ..]| ((i128::from(a as i64) * i128::from(b as i64)) >> 64) as u64),
        Ty::U32 => Some(|[a, b, ..]| (u64::from(a as u32) * u64::from(b as u32)) >> 32),
        Ty::S32 => Some(|[a, b, ..]| u64::from(((i64::from(a as i32) * i64::from(b as i32)) >> 32) as u32)),
        _ => None,
    }
}

fn wide(of: Ty) -> Option<Pure> {
    match of {
        Ty::U16 => Some(|[a, b, ..]| u64::from(u32::from(a as u16) * u32::from(b as u16))),
        Ty::S16 => Some(|[a, b, ..]| u64::from((i32::from(a as i16) * i32::from(b as i16)) as u32)),
        Ty::U32 => Some(|[a, b, ..]| u64::from(a as u32) * u64::from(b as u32)),
        Ty::S32 => Some(|[a, b, ..]| (i64::from(a as i32) * i64::from(b as i32)) as u64),
        _ => None,
    }
}

fn wide_and_add(of: Ty) -> Option<Pure> {
    match of {
        Ty::U32 => Some(|[a, b, c, _]| (u64::from(a as u32) * u64::from(b as u32)).wrapping_add(c)),
        Ty::S32 => Some(|[a, b, c, _]| (i64::from(a as i32) * i64::from(b as i32)).wrapping_add(c as i64) as u64),
        _ => None,
    }
}

/// Shifts are by 32 bits' worth of distance and stop at the width.
fn shift_left(of: Ty) -> Option<Pure> {
    match of {
        Ty::U16 => Some(|[a, by, ..]| u64::from((a as u16).checked_shl(by as u32).unwrap_or(0))),
        Ty::U32 => Some(|[a, by, ..]| u64::from((a as u32).checked_shl(by as u32).unwrap_or(0))),
        Ty::U64 => Some(|[a, by, ..]| a.checked_shl(by as u32).unwrap_or(0)),
        _ => None,
    }
}

fn shift_right(of: Ty) -> Option<Pure> {
    match of {
        Ty::U16 => Some(|[a, by, ..]| u64::from((a as u16).checked_shr(by as u32).unwrap_or(0))),
        Ty::U32 => Some(|[a, by, ..]| u64::from((a as u32).checked_shr(by as u32).unwrap_or(0))),
        Ty::U64 => Some(|[a, by, ..]| a.checked_shr(by as u32).unwrap_or(0)),
        Ty::S16 => Some(|[a, by, ..]| u64::from((a as i16 >> (by as u32).min(15)) as u16)),
        Ty::S32 => Some(|[a, by, ..]| u64::from((a as i32 >> (by as u32).min(31)) as u32)),
        Ty::S64 => Some(|[a, by, ..]| (a as i64 >> (by as u32).min(63)) as u64),
        _ => None,
    }
}

/// `len` ones from bit `from` on; both are taken modulo 256.
fn field(from: u64, len: u64) -> u64 {
    let ones = 1u64.checked_shl(len as u32 & 255).unwrap_or(0).wrapping_sub(1);
    ones.checked_shl(from as u32 & 255).unwrap_or(0)
}

fn insert_field(of: Ty) -> Option<Pure> {
    match of {
        Ty::U32 => Some(|[a, b, from, len]| {
            let mask = field(from, len) as u32;
            let moved = (a as u32).checked_shl(from as u32 & 255).unwrap_or(0);
            u64::from((b as u32 & !mask) | (moved & mask))
        }),
        Ty::U64 => Some(|[a, b, from, len]| {
            let mask = field(from, len);
            (b & !mask) | (a.checked_shl(from as u32 & 255).unwrap_or(0) & mask)
        }),
        _ => None,
    }
}

fn extract_field(of: Ty) -> Option<Pure> {
    match of {
        Ty::U32 => {
            Some(|[a, from, len, _]| (a as u32 as u64).checked_shr(from as u32 & 255).unwrap_or(0) & field(0, len))
        }
        Ty::U64 => Some(|[a, from, len, _]| a.checked_shr(from as u32 & 255).unwrap_or(0) & field(0, len)),
        _ => None,
    }
}

/// Byte i of the answer is the byte of b:a that nibble i names, or eight times that byte's sign.
fn permute([a, b, selector, _]: [u64; 4]) -> u64 {
    let bytes = u64::from(a as u32) | u64::from(b as u32) << 32;
    let byte = |nibble: u64| {
        let byte = (bytes >> (8 * (nibble & 7))) as u8;
        if nibble & 8 == 0 { byte } else { ((byte as i8) >> 7) as u8 }
    };
    (0..4).map(|i| u64::from(byte(selector >> (4 * i) & 15)) << (8 * i)).sum()
}

/// 1 if the comparison holds, else 0.
fn compare(comparison: &str, of: Ty) -> Option<Pure> {
    macro_rules! ordered {
        ($compare:expr) => {
            integer!(of, [U16 u16, S16 i16, U32 u32, S32 i32, U64 u64, S64 i64], |a, b, _c| {
                let holds: fn(std::cmp::Ordering) -> bool = $compare;
                holds(a.cmp(&b))
            })
        };
    }
    macro_rules! floats {
        (|$a:ident, $b:ident| $body:expr) => {
            match of {
                Ty::F32 => Some(
                    (|[a, b, ..]| {
                        let ($a, $b) = (f32::from_bits(a as u32), f32::from_bits(b as u32));
                        u64::from($body)
                    }) as Pure,
                ),
                _ => Some(
                    (|[a, b, ..]| {
                        let ($a, $b) = (f64::from_bits(a), f64::from_bits(b));
                        u64::from($body)
                    }) as Pure,
                ),
            }
        };
    }
    if matches!(of, Ty::F32 | Ty::F64) {
        // Plain comparisons with a NaN are false; those that end in u are true.
        return match comparison {
            "eq" => floats!(|a, b| a == b),
            "ne" => floats!(|a, b| a.partial_cmp(&b).is_some_and(|order| order.is_ne())),
            "lt" => floats!(|a, b| a < b),
            "le" => floats!(|a, b| a <= b),
            "gt" => floats!(|a, b| a > b),
            "ge" => floats!(|a, b| a >= b),
            "equ" => floats!(|a, b| a.partial_cmp(&b).is_none_or(|order| order.is_eq())),
            "neu" => floats!(|a, b| a != b),
            "ltu" => floats!(|a, b| !matches!(
                a.partial_cmp(&b),
                Some(std::cmp::Ordering::Equal | std::cmp::Ordering::Greater)
            )),
            "leu" => floats!(|a, b| a.partial_cmp(&b) != Some(std::cmp::Ordering::Greater)),
            "gtu" => {
                floats!(|a, b| !matches!(a.partial_cmp(&b), Some(std::cmp::Ordering::Equal | std::cmp::Ordering::Less)))
            }
            "geu" => floats!(|a, b| a.partial_cmp(&b) != Some(std::cmp::Ordering::Less)),
            "num" => floats!(|a, b| !a.is_nan() && !b.is_nan()),
            "nan" => floats!(|a, b| a.is_nan() || b.is_nan()),
            _ => None,
        };
    }
    match comparison {
        "eq" => ordered!(|order| order.is_eq()),
        "ne" => ordered!(|order| order.is_ne()),
        "lt" => ordered!(|order| order.is_lt()),
        "le" => ordered!(|order| order.is_le()),
        "gt" => ordered!(|order| order.is_gt()),
        "ge" => ordered!(|order| order.is_ge()),
        _ => None,
    }
}

/// A number of one type as one of another. Integers wrap, floats become integers by the rounding named and stop at the ends, NaN is 0.
fn convert(rounding: &[&str], to: Ty, of: Ty) -> Option<Pure> {
    macro_rules! each {
        ($of:ty, $read:expr, [$($kind:ident $rust:ty, $bits:ty),*]) => {
            match to {
                $(Ty::$kind => Some((|[a, ..]| { let read: fn(u64) -> $of = $read; read(a) as $rust as $bits as u64 }) as Pure),)*
                _ => None,
            }
        };
    }
    macro_rules! to_integer {
        ($of:ty, $read:expr) => {
            each!($of, $read, [U8 u8, u8, U16 u16, u16, U32 u32, u32, U64 u64, u64, S8 i8, u8, S16 i16, u16, S32 i32, u32, S64 i64, u64])
        };
    }
    macro_rules! to_float {
        ($of:ty, $read:expr) => {
            match to {
                Ty::F32 => Some(
                    (|[a, ..]| {
                        let read: fn(u64) -> $of = $read;
                        u64::from((read(a) as f32).to_bits())
                    }) as Pure,
                ),
                Ty::F64 => Some(
                    (|[a, ..]| {
                        let read: fn(u64) -> $of = $read;
                        (read(a) as f64).to_bits()
                    }) as Pure,
                ),
                _ => None,
            }
        };
    }
    let float_to = matches!(to, Ty::F32 | Ty::F64);
    match (of, rounding) {
        (Ty::F32, ["rzi"]) if !float_to => to_integer!(f32, |a| f32::from_bits(a as u32)),
        (Ty::F32, ["rni"]) if !float_to => to_integer!(f32, |a| f32::from_bits(a as u32).round_ties_even()),
        (Ty::F32, ["rmi"]) if !float_to => to_integer!(f32, |a| f32::from_bits(a as u32).floor()),
        (Ty::F32, ["rpi"]) if !float_to => to_integer!(f32, |a| f32::from_bits(a as u32).ceil()),
        (Ty::F64, ["rzi"]) if !float_to => to_integer!(f64, f64::from_bits),
        (Ty::F32, []) if to == Ty::F64 => Some(|[a, ..]| f64::from(f32::from_bits(a as u32)).to_bits()),
        (Ty::F64, ["rn"]) if to == Ty::F32 => Some(|[a, ..]| u64::from((f64::from_bits(a) as f32).to_bits())),
        (Ty::U8, ["rn"]) if float_to => to_float!(u8, |a| a as u8),
        (Ty::S8, ["rn"]) if float_to => to_float!(i8, |a| a as i8),
        (Ty::U16, ["rn"]) if float_to => to_float!(u16, |a| a as u16),
        (Ty::S16, ["rn"]) if float_to => to_float!(i16, |a| a as i16),
        (Ty::U32, ["rn"]) if float_to => to_float!(u32, |a| a as u32),
        (Ty::S32, ["rn"]) if float_to => to_float!(i32, |a| a as i32),
        (Ty::U64, ["rn"]) if float_to => to_float!(u64, |a| a),
        (Ty::S64, ["rn"]) if float_to => to_float!(i64, |a| a as i64),
        (Ty::U8, []) => to_integer!(u8, |a| a as u8),
        (Ty::S8, []) => to_integer!(i8, |a| a as i8),
        (Ty::U16, []) => to_integer!(u16, |a| a as u16),
        (Ty::S16, []) => to_integer!(i16, |a| a as i16),
        (Ty::U32, []) => to_integer!(u32, |a| a as u32),
        (Ty::S32, []) => to_integer!(i32, |a| a as i32),
        (Ty::U64, []) => to_integer!(u64, |a| a),
        (Ty::S64, []) => to_integer!(i64, |a| a as i64),
        _ => None,
    }
}
