//! Connections that are encrypted before anybody is spoken to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

/// Who has not agreed on a key by then is left alone.
const AGREED_WITHIN: Duration = Duration::from_secs(10);
/// Encrypted connections that may wait to be served.
const WAITING: usize = 64;
/// How long to wait where the system gives no connection, for want of file numbers for instance.
const FAILED_WAITS: Duration = Duration::from_millis(200);

/// A listener that hands on what is encrypted. Nobody waits for somebody else's handshake.
pub(crate) struct Encrypted {
    address: SocketAddr,
    agreed: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
}

impl Encrypted {
    /// Encrypts what comes in by the listener.
    pub(crate) fn new(listener: TcpListener, tls: Arc<ServerConfig>) -> std::io::Result<Encrypted> {
        let (sender, agreed) = mpsc::channel(WAITING);
        let (address, acceptor) = (listener.local_addr()?, TlsAcceptor::from(tls));
        tokio::spawn(async move {
            while !sender.is_closed() {
                let Ok((socket, from)) = listener.accept().await else {
                    sleep(FAILED_WAITS).await;
                    continue;
                };
                let _ = socket.set_nodelay(true);
                let (acceptor, sender) = (acceptor.clone(), sender.clone());
                tokio::spawn(async move {
                    if let Ok(Ok(stream)) = timeout(AGREED_WITHIN, acceptor.accept(socket)).await {
                        // A closed channel means that the service ends.
                        let _ = sender.send((stream, from)).await;
                    }
                });
            }
        });
        Ok(Encrypted { address, agreed })
    }
}

impl Listener for Encrypted {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        match self.agreed.recv().await {
            Some(agreed) => agreed,
            // The task that listens ends only with this listener.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        Ok(self.address)
    }
}
