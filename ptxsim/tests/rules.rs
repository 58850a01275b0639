//! Lanes, memory and barriers: what works, and what a GPU would let pass and is stopped here.

mod device;

use device::{run, run_blocks};

/// A value per thread, in all four places.
fn threads(count: usize) -> Vec<[u64; 4]> {
    (0..count as u64).map(|thread| [thread, thread * 3, 100 + thread, 7]).collect()
}

fn stopped(body: &str, count: usize, because: &str) {
    let fault = run(body, &threads(count)).expect_err(because);
    assert!(fault.contains(because) && fault.contains("tried.cu:77"), "{fault}");
}

fn refused(body: &str) {
    let fault = run(body, &threads(1)).expect_err(body);
    assert!(fault.contains("is not supported") || fault.contains("wanted"), "{body}: {fault}");
}

#[test]
fn lanes_part_and_meet_again() {
    // Collatz steps: each lane leaves the loop on its own; all of them add 1000 afterwards.
    let body = "
        mov.u64 %o, 0;
        setp.eq.s64 %p, %a, 0;
        @%p bra $done;
        $loop:
        setp.eq.s64 %p, %a, 1;
        @%p bra $done;
        add.s64 %o, %o, 1;
        and.b64 %u, %a, 1;
        setp.eq.s64 %q, %u, 0;
        @%q shr.u64 %a, %a, 1;
        @!%q mul.lo.s64 %a, %a, 3;
        @!%q add.s64 %a, %a, 1;
        bra.uni $loop;
        $done:
        add.s64 %o, %o, 1000;";
    let steps = |mut a: u64| {
        let mut steps = 0;
        while a > 1 {
            a = if a & 1 == 0 { a / 2 } else { 3 * a + 1 };
            steps += 1;
        }
        steps
    };
    let got = run(body, &threads(100)).expect("runs");
    assert!(got.iter().zip(0..).all(|(got, thread)| *got == 1000 + steps(thread)));
}

#[test]
fn vectors_packs_and_shared_memory_carry_values() {
    // Through shared memory to the neighbour's place and back, across warps, with a barrier.
    let body = "
        mul.wide.u32 %u, %t, 8;
        mov.u64 %d, first;
        add.s64 %d, %d, %u;
        mov.b64 {%a, %b}, %c;
        st.shared.v2.u32 [%d], {%a, %b};
        bar.sync 0;
        xor.b64 %u, %u, 8;
        mov.u64 %d, first;
        add.s64 %d, %d, %u;
        ld.shared.u32 %a, [%d];
        ld.shared.u32 %b, [%d+4];
        mov.b64 %o, {%a, %b};";
    let got = run(body, &threads(32)).expect("runs");
    assert!(got.iter().zip(0..32u64).all(|(got, thread)| *got == 100 + (thread ^ 1)));
    // The lent array, four at once.
    let body = "
        setp.ne.s64 %p, %a, 0;
        @%p bra $end;
        mov.u64 %d, lent;
        st.shared.v4.f32 [%d+16], {%a, %b, %c, 5};
        ld.shared.v2.u32 {%u, %o}, [%d+24];
        $end:
        mov.u64 %o, 5;";
    assert_eq!(run(body, &threads(2)).expect("runs"), [5, 5]);
}

