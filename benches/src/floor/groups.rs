//! Q3 by hand: `account_group`, by union-find over all shared devices whenever one of them changed.

use hashbrown::{HashMap, HashSet};

use super::View;
use super::accounts::bump;
use crate::feed::Play;
use crate::views::{Digest, GroupRow, HUB_ACCOUNTS, weight};

/// Who used which device in the window.
#[derive(Default)]
pub struct Groups {
    /// Plays by (account, device).
    links: HashMap<(u32, u32), u32>,
    by_device: HashMap<u32, Vec<u32>>,
    /// Devices with more than one account, hubs included.
    shared: HashSet<u32>,
    changed: bool,
    digest: Digest,
}

impl View for Groups {
    fn change(&mut self, play: &Play, diff: isize) {
        let (before, after) = bump(&mut self.links, (play.account, play.device), diff);
        if (before == 0) == (after == 0) {
            return;
        }
        let accounts = self.by_device.entry(play.device).or_default();
        if before == 0 {
            accounts.push(play.account);
        } else {
            accounts.retain(|account| *account != play.account);
        }
        // One account alone joins nobody, before and after.
        self.changed |= accounts.len() > 1 || (before > 0 && accounts.len() == 1);
        match accounts.len() {
            0 => drop(self.by_device.remove(&play.device)),
            1 => drop(self.shared.remove(&play.device)),
            _ => drop(self.shared.insert(play.device)),
        }
    }

    fn refresh(&mut self) -> Digest {
        if self.changed {
            self.changed = false;
            let joining = self.shared.iter().map(|device| &self.by_device[device]);
            self.digest = digest_of(joining.filter(|accounts| accounts.len() <= HUB_ACCOUNTS));
        }
        self.digest.clone()
    }
}

/// The groups of accounts that the devices join; the root of a group is its smallest account.
fn digest_of<'a>(devices: impl Iterator<Item = &'a Vec<u32>>) -> Digest {
    let mut parents: HashMap<u32, u32> = HashMap::new();
    for accounts in devices {
        let first = root(&mut parents, accounts[0]);
        for account in &accounts[1..] {
            let (first, other) = (root(&mut parents, first), root(&mut parents, *account));
            parents.insert(first.max(other), first.min(other));
        }
    }
    let accounts: Vec<u32> = parents.keys().copied().collect();
    let rooted: Vec<(u32, u32)> = accounts.into_iter().map(|account| (account, root(&mut parents, account))).collect();
    let mut sizes: HashMap<u32, u32> = HashMap::new();
    for (_, group) in &rooted {
        *sizes.entry(*group).or_default() += 1;
    }
    let mut digest = Digest::default();
    for (account, group_id) in rooted {
        digest.add(weight(u64::from(account)), &GroupRow { group_id, size: sizes[&group_id] }, 1);
    }
    digest
}

fn root(parents: &mut HashMap<u32, u32>, mut account: u32) -> u32 {
    loop {
        let parent = *parents.entry(account).or_insert(account);
        if parent == account {
            return account;
        }
        let grandparent = parents[&parent];
        parents.insert(account, grandparent);
        account = grandparent;
    }
}
