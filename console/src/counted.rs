//! Counts requests by path and status, and how long they took until their answer began.
//!
//! ```text
//! request ──▶ answer ──▶ (path, status) + 1, and seconds into a histogram of the path ──▶ /metrics
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use crate::operations::path_of;

/// Bounds of the histogram: from a look-up to the longest that a statement may take.
const SECONDS: [f64; 10] = [0.001, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 30.0, f64::INFINITY];

#[derive(Default)]
struct Took {
    /// Requests within each bound and above the one before.
    within: [u64; SECONDS.len()],
    seconds: f64,
}

/// What was counted.
#[derive(Default)]
pub(crate) struct Counts {
    answers: Mutex<BTreeMap<(&'static str, u16), u64>>,
    took: Mutex<BTreeMap<&'static str, Took>>,
}

impl Counts {
    fn count(&self, path: &'static str, status: u16, seconds: f64) {
        *self.answers.lock().expect("nobody panics with it").entry((path, status)).or_default() += 1;
        let mut took = self.took.lock().expect("nobody panics with it");
        let took = took.entry(path).or_default();
        let place = SECONDS.iter().position(|bound| seconds <= *bound).unwrap_or(SECONDS.len() - 1);
        took.within[place] += 1;
        took.seconds += seconds;
    }

    /// All of it, as Prometheus reads it.
    pub(crate) fn told(&self) -> String {
        let mut text = String::from(
            "# HELP truestream_http_requests_total Requests that were answered.\n# TYPE truestream_http_requests_total counter\n",
        );
        for ((path, status), requests) in &*self.answers.lock().expect("nobody panics with it") {
            let _ = writeln!(text, "truestream_http_requests_total{{path=\"{path}\",status=\"{status}\"}} {requests}");
        }
        let name = "truestream_http_request_seconds";
        let _ = write!(text, "# HELP {name} Time until an answer began.\n# TYPE {name} histogram\n");
        for (path, Took { within, seconds }) in &*self.took.lock().expect("nobody panics with it") {
            let mut requests = 0;
            for (count, bound) in within.iter().zip(SECONDS) {
                requests += count;
                let bound = if bound.is_finite() { bound.to_string() } else { "+Inf".to_owned() };
                let _ = writeln!(text, "{name}_bucket{{path=\"{path}\",le=\"{bound}\"}} {requests}");
            }
            let _ =
                writeln!(text, "{name}_sum{{path=\"{path}\"}} {seconds}\n{name}_count{{path=\"{path}\"}} {requests}");
        }
        text
    }
}

/// Counts a request.
pub(crate) async fn counted(State(counts): State<Arc<Counts>>, request: Request, next: Next) -> Response {
    let (path, began) = (path_of(request.uri().path()), Instant::now());
    let answer = next.run(request).await;
    counts.count(path, answer.status().as_u16(), began.elapsed().as_secs_f64());
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_all_that_is_below_its_bound() {
        let counts = Counts::default();
        for (status, seconds) in [(200, 0.0), (200, 0.01), (429, 0.2), (200, 1_000.0)] {
            counts.count("/v1/query", status, seconds);
        }
        let told = counts.told();
        for line in [
            "truestream_http_requests_total{path=\"/v1/query\",status=\"200\"} 3",
            "truestream_http_requests_total{path=\"/v1/query\",status=\"429\"} 1",
            "truestream_http_request_seconds_bucket{path=\"/v1/query\",le=\"0.001\"} 1",
            "truestream_http_request_seconds_bucket{path=\"/v1/query\",le=\"0.01\"} 2",
            "truestream_http_request_seconds_bucket{path=\"/v1/query\",le=\"30\"} 3",
            "truestream_http_request_seconds_bucket{path=\"/v1/query\",le=\"+Inf\"} 4",
            "truestream_http_request_seconds_count{path=\"/v1/query\"} 4",
        ] {
            assert!(told.lines().any(|told| told == line), "{line}:\n{told}");
        }
    }
}