#[test]
fn vectors_and_single_values_go_through_all_memories() {
    // A thread's four inputs are 32 bytes: a, b, c, d as pairs of 32 bits.
    let values = [[0x0000_0002_0000_0001, 0x0000_0004_0000_0003, 0x0000_0006_8000_0005, 8]];
    let got = |body: &str| run(body, &values).expect(body)[0];
    assert_eq!(got("ld.global.nc.u64 %o, [%in+8];"), 0x0000_0004_0000_0003);
    assert_eq!(got("ld.global.nc.u32 %o, [%in+4];"), 2);
    assert_eq!(got("ld.global.nc.f32 %o, [%in+12];"), 4);
    assert_eq!(got("ld.global.nc.u16 %o, [%in+18];"), 0x8000);
    assert_eq!(got("ld.global.nc.v2.f32 {%a, %b}, [%in+8];\nshl.b64 %b, %b, 8;\nor.b64 %o, %a, %b;"), 0x403);
    let four = "ld.global.nc.v4.f32 {%a, %b, %c, %d}, [%in];\nshl.b64 %b, %b, 8;\nor.b64 %o, %a, %b;\n\
                shl.b64 %c, %c, 16;\nor.b64 %o, %o, %c;\nshl.b64 %d, %d, 24;\nor.b64 %o, %o, %d;";
    assert_eq!(got(four), 0x0403_0201);
    // What is written in parts is read as a whole, from device and from shared memory.
    assert_eq!(got("st.global.v2.f32 [%out], {%d, %a};\nld.global.u64 %o, [%out];"), 0x0000_0001_0000_0008);
    assert_eq!(
        got("st.global.f32 [%out], %a;\nst.global.f32 [%out+4], %d;\nld.global.u64 %o, [%out];"),
        0x0000_0008_0000_0001
    );
    let shared = |body: &str| got(&format!("mov.u64 %u, second;\n{body}"));
    assert_eq!(shared("st.shared.v2.f32 [%u+8], {%d, %a};\nld.shared.u64 %o, [%u+8];"), 0x0000_0001_0000_0008);
    assert_eq!(shared("st.shared.f32 [%u], %a;\nld.shared.f32 %o, [%u];"), 1);
    assert_eq!(shared("st.shared.u64 [%u], %b;\nld.shared.v2.f32 {%a, %o}, [%u];"), 4);
    assert_eq!(shared("st.shared.u64 [%u], %b;\nst.shared.u64 [%u+8], %d;\nld.shared.v2.u64 {%a, %o}, [%u];"), 8);
    // Parameters are read at any width: the low half of the first is the low half of %in before it moved.
    assert_eq!(got("ld.param.u32 %a, [tried_0];\ncvt.u32.u64 %b, %in;\nsub.s64 %o, %a, %b;"), 0);
    assert_eq!(got("ld.param.f32 %a, [tried_0];\ncvt.u32.u64 %b, %in;\nsub.s64 %o, %a, %b;"), 0);
}

#[test]
fn signs_are_kept_or_not() {
    let store = "mov.u64 %d, first; st.shared.u32 [%d], 0xfffefffd;".replace("; ", ";\n");
    for (load, want) in [
        ("ld.shared.s16 %o, [%d];", -3i64 as u64),
        ("ld.shared.u16 %o, [%d];", 0xfffd),
        ("ld.shared.s8 %o, [%d+1];", -1i64 as u64),
        ("ld.shared.b8 %o, [%d+1];", 0xff),
        ("ld.shared.s32 %o, [%d];", 0xffff_ffff_fffe_fffd),
    ] {
        assert_eq!(run(&format!("{store}\n{load}"), &threads(1)).expect("runs"), [want], "{load}");
    }
}

#[test]
fn values_move_between_lanes() {
    let all = |body: &str| run(body, &threads(32)).expect("runs");
    let expect = |body: &str, source: fn(u64) -> u64| {
        let got = all(body);
        assert!(got.iter().zip(0..32).all(|(got, lane)| *got == 100 + source(lane)), "{body}: {got:?}");
    };
    expect("shfl.sync.bfly.b32 %o, %c, 5, 31, -1;", |lane| lane ^ 5);
    expect("shfl.sync.idx.b32 %o, %c, 9, 31, -1;", |_| 9);
    expect("shfl.sync.down.b32 %o, %c, 3, 31, -1;", |lane| if lane + 3 < 32 { lane + 3 } else { lane });
    expect("shfl.sync.up.b32 %o, %c, 3, 0, -1;", |lane| lane.checked_sub(3).unwrap_or(lane));
    // Segments of eight: the mask 24 in bits 8 to 12.
    expect("shfl.sync.idx.b32 %o, %c, 2, 6175, -1;", |lane| lane / 8 * 8 + 2);
    expect("shfl.sync.down.b32 %o, %c, 3, 6175, -1;", |lane| if lane % 8 + 3 < 8 { lane + 3 } else { lane });
    let within = "shfl.sync.down.b32 %u|%p, %c, 3, 31, -1;\nselp.b64 %o, 1, 0, %p;";
    assert_eq!(all(within).iter().sum::<u64>(), 29);
}

#[test]
fn lanes_vote() {
    let vote = |kind: &str, to: &str, after: &str| {
        let body = format!("setp.lt.u64 %q, %a, 5;\nvote.sync.{kind} {to}, %q, -1;\n{after}");
        run(&body, &threads(32)).expect("runs")[31]
    };
    assert_eq!(vote("ballot.b32", "%o", ""), 0b11111);
    assert_eq!(vote("any.pred", "%p", "selp.b64 %o, 1, 0, %p;"), 1);
    assert_eq!(vote("all.pred", "%p", "selp.b64 %o, 1, 0, %p;"), 0);
    assert_eq!(run("activemask.b32 %o;", &threads(7)).expect("runs"), vec![0x7f; 7]);
    assert_eq!(run("bar.warp.sync -1;\nmov.u64 %o, %laneid;", &threads(40)).expect("runs")[39], 7);
}

