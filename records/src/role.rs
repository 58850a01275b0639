//! Who may do what: a person or a program has one role, and a role may do some deeds.

/// What somebody is here for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Everything.
    Admin,
    /// Asks any question.
    Analyst,
    /// Reads everything, also who did what, and changes nothing.
    Auditor,
    /// Asks what rules and thresholds do, and sees nobody's listening.
    PolicyEditor,
    /// Asks, and says what is true.
    Reviewer,
    /// A program that sends rows and reads counters.
    Service,
}

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deed {
    /// Reads views of tracks, artists, uploaders, distributors and playlists, and what was decided.
    Read,
    /// Reads views in which rows are what single accounts and devices did.
    ReadListening,
    /// Reads counters of the service.
    Watch,
    /// Sends plays, corrections, the catalogue and what was heard.
    Send,
    /// Sends labels: says what is true.
    Label,
    /// Rules what a verdict is to be, whatever speaks against somebody.
    Rule,
    /// Reads who did what.
    Audit,
    /// Has an account forgotten.
    Erase,
}

impl Role {
    /// All roles, by name.
    pub const ALL: [(&'static str, Role); 6] = [
        ("admin", Role::Admin),
        ("analyst", Role::Analyst),
        ("auditor", Role::Auditor),
        ("policy-editor", Role::PolicyEditor),
        ("reviewer", Role::Reviewer),
        ("service", Role::Service),
    ];

    /// The role of that name.
    pub fn named(name: &str) -> Option<Role> {
        Role::ALL.iter().find(|(known, _)| *known == name).map(|(_, role)| *role)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Role::ALL.iter().find(|(_, role)| *role == self).map_or("", |(name, _)| name)
    }

    /// What it does, in words.
    pub fn in_words(self) -> &'static str {
        match self {
            Role::Admin => "may do everything",
            Role::Analyst => "asks any question",
            Role::Auditor => "reads everything, also who did what",
            Role::PolicyEditor => "asks, but sees no listening of single accounts",
            Role::Reviewer => "asks, and says what is true",
            Role::Service => "sends rows and reads counters",
        }
    }

    /// Whether it may do that.
    pub fn may(self, deed: Deed) -> bool {
        match self {
            Role::Admin => true,
            Role::Analyst => matches!(deed, Deed::Read | Deed::ReadListening | Deed::Watch),
            Role::Auditor => matches!(deed, Deed::Read | Deed::ReadListening | Deed::Watch | Deed::Audit),
            Role::PolicyEditor => matches!(deed, Deed::Read | Deed::Watch),
            Role::Reviewer => matches!(deed, Deed::Read | Deed::ReadListening | Deed::Watch | Deed::Label | Deed::Rule),
            Role::Service => matches!(deed, Deed::Send | Deed::Label | Deed::Watch),
        }
    }
}

impl Deed {
    /// What it is, for who may not.
    pub fn in_words(self) -> &'static str {
        match self {
            Deed::Read => "read views",
            Deed::ReadListening => "read what single accounts and devices did",
            Deed::Watch => "read counters",
            Deed::Send => "send plays, corrections, the catalogue or evidence",
            Deed::Label => "send labels",
            Deed::Rule => "send rulings",
            Deed::Audit => "read who did what",
            Deed::Erase => "have accounts erased",
        }
    }
}
