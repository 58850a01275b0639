//! The wire of PostgreSQL: its clients connect, prove who they are, and ask.
//!
//! ```text
//! accept ──▶ room? ──▶ TLS ──▶ SCRAM ──▶ statement ──▶ allowed? ──▶ one instant ──▶ rows, while time and memory last
//! ```
//!
//! A connection has a session and an authentication of its own. Where there is a certificate, nobody is spoken to in plain text.

mod connection;
mod copy;
mod dialect;
mod entrance;
mod patience;
mod scram;
mod session;
mod statements;
mod subscribe;

use std::net::SocketAddr;
use std::sync::Arc;

use pgwire::api::ConnectionManager;
use pgwire::tokio::process_socket;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use self::connection::Connection;
pub(crate) use self::dialect::presentable;
use self::scram::Guests;
pub use self::scram::{Users, Verifier};
use crate::database::Database;

/// What all connections share.
struct Door {
    database: Arc<Database>,
    users: Arc<Guests>,
    connections: Arc<ConnectionManager>,
    must_encrypt: bool,
}

impl Database {
    /// Listens for clients of PostgreSQL until the database is dropped; returns where. With `tls`, only who encrypts comes in.
    ///
    /// # Errors
    /// When the address cannot be listened at.
    pub fn listen(
        self: &Arc<Database>,
        address: SocketAddr,
        users: Arc<dyn Users>,
        tls: Option<Arc<ServerConfig>>,
    ) -> std::io::Result<SocketAddr> {
        let listener = self.threads().block_on(TcpListener::bind(address))?;
        let bound = listener.local_addr()?;
        let connections = Arc::new(ConnectionManager::new());
        let room = self.room().clone();
        let database = Arc::downgrade(self);
        let users = Arc::new(Guests::new(users));
        let tls = tls.map(TlsAcceptor::from);
        self.threads().spawn(async move {
            loop {
                let Ok((socket, _)) = listener.accept().await else { continue };
                let Some(database) = database.upgrade() else { return };
                let door = Door {
                    database,
                    users: users.clone(),
                    connections: connections.clone(),
                    must_encrypt: tls.is_some(),
                };
                let tls = tls.clone();
                let place = room.clone().try_acquire_owned().ok();
                tokio::spawn(async move {
                    let _ = socket.set_nodelay(true);
                    let connection = Connection::new(door, place.is_some());
                    // Whoever hangs up in the middle of something does not mind.
                    let _ = process_socket(socket, tls, connection).await;
                    drop(place);
                });
            }
        });
        Ok(bound)
    }
}