#[test]
fn atomics_lose_nothing() {
    let start = "mov.u64 %d, first;\nsetp.eq.s64 %p, %a, 0;\n@%p st.shared.u32 [%d], 10;\nbar.sync 0;\n";
    let end = "\nbar.sync 0;\nld.shared.u32 %o, [%d];";
    for (atomic, want) in [
        ("atom.shared.add.u32 %u, [%d], 2;", 10 + 200),
        ("atom.shared.min.u32 %u, [%d], %a;", 0),
        ("atom.shared.max.s32 %u, [%d], %a;", 99),
        ("atom.shared.or.b32 %u, [%d], 5;", 15),
        ("atom.shared.and.b32 %u, [%d], 6;", 2),
        ("atom.shared.exch.b32 %u, [%d], 4;", 4),
        ("atom.shared.cas.b32 %u, [%d], 10, 77;", 77),
        ("red.shared.add.u32 [%d], 1;", 110),
    ] {
        let got = run(&format!("{start}{atomic}{end}"), &threads(100)).expect(atomic);
        assert!(got.iter().all(|got| *got == want), "{atomic}: {got:?}");
    }
    // Each thread gets a different old value, also in global memory.
    let body = "setp.eq.s64 %p, %a, 0;\n@%p st.global.u64 [%out], 0;\nbar.sync 0;\nmul.wide.u32 %u, %t, 8;\nsub.s64 %d, %out, %u;\n\
                atom.global.add.u32 %o, [%d], 1;\nbar.sync 0;";
    let mut got = run(body, &threads(64)).expect("runs");
    got.sort();
    assert_eq!(got, (0..64).collect::<Vec<_>>());
}

#[test]
fn accesses_outside_are_stopped_with_their_line() {
    stopped("ld.global.u64 %o, [%in+32];", 1, "of an allocation");
    stopped("st.global.u64 [%out+8], %a;", 1, "of an allocation");
    stopped("ld.global.u64 %o, [%a];", 1, "where nothing is allocated");
    stopped("st.shared.u64 [256], %a;", 1, "outside every array");
    stopped(
        "mov.u64 %d, second;\nst.shared.u32 [%d-4], 1;".replace("%d-4", "%d+-4").as_str(),
        1,
        "outside every array",
    );
    stopped("mov.u64 %d, lent;\nst.shared.u64 [%d+64], %a;", 1, "outside every array");
    stopped("ld.global.u64 %o, [%in+4];", 1, "not a multiple");
    stopped("mov.u64 %d, first;\nst.shared.v2.u32 [%d+4], {%a, %b};", 1, "not a multiple");
}

#[test]
fn what_nobody_wrote_is_not_read() {
    stopped("ld.global.u64 %o, [%out];", 1, "nobody wrote");
    stopped("mov.u64 %d, first;\nld.shared.u32 %o, [%d];", 1, "nobody wrote");
    stopped("mov.u64 %d, first;\natom.shared.add.u32 %o, [%d], 1;", 1, "nobody wrote");
}

#[test]
fn warps_that_meet_in_shared_memory_without_a_barrier_are_stopped() {
    let address = "mul.wide.u32 %u, %t, 4;\nmov.u64 %d, first;\nadd.s64 %d, %d, %u;\n";
    let other = "xor.b64 %u, %u, 128;\nmov.u64 %d, first;\nadd.s64 %d, %d, %u;\n";
    let write = "st.shared.u32 [%d], %a;\n";
    let read = "ld.shared.u32 %o, [%d];\n";
    assert!(run(&format!("{address}{write}bar.sync 0;\n{other}{read}"), &threads(64)).is_ok());
    stopped(&format!("{address}{write}bar.sync 0;\n{write}{other}{read}"), 64, "a race");
    stopped(&format!("{address}{write}bar.sync 0;\n{read}{other}{write}"), 64, "a race");
    stopped(&format!("{address}{write}{other}{write}"), 64, "a race");
    // Lanes of a warp need not go in step either: they meet at a barrier of their own, in a shuffle or a vote.
    let neighbour = "xor.b64 %u, %u, 4;\nmov.u64 %d, first;\nadd.s64 %d, %d, %u;\n";
    stopped(&format!("{address}{write}bar.warp.sync -1;\n{write}{neighbour}{read}"), 32, "another lane");
    stopped(&format!("{address}{write}bar.warp.sync -1;\n{read}{neighbour}{write}"), 32, "another lane");
    stopped("mov.u64 %d, first;\nst.shared.u32 [%d], %a;", 32, "another lane");
    assert!(
        run(&format!("{address}{write}bar.warp.sync -1;\n{neighbour}{read}bar.warp.sync -1;\n{write}"), &threads(32))
            .is_ok()
    );
    let shuffle = "shfl.sync.bfly.b32 %c, %c, 1, 31, -1;\n";
    assert!(run(&format!("{address}{write}{shuffle}{neighbour}{read}"), &threads(32)).is_ok());
}

