//! Where somebody who connects proves who they are.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::{Sink, SinkExt};
use pgwire::api::auth::{
    DefaultServerParameterProvider, StartupHandler, finish_authentication, protocol_negotiation,
    save_startup_parameters_to_metadata,
};
use pgwire::api::{
    ClientInfo, METADATA_USER, PgWireConnectionState, PidSecretKeyGenerator, RandomPidSecretKeyGenerator,
};
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use pgwire::messages::startup::{Authentication, PasswordMessageFamily};
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};
use records::Deed;

use super::Door;
use super::scram::Exchange;
use crate::table::Pinned;

/// The one way to prove who one is.
const MECHANISM: &str = "SCRAM-SHA-256";
/// Who is wrong waits this long: guesses get expensive.
const WRONG_WAITS: Duration = Duration::from_millis(500);

fn fatal(code: &str, message: &str) -> PgWireError {
    PgWireError::UserError(Box::new(ErrorInfo::new("FATAL".to_owned(), code.to_owned(), message.to_owned())))
}

/// What the first message of an exchange says, where it asks for the one way there is. That of pgwire 0.41 trusts its lengths.
fn first_of(message: &PasswordMessageFamily) -> Option<&[u8]> {
    let PasswordMessageFamily::Raw(message) = message else { return None };
    let rest = message.strip_prefix(MECHANISM.as_bytes())?.strip_prefix(b"\0")?;
    let (length, data) = rest.split_first_chunk()?;
    (u32::from_be_bytes(*length) as usize == data.len()).then_some(data)
}

/// Where one proves who one is.
pub(super) struct Entrance {
    door: Door,
    has_room: bool,
    exchange: Mutex<Option<Exchange>>,
    pinned: Arc<Pinned>,
}

#[async_trait]
impl StartupHandler for Entrance {
    async fn on_startup<C>(&self, client: &mut C, message: PgWireFrontendMessage) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        match message {
            PgWireFrontendMessage::Startup(startup) => {
                if !self.has_room {
                    return Err(fatal("53300", "too many connections: close some, or come again later"));
                }
                if self.door.must_encrypt && !client.is_secure() {
                    return Err(fatal(
                        "28000",
                        "this server wants encryption: connect with sslmode=require, or stricter",
                    ));
                }
                protocol_negotiation(client, &startup).await?;
                save_startup_parameters_to_metadata(client, &startup);
                client.set_state(PgWireConnectionState::AuthenticationInProgress);
                let offered = Authentication::SASL(vec![MECHANISM.to_owned()]);
                client.send(PgWireBackendMessage::Authentication(offered)).await?;
            }
            PgWireFrontendMessage::PasswordMessageFamily(message) => {
                let begun = self.exchange.lock().expect("nobody panics with it").take();
                let user = client.metadata().get(METADATA_USER).cloned().unwrap_or_default();
                let wrong = || PgWireError::InvalidPassword(user.clone());
                if let Some(wait) = self.door.users.users().waits(&user) {
                    let why = format!("too many wrong passwords: come again in {} s", wait.as_secs() + 1);
                    return Err(fatal("53400", &why));
                }
                let Some(exchange) = begun else {
                    let begun = first_of(&message).and_then(|data| Exchange::begin(&self.door.users, &user, data));
                    let (exchange, answer) = begun.ok_or_else(wrong)?;
                    *self.exchange.lock().expect("nobody panics with it") = Some(exchange);
                    let answer = Authentication::SASLContinue(answer.into());
                    client.send(PgWireBackendMessage::Authentication(answer)).await?;
                    return Ok(());
                };
                let Some((answer, role)) = exchange.end(&message.into_sasl_response()?.data) else {
                    self.door.users.users().knocked(&user, false);
                    tokio::time::sleep(WRONG_WAITS).await;
                    return Err(wrong());
                };
                client.send(PgWireBackendMessage::Authentication(Authentication::SASLFinal(answer.into()))).await?;
                if !role.may(Deed::Read) {
                    return Err(fatal("42501", &format!("the role {} asks no questions", role.name())));
                }
                self.door.users.users().knocked(&user, true);
                self.pinned.settle(role);
                self.let_in(client).await?;
            }
            _ => {}
        }
        Ok(())
    }
}

impl Entrance {
    /// That of a session, which is told who came in; or one for whom there is no room.
    pub(super) fn new(door: Door, has_room: bool, pinned: Arc<Pinned>) -> Entrance {
        Entrance { door, has_room, exchange: Mutex::new(None), pinned }
    }

    async fn let_in<C>(&self, client: &mut C) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        let (pid, key) = RandomPidSecretKeyGenerator::default().generate(client);
        client.set_pid_and_secret_key(pid, key.clone());
        let (handle, guard) = self.door.connections.register(pid, key);
        client.session_extensions().insert(handle);
        client.session_extensions().insert(guard);
        let mut told = DefaultServerParameterProvider::default();
        told.is_superuser = false;
        told.default_transaction_read_only = true;
        finish_authentication(client, &told).await
    }
}
