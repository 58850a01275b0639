//! What programs can ask over HTTP: the list from which requests are routed, counted and described.
//!
//! ```text
//! OPERATIONS ──┬──▶ routes (lib.rs)
//!              ├──▶ counters by path and status (counted.rs)
//!              └──▶ /v1/openapi.json, by whoever writes JSON
//! ```
//!
//! A path that is not here is not served; the pages of the desk are for people and stand apart.

use records::Deed;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// Says whether it lives and is ready.
    Health,
    /// Says what was counted.
    Metrics,
    /// Says what can be asked.
    Describe,
    /// Shows rows of a view.
    View,
    /// Answers a question.
    Query,
    /// Follows the answer to a question.
    Subscribe,
    /// Takes rows of a table in.
    Take,
}

/// Who may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nobody has to say who it is.
    Nothing,
    /// A token whose role may do that.
    Role(Deed),
    /// A token whose role may do what the view or table asks for.
    ThatOfTheName,
}

/// Something that may be said with a request.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Where: `path`, `query` or `header`.
    pub place: &'static str,
    /// Whether it must be there.
    pub is_required: bool,
    /// What it means.
    pub about: &'static str,
}

/// Something that can be asked.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// `get` or `post`.
    pub method: &'static str,
    /// The path; a name in braces stands for any.
    pub path: &'static str,
    /// What is done.
    pub does: Does,
    /// The same in words.
    pub about: &'static str,
    /// Who may.
    pub needs: Needs,
    /// What may be said.
    pub parameters: &'static [Parameter],
    /// The media types of a body, where one is sent.
    pub body: &'static [&'static str],
    /// The media types of the answer.
    pub answer: &'static [&'static str],
    /// Status codes, and when.
    pub status: &'static [(u16, &'static str)],
}

const fn parameter(name: &'static str, place: &'static str, is_required: bool, about: &'static str) -> Parameter {
    Parameter { name, place, is_required, about }
}

const JSON: &str = "application/json";
const ARROW: &str = "application/vnd.apache.arrow.stream";
const PARQUET: &str = "application/vnd.apache.parquet";
const SQL: &str = "the statement; only questions";
const NO_TOKEN: (u16, &str) = (401, "no token, or one that is not in force");
const NOT_ALLOWED: (u16, &str) = (403, "the role may not do that, or it would change something");
const LATER: (u16, &str) = (429, "too fast, or memory or places are short: come again after Retry-After seconds");
const QUERY_STATUS: &[(u16, &str)] = &[
    (200, "the rows; an answer that cannot be ended breaks the connection"),
    (400, "it cannot be understood: what, and where"),
    NO_TOKEN,
    NOT_ALLOWED,
    (408, "it took too long"),
    (413, "the statement is longer than 1 MiB"),
    LATER,
];
const FORMAT: Parameter = parameter("format", "query", false, "json (default), csv, arrow or parquet");

