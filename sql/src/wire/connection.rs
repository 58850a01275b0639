//! One connection: an entrance, and a session behind it.

use std::sync::Arc;

use datafusion::error::DataFusionError;
use pgwire::api::auth::StartupHandler;
use pgwire::api::cancel::{CancelHandler, DefaultCancelHandler};
use pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler};
use pgwire::api::{ClientInfo, ErrorHandler, PgWireServerHandlers};
use pgwire::error::{ErrorInfo, PgWireError};

use super::Door;
use super::entrance::Entrance;
use super::session::Session;
use crate::problem::Problem;

/// Somebody who is connected.
pub(super) struct Connection {
    entrance: Arc<Entrance>,
    session: Arc<Session>,
    cancels: Arc<DefaultCancelHandler>,
}

impl Connection {
    /// Somebody for whom there is room, or who is told that there is none.
    pub(super) fn new(door: Door, has_room: bool) -> Connection {
        let cancels = Arc::new(DefaultCancelHandler::new(door.connections.clone()));
        let session = Arc::new(Session::new(&door));
        let pinned = session.pinned.clone();
        let entrance = Arc::new(Entrance::new(door, has_room, pinned));
        Connection { entrance, session, cancels }
    }
}

impl PgWireServerHandlers for Connection {
    fn simple_query_handler(&self) -> Arc<impl SimpleQueryHandler> {
        self.session.clone()
    }

    fn extended_query_handler(&self) -> Arc<impl ExtendedQueryHandler> {
        self.session.clone()
    }

    fn startup_handler(&self) -> Arc<impl StartupHandler> {
        self.entrance.clone()
    }

    fn error_handler(&self) -> Arc<impl ErrorHandler> {
        Arc::new(Plainly)
    }

    fn cancel_handler(&self) -> Arc<impl CancelHandler> {
        self.cancels.clone()
    }
}

/// Says errors with the codes and words of [`Problem`].
struct Plainly;

impl ErrorHandler for Plainly {
    fn on_error<C: ClientInfo>(&self, _: &C, error: &mut PgWireError) {
        let cause = match error {
            PgWireError::ApiError(cause) => cause.downcast_ref::<DataFusionError>().map(Problem::from),
            _ => None,
        };
        if let Some(problem) = cause {
            *error = said(&problem);
        }
    }
}

fn said(problem: &Problem) -> PgWireError {
    let info = ErrorInfo::new("ERROR".to_owned(), problem.code.to_owned(), problem.message.clone());
    PgWireError::UserError(Box::new(info))
}

impl From<Problem> for PgWireError {
    fn from(problem: Problem) -> PgWireError {
        said(&problem)
    }
}
