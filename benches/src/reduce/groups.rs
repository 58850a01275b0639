//! Q3 in the textbook's way: the smallest account of a group travels along the links until nothing changes.

use differential_dataflow::VecCollection;
use differential_dataflow::algorithms::graphs::propagate::propagate;
use differential_dataflow::operators::ThresholdTotal;

use super::Facts;
use crate::views::{GroupRow, HUB_ACCOUNTS};

/// The group of each account that shares a device.
pub fn groups(plays: Facts<'_>) -> VecCollection<'_, u64, (u32, GroupRow)> {
    // A star is enough to join the accounts of a device: each to the smallest.
    let links = plays
        .map(|(account, _track, _artist, device, ..)| (device, account))
        .distinct_total()
        .reduce_named("Links", |_device, accounts: &[(&u32, isize)], links| {
            if (2..=HUB_ACCOUNTS).contains(&accounts.len()) {
                let first = *accounts[0].0;
                links.extend(accounts[1..].iter().map(|(other, _)| ((first, **other), 1_isize)));
            }
        })
        .map(|(_device, link)| link);
    let both_ways = links.clone().concat(links.map(|(a, b)| (b, a))).distinct_total();
    let alone = both_ways.clone().map(|(account, _)| account).distinct_total().map(|account| (account, account));
    propagate(both_ways, alone)
        .map(|(account, group)| (group, account))
        .reduce_named("Sizes", |_group, accounts: &[(&u32, isize)], sized| {
            let size = accounts.len() as u32;
            sized.extend(accounts.iter().map(|(account, _)| ((**account, size), 1_isize)));
        })
        .map(|(group_id, (account, size))| (account, GroupRow { group_id, size }))
}
