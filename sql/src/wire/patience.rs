//! How long a statement may work. What a client takes to read its rows is its own time.

use std::time::{Duration, Instant};

use futures::{FutureExt, StreamExt};
use pgwire::api::results::{Response, SendableRowStream};
use pgwire::error::PgWireResult;

use crate::problem::Problem;

/// Waits no longer than is allowed.
pub(super) async fn within<T>(limit: Duration, work: impl Future<Output = PgWireResult<T>>) -> PgWireResult<T> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done,
        Err(_) => Err(Problem::late(limit.as_millis()).into()),
    }
}

/// The rows, as long as they do not take longer than is allowed to come about; what the client takes to read them is
/// its own time.
pub(super) fn timed(rows: SendableRowStream, limit: Duration) -> SendableRowStream {
    let next = move |(mut rows, left): (SendableRowStream, Duration)| async move {
        let began = Instant::now();
        // Most rows are there already; for those no timer is set.
        let row = match rows.next().now_or_never() {
            Some(row) => row?,
            None => match tokio::time::timeout(left, rows.next()).await {
                Ok(row) => row?,
                Err(_) => return Some((Err(Problem::late(limit.as_millis()).into()), (nothing(), left))),
            },
        };
        let left = left.saturating_sub(began.elapsed());
        if left.is_zero() {
            return Some((Err(Problem::late(limit.as_millis()).into()), (nothing(), left)));
        }
        Some((row, (rows, left)))
    };
    Box::pin(futures::stream::unfold((rows, limit), next))
}

fn nothing() -> SendableRowStream {
    Box::pin(futures::stream::empty())
}

pub(super) fn timed_response(response: Response, limit: Duration) -> Response {
    match response {
        Response::Query(mut rows) => {
            rows.data_rows = timed(rows.data_rows, limit);
            Response::Query(rows)
        }
        other => other,
    }
}
