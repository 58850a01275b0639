//! The views that the oracle can compute: their columns, and the SQL that says what they mean.

use std::ops::BitOr;

use records::gate::Finding;

/// The kinds of ids: the ids of one kind are texts everywhere, or numbers everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub(super) enum IdOf {
    Account,
    Artist,
    Content,
    Device,
    Distributor,
    Family,
    IpPrefix,
    Owner,
    Payment,
    Play,
    Playlist,
    Track,
    Uploader,
}

/// Which kinds of ids are texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TextIds(u16);

impl TextIds {
    /// These kinds, and the ids of this one.
    pub(super) fn with(self, id: IdOf) -> TextIds {
        self | TextIds(1 << id as u16)
    }

    /// Whether the ids of this kind are texts.
    pub(super) fn contains(self, id: IdOf) -> bool {
        self.0 & (1 << id as u16) != 0
    }
}

impl BitOr for TextIds {
    type Output = TextIds;

    fn bitor(self, other: TextIds) -> TextIds {
        TextIds(self.0 | other.0)
    }
}

/// What a column of a view holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// An id of this kind.
    Id(IdOf),
    /// An id of whatever kind the link is.
    LinkId,
    /// A word.
    Word,
    /// A count or a sum.
    Count,
    /// The one number with a fraction.
    Entropy,
    /// A text that is worded freely and compared with nothing.
    Free,
}

/// Which plays a view looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    /// Those of each window of the run; the view has a column `window`.
    Windows,
    /// Always those of the last so many milliseconds.
    Fixed(i64),
}

/// A view: its name, its columns and its definition.
pub(super) struct View {
    pub(super) name: &'static str,
    pub(super) sql: &'static str,
    pub(super) span: Span,
    pub(super) keys: &'static [(&'static str, Holds)],
    /// The columns after the keys.
    pub(super) values: &'static [&'static str],
}

impl View {
    /// The key columns and those after them.
    pub(super) fn columns(&self) -> impl Iterator<Item = (&'static str, Holds)> {
        let values = self.values.iter().map(|&name| match name {
            "track_entropy" => (name, Holds::Entropy),
            "group_id" => (name, Holds::Id(IdOf::Account)),
            "action" | "uploader_id" | "distributor_id" => (name, Holds::Word),
            "reason" | "policy_version" => (name, Holds::Free),
            _ => (name, Holds::Count),
        });
        self.keys.iter().copied().chain(values)
    }
}

/// The table that has no `as_of`: it is compared as a set.
pub(super) const REFUSAL: &str = "refusal";

/// The table of what is found about uploads.
pub(super) const GATE: &str = "gate";

/// What the gate finds by verdicts, which plain SQL does not define.
pub(super) const BEYOND_SQL: [&str; 2] = [Finding::DistributorReputation.code(), Finding::UploaderReputation.code()];

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

macro_rules! sql {
    ($($file:literal),+) => { concat!(include_str!("sql/live.sql"), $(include_str!(concat!("sql/", $file))),+) };
}

macro_rules! per_key_columns {
    ($($more:literal),*) => {
        &[
            "plays", "payable", "edge", "played_ms", "listeners", "top_account_plays", "account_sum_squares",
            "countries", "devices", "ip_prefixes", "by_search", "by_library", "by_algorithm", "by_editorial",
            "by_playlist", "new_account_plays", $($more),*
        ]
    };
}

/// All views, in the order of the contract.
pub(super) const VIEWS: &[View] = &[
    View {
        name: "account_window",
        sql: sql!("account_window.sql"),
        span: Span::Windows,
        keys: &[("account_id", Holds::Id(IdOf::Account))],
        values: &[
            "plays",
            "payable",
            "edge",
            "played_ms",
            "tracks",
            "artists",
            "countries",
            "devices",
            "ip_prefixes",
            "asns",
            "playlists",
            "top_track_plays",
            "track_sum_squares",
            "track_entropy",
            "active_hours",
            "offline",
            "shuffled",
            "skipped",
            "hosted",
            "by_search",
            "by_library",
            "by_algorithm",
            "by_editorial",
            "by_playlist",
        ],
    },
    View {
        name: "track_window",
        sql: sql!("track_window.sql", "per_key.sql"),
        span: Span::Windows,
        keys: &[("track_id", Holds::Id(IdOf::Track))],
        values: per_key_columns!(),
    },
    View {
        name: "artist_window",
        sql: sql!("listed.sql", "artist_window.sql", "per_key.sql"),
        span: Span::Windows,
        keys: &[("artist_id", Holds::Id(IdOf::Artist))],
        values: per_key_columns!("tracks"),
    },
    View {
        name: "uploader_window",
        sql: sql!("listed.sql", "uploader_window.sql", "per_key.sql"),
        span: Span::Windows,
        keys: &[("uploader_id", Holds::Id(IdOf::Uploader))],
        values: per_key_columns!("tracks", "uploads"),
    },
    View {
        name: "playlist_window",
        sql: sql!("playlist_window.sql", "per_key.sql"),
        span: Span::Windows,
        keys: &[("playlist_id", Holds::Id(IdOf::Playlist))],
        values: per_key_columns!("tracks"),
    },
    View {
        name: "distributor_window",
        sql: sql!("listed.sql", "distributor_window.sql", "per_key.sql"),
        span: Span::Windows,
        keys: &[("distributor_id", Holds::Id(IdOf::Distributor))],
        values: per_key_columns!("tracks", "uploads"),
    },
    View {
        name: "account_group",
        sql: sql!("links.sql", "account_group.sql"),
        span: Span::Fixed(7 * DAY_MS),
        keys: &[("account_id", Holds::Id(IdOf::Account))],
        values: &["group_id", "size"],
    },
    View {
        name: "hubs",
        sql: sql!("links.sql", "hubs.sql"),
        span: Span::Fixed(7 * DAY_MS),
        keys: &[("link", Holds::Word), ("id", Holds::LinkId)],
        values: &["accounts"],
    },
    View {
        name: "lockstep",
        sql: sql!("lockstep.sql"),
        span: Span::Fixed(DAY_MS),
        keys: &[("account_a", Holds::Id(IdOf::Account)), ("account_b", Holds::Id(IdOf::Account))],
        values: &["shared"],
    },
    View {
        name: GATE,
        sql: sql!("gate.sql"),
        span: Span::Fixed(0),
        keys: &[("track_id", Holds::Id(IdOf::Track)), ("rule", Holds::Word)],
        values: &["action", "seen", "against", "uploader_id", "distributor_id", "reason", "policy_version"],
    },
];