#[test]
fn blocks_that_meet_in_global_memory_are_stopped() {
    let one = threads(1);
    let fault = run_blocks("mov.u64 %o, 1;", &one, 2).expect_err("both write one place");
    assert!(fault.contains("a race with block 0"), "{fault}");
    // One block writes and another reads.
    let body = "mov.u32 %t, %ctaid.x;\nsetp.eq.s32 %p, %t, 0;\n@%p st.global.u64 [%out], 1;\n@%p ret;\nld.global.u64 %o, [%out];\nret;";
    assert!(run_blocks(body, &one, 2).expect_err("reads what another wrote").contains("a race with block 0"));
    // Atomics may: each block adds one to what the host wrote.
    assert!(run_blocks("atom.global.add.u64 %o, [%in+32], 1;\nret;", &one, 9).is_ok());
}

#[test]
fn barriers_that_not_all_reach_are_stopped() {
    stopped("setp.lt.u64 %p, %a, 5;\n@%p bra $over;\nbar.sync 0;\n$over:\nmov.u64 %o, 0;", 64, "not all threads reach");
    let apart =
        "setp.lt.u64 %p, %a, 32;\n@%p bra $one;\nbar.sync 0;\nbra.uni $end;\n$one:\nbar.sync 0;\n$end:\nmov.u64 %o, 0;";
    stopped(apart, 64, "different barriers");
}

#[test]
fn shuffles_and_votes_without_all_they_name_are_stopped() {
    let half = "setp.lt.u64 %p, %a, 16;\n@%p bra $over;\n";
    stopped(&format!("{half}shfl.sync.idx.b32 %o, %c, 20, 31, -1;\n$over:\nmov.u64 %o, 0;"), 32, "not all the lanes");
    stopped(&format!("{half}vote.sync.ballot.b32 %o, %p, -1;\n$over:\nmov.u64 %o, 0;"), 32, "not all the lanes");
    stopped(&format!("{half}bar.warp.sync -1;\n$over:\nmov.u64 %o, 0;"), 32, "not all the lanes");
    stopped("shfl.sync.idx.b32 %o, %c, 1, 31, 1;", 2, "not all the lanes");
    stopped("setp.lt.u64 %p, %a, 16;\n@%p shfl.sync.idx.b32 %o, %c, 20, 31, 65535;", 32, "which is not there");
}

#[test]
fn what_is_not_known_is_refused_at_loading() {
    for instruction in [
        "add.sat.s32 %o, %a, %b;",
        "add.ftz.f32 %o, %a, %b;",
        "mad.hi.u32 %o, %a, %b, %c;",
        "mul.hi.u16 %o, %a, %b;",
        "fma.rz.f32 %o, %a, %b, %c;",
        "div.full.f32 %o, %a, %b;",
        "cvt.sat.f32.f32 %o, %a;",
        "cvt.rzi.ftz.s32.f32 %o, %a;",
        "setp.eq.and.s32 %p, %a, %b, %q;",
        "ld.u64 %o, [%in];",
        "ld.local.u64 %o, [%in];",
        "ld.global.cg.u64 %o, [%in];",
        "ld.volatile.shared.u32 %o, [%in];",
        "atom.global.add.f32 %o, [%out], %a;",
        "atom.global.cas.b32 %o, [%out], %a;",
        "bar.sync 1;",
        "bar.red.popc.u32 %o, 0, %p;",
        "shfl.sync.bfly.b64 %o, %a, 1, 31, -1;",
        "prmt.b32.f4e %o, %a, %b, %c;",
        "lop3.b32 %o, %a, %b, %c, 128;",
        "call.uni somewhere;",
        "ex2.approx.ftz.f32 %o, %a;",
        "add.s32 %o, %a;",
        "ld.global.v2.u32 %o, [%in];",
    ] {
        refused(instruction);
    }
    assert!(run("add.s32 %o, %a, %nobody;", &threads(1)).is_err());
    assert!(run("bra $nowhere;", &threads(1)).is_err());
    assert!(run(".local .align 8 .b8 depot[16];", &threads(1)).is_err());
    assert!(ptxsim::parse::module(".version 8.4\n.func (.param .b32 r) f()\n{\nret;\n}\n").is_err());
}