/// Everything that can be asked.
pub const OPERATIONS: [Operation; 8] = [
    Operation {
        method: "get",
        path: "/health",
        does: Does::Health,
        about: "Whether everything is stated that was in the log at the start",
        needs: Needs::Nothing,
        parameters: &[],
        body: &[],
        answer: &[JSON],
        status: &[(200, "it is ready"), (503, "it lives, and is not ready yet")],
    },
    Operation {
        method: "get",
        path: "/metrics",
        does: Does::Metrics,
        about: "What was counted, as Prometheus reads it",
        needs: Needs::Role(Deed::Watch),
        parameters: &[],
        body: &[],
        answer: &["text/plain"],
        status: &[(200, "the counters"), NO_TOKEN, NOT_ALLOWED],
    },
    Operation {
        method: "get",
        path: "/v1/openapi.json",
        does: Does::Describe,
        about: "This description",
        needs: Needs::Nothing,
        parameters: &[],
        body: &[],
        answer: &[JSON],
        status: &[(200, "the description")],
    },
    Operation {
        method: "get",
        path: "/v1/view/{name}",
        does: Does::View,
        about: "Rows of a view as of one instant, which the header truestream-as-of tells",
        needs: Needs::ThatOfTheName,
        parameters: &[
            parameter("name", "path", true, "the view"),
            parameter("key", "query", false, "only rows of this id"),
            parameter("window", "query", false, "only rows of this window, such as 24h"),
            parameter("limit", "query", false, "at most so many rows; 10000 unless said"),
            parameter("format", "query", false, "json (default) or parquet"),
        ],
        body: &[],
        answer: &[JSON, PARQUET],
        status: &[(200, "the rows"), (400, "a parameter that cannot be"), NO_TOKEN, NOT_ALLOWED, (404, "no such view")],
    },
    Operation {
        method: "get",
        path: "/v1/query",
        does: Does::Query,
        about: "Any question in SQL over all views as of one instant",
        needs: Needs::Role(Deed::Read),
        parameters: &[parameter("sql", "query", true, SQL), FORMAT],
        body: &[],
        answer: &[JSON, "text/csv", ARROW, PARQUET],
        status: QUERY_STATUS,
    },
    Operation {
        method: "post",
        path: "/v1/query",
        does: Does::Query,
        about: "The same, with the statement as the body",
        needs: Needs::Role(Deed::Read),
        parameters: &[FORMAT],
        body: &["text/plain"],
        answer: &[JSON, "text/csv", ARROW, PARQUET],
        status: QUERY_STATUS,
    },
    Operation {
        method: "get",
        path: "/v1/subscribe",
        does: Does::Subscribe,
        about: "Follows the answer to a question: first the whole of it, then at every instant what came (diff above 0) and went (below); the sum \
                of all rows up to an event `stated` is the answer as of it",
        needs: Needs::Role(Deed::Read),
        parameters: &[parameter("sql", "query", true, SQL)],
        body: &[],
        answer: &["text/event-stream"],
        status: &[
            (200, "events rows, stated, and problem before an early end"),
            (400, "it cannot be understood, or its answer is too large to be followed"),
            NO_TOKEN,
            NOT_ALLOWED,
            (408, "it took too long"),
            LATER,
        ],
    },
    Operation {
        method: "post",
        path: "/v1/{table}",
        does: Does::Take,
        about: "Takes rows of a table in; 200 means that they are on disk",
        needs: Needs::ThatOfTheName,
        parameters: &[
            parameter(
                "table",
                "path",
                true,
                "plays, corrections, tracks, accounts, distributors, networks, playlists, labels, rulings, evidence or duplicate_group; or erasures, for accounts that are to be forgotten",
            ),
            parameter("Content-Encoding", "header", false, "gzip or zstd"),
            parameter("Truestream-Source", "header", false, "who sends; with Truestream-Offset"),
            parameter(
                "Truestream-Offset",
                "header",
                false,
                "its number there: what is not above the last one was taken before",
            ),
            parameter(
                "Truestream-Until",
                "header",
                false,
                "all that arrived before this instant, in milliseconds since 1970, was sent with it",
            ),
        ],
        body: &["application/x-ndjson", ARROW, PARQUET],
        answer: &[JSON],
        status: &[
            (200, "it is on disk; how many rows could not be read, and why"),
            (400, "a column is missing or holds what it cannot"),
            NO_TOKEN,
            NOT_ALLOWED,
            (404, "no such table"),
            (413, "it is too long"),
            (415, "no such format"),
            LATER,
            (503, "the disk failed: nothing is taken until the service is started again"),
        ],
    },
];

/// The path of the list that a request asks for; `/desk` and `/appeal` for pages, and `other` for what is not there.
pub(crate) fn path_of(asked: &str) -> &'static str {
    let is_name = |part: &str| part.starts_with('{');
    let fits = |path: &str| {
        path.split('/').count() == asked.split('/').count()
            && path.split('/').zip(asked.split('/')).all(|(part, asked)| part == asked || is_name(part))
    };
    // A path that is written out comes before one with a name in it.
    let exactly = OPERATIONS.iter().find(|operation| operation.path == asked);
    match exactly.or_else(|| OPERATIONS.iter().find(|operation| fits(operation.path))) {
        Some(operation) => operation.path,
        None if asked == "/desk" || asked.starts_with("/desk/") => "/desk",
        None if asked.starts_with("/appeal/") => "/appeal",
        None => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_counted_under_the_path_that_serves_it() {
        let paths = [
            ("/health", "/health"),
            ("/v1/query", "/v1/query"),
            ("/v1/plays", "/v1/{table}"),
            ("/v1/view/verdict", "/v1/view/{name}"),
            ("/v1/view", "/v1/{table}"),
            ("/v1/view/a/b", "other"),
            ("/desk/case/account/7", "/desk"),
            ("/appeal/account/7/code", "/appeal"),
            ("/desks", "other"),
            ("/", "other"),
        ];
        for (asked, path) in paths {
            assert_eq!(path_of(asked), path, "{asked}");
        }
    }
}
