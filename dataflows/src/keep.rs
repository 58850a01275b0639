//! The one driver of all operators with keyed state.
//!
//! ```text
//! records of tick t, in any order ──▶ open(t) ──▶ take(record)… ──▶ close(t) ──▶ what changed at t
//! ```
//!
//! A [`Keep`] is plain state that knows nothing of capabilities and frontiers; the driver calls it tick by tick, in
//! order, also at ticks at which nothing arrived but something is due.

use std::collections::BTreeMap;

use timely::ExchangeData;
use timely::dataflow::StreamVec;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::{Capability, Operator};

use crate::clock::Tick;

/// Records looked at before they are taken. Memory answers some ten questions at a time: asked together they cost
/// little more than one, and what they bring still fits the nearest cache.
pub const AHEAD: usize = 32;

/// A buffer of no more records is kept, however few of them were needed.
const SPARE_MAX: usize = 1 << 16;

/// Empties a buffer of which so much was used, for the next tick. Room for more than that is given back: it was for what came at once and will
/// not come again.
pub fn empty<T>(buffer: &mut Vec<T>, used: usize) {
    buffer.clear();
    buffer.shrink_to(SPARE_MAX.max(used));
}

/// State of one worker's share of the keys.
pub trait Keep: 'static {
    /// What arrives.
    type In: ExchangeData;
    /// What leaves.
    type Out: Clone + 'static;

    /// The next tick at which something happens though nothing arrives.
    fn due(&self) -> Option<Tick> {
        None
    }

    /// A tick begins: everything earlier is complete.
    fn open(&mut self, _tick: Tick, _out: &mut Vec<Self::Out>) {}

    /// At most [`AHEAD`] records that are taken next: reads what each of them will touch, and changes nothing.
    fn look(&self, _records: &[Self::In]) {}

    /// A record of the open tick.
    fn take(&mut self, tick: Tick, record: Self::In, out: &mut Vec<Self::Out>);

    /// All records of the open tick were taken.
    fn close(&mut self, _tick: Tick, _out: &mut Vec<Self::Out>) {}
}

/// Runs the state over the stream; records with the same `route` meet at the same worker. What is due later than
/// `until` is left undone: results end there.
pub fn keep<'scope, K: Keep>(
    input: StreamVec<'scope, Tick, K::In>,
    name: &str,
    route: impl Fn(&K::In) -> u64 + 'static,
    until: Tick,
    mut state: K,
) -> StreamVec<'scope, Tick, K::Out> {
    input.unary_frontier(Exchange::new(route), name, move |initial, _info| {
        let mut waiting: BTreeMap<Tick, Vec<K::In>> = BTreeMap::new();
        // Emptied buffers, used again: a tick's records are too large to ask the system for each time.
        let mut spare: Vec<Vec<K::In>> = Vec::new();
        let mut open: Option<Tick> = None;
        // Held at or before the earliest tick at which something may still be said.
        let mut capability: Option<Capability<Tick>> = Some(initial);
        let mut out = Vec::new();
        move |(input, frontier), output| {
            input.for_each(|held, records| {
                let Some(held) = held.retain_least(output.output_index()) else { return };
                waiting.entry(*held.time()).or_insert_with(|| spare.pop().unwrap_or_default()).append(records);
                if capability.as_ref().is_none_or(|kept| held.time() < kept.time()) {
                    capability = Some(held);
                }
            });
            loop {
                let due = state.due().filter(|due| *due <= until);
                let next = [open, waiting.keys().next().copied(), due].into_iter().flatten().min();
                let Some(tick) = next else {
                    capability = None;
                    break;
                };
                let held = capability.as_mut().expect("whatever waits or is due came with a capability");
                held.downgrade(&tick);
                if frontier.less_than(&tick) {
                    break;
                }
                if open != Some(tick) {
                    open = Some(tick);
                    state.open(tick, &mut out);
                }
                if let Some(mut records) = waiting.remove(&tick) {
                    let used = records.len();
                    let mut rest = records.drain(..);
                    while let ahead @ 1.. = rest.len().min(AHEAD) {
                        state.look(&rest.as_slice()[..ahead]);
                        rest.by_ref().take(ahead).for_each(|record| state.take(tick, record, &mut out));
                    }
                    drop(rest);
                    empty(&mut records, used);
                    // Of large ones there is one: another is only needed where ticks come faster than they are computed.
                    if spare.is_empty() || records.capacity() <= SPARE_MAX {
                        spare.push(records);
                    }
                    output.session(&*held).give_iterator(out.drain(..));
                }
                let complete = !frontier.less_equal(&tick);
                if complete {
                    state.close(tick, &mut out);
                    open = None;
                }
                output.session(&*held).give_iterator(out.drain(..));
                if !complete {
                    break;
                }
            }
        }
    })
}

/// A well-mixed hash for routing: equal on every worker and every process.
pub fn mix(value: u64) -> u64 {
    // The finalizer of MurmurHash3 (Appleby 2011).
    let mut h = value;
    h = (h ^ (h >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    h = (h ^ (h >> 33)).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    h ^ (h >> 33)
}
