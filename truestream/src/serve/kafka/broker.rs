//! A connection to a broker: questions go out, their answers come in, and nobody waits for ever.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use datasets::kafka::{Question, Trouble, authenticated, handshaken, tells_ids};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::serve::source::Progress;

/// Who does not take a connection within this time is away.
const CONNECTS_WITHIN: Duration = Duration::from_secs(3);
/// Who does not answer within this time, beyond what was to be waited for, is away.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// How often somebody looks whether the service is to end.
const LOOKS_EVERY: Duration = Duration::from_millis(100);
/// A longer answer is not read. It may hold one batch that is longer than what was asked for; Kafka takes batches of a mebibyte unless told otherwise.
const ANSWER_MAX: usize = 64 << 20;
/// Name and password as one word, as RFC 4616 has it.
const PLAIN: &str = "PLAIN";

/// How brokers are reached.
#[derive(Clone, Default)]
pub struct Way {
    /// Who vouches for them, where nothing is said in plain text.
    pub tls: Option<Arc<ClientConfig>>,
    /// Name and password.
    pub login: Option<(String, String)>,
}

/// A connection to a broker.
pub struct Connection {
    stream: Stream,
    address: String,
    /// The number of the last question.
    number: i32,
    /// Whether it tells the ids of topics.
    pub tells_ids: bool,
}

enum Stream {
    Plain(Patient),
    Tls(Box<StreamOwned<ClientConnection, Patient>>),
}

/// A socket that is waited for until an instant, or until the service ends.
struct Patient {
    socket: TcpStream,
    until: Instant,
    progress: Arc<Progress>,
}

impl Patient {
    fn wait<T>(&mut self, mut attempt: impl FnMut(&mut TcpStream) -> io::Result<T>) -> io::Result<T> {
        loop {
            match attempt(&mut self.socket) {
                Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => {
                    if Instant::now() >= self.until || self.progress.stopping.load(Ordering::Relaxed) {
                        return Err(io::Error::new(ErrorKind::TimedOut, "it does not answer"));
                    }
                }
                done => return done,
            }
        }
    }
}

impl Read for Patient {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.wait(|socket| socket.read(to))
    }
}

impl Write for Patient {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.wait(|socket| socket.write(from))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

impl Stream {
    fn patient(&mut self) -> &mut Patient {
        match self {
            Stream::Plain(patient) => patient,
            Stream::Tls(stream) => &mut stream.sock,
        }
    }

    fn read_exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = match self {
            Stream::Plain(patient) => patient.take(length as u64).read_to_end(&mut bytes),
            Stream::Tls(stream) => stream.as_mut().take(length as u64).read_to_end(&mut bytes),
        };
        match read {
            Ok(read) if read == length => Ok(bytes),
            // TLS asks for more of a goodbye than brokers say.
            Err(error) if error.kind() != ErrorKind::UnexpectedEof => Err(error),
            _ => Err(io::Error::new(ErrorKind::UnexpectedEof, "it hung up")),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Stream::Plain(patient) => patient.write_all(bytes),
            Stream::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }
}

impl Connection {
    /// Connects with the broker at `host:port`, and says who we are.
    ///
    /// # Errors
    /// Says which broker, and why not.
    pub fn open(address: &str, way: &Way, progress: &Arc<Progress>) -> Result<Connection, String> {
        let away = |why: &dyn std::fmt::Display| format!("{address}: {why}");
        let socket = connect(address).map_err(|error| away(&error))?;
        let ready = socket.set_nodelay(true).and_then(|()| socket.set_read_timeout(Some(LOOKS_EVERY)));
        ready.and_then(|()| socket.set_write_timeout(Some(LOOKS_EVERY))).map_err(|error| away(&error))?;
        let patient = Patient { socket, until: Instant::now() + ANSWERS_WITHIN, progress: progress.clone() };
        let stream = match &way.tls {
            None => Stream::Plain(patient),
            Some(tls) => {
                let host = address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']']);
                let name = ServerName::try_from(host.to_owned()).map_err(|error| away(&error))?;
                let session = ClientConnection::new(tls.clone(), name).map_err(|error| away(&error))?;
                Stream::Tls(Box::new(StreamOwned::new(session, patient)))
            }
        };
        let mut connection = Connection { stream, address: address.to_owned(), number: 0, tells_ids: false };
        let (number, answer) = connection.ask(Question::Versions)?;
        connection.tells_ids = tells_ids(number, &answer).map_err(|trouble| away(&trouble))?;
        if let Some((name, password)) = &way.login {
            connection.log_in(name, password).map_err(|why| away(&why))?;
        }
        Ok(connection)
    }

    fn log_in(&mut self, name: &str, password: &str) -> Result<(), String> {
        let (number, answer) = self.ask(Question::Handshake(PLAIN))?;
        let said = |trouble: Trouble| trouble.to_string();
        handshaken(number, &answer).map_err(said)?;
        let (number, answer) = self.ask(Question::Authenticate(format!("\0{name}\0{password}").as_bytes()))?;
        authenticated(number, &answer).map(drop).map_err(said)
    }

    /// Sends a question; the number that its answer has.
    ///
    /// # Errors
    /// Says which broker, and why not.
    pub fn send(&mut self, question: Question<'_>) -> Result<i32, String> {
        self.number = self.number.wrapping_add(1);
        self.stream.patient().until = Instant::now() + ANSWERS_WITHIN;
        let sent = self.stream.write(&question.to_bytes(self.number));
        sent.map(|()| self.number).map_err(|error| format!("{}: {error}", self.address))
    }

    /// The answer to the question that was sent last, which is to be waited for so long.
    ///
    /// # Errors
    /// Says which broker, and why not.
    pub fn receive(&mut self, wait: Duration) -> Result<Vec<u8>, String> {
        self.stream.patient().until = Instant::now() + wait + ANSWERS_WITHIN;
        let length = self.stream.read_exactly(4).map_err(|error| format!("{}: {error}", self.address))?;
        let length = i32::from_be_bytes(length.try_into().expect("four bytes"));
        match usize::try_from(length) {
            Ok(length) if length <= ANSWER_MAX => {
                self.stream.read_exactly(length).map_err(|error| format!("{}: {error}", self.address))
            }
            _ => Err(format!("{}: an answer of {length} bytes; at most {ANSWER_MAX} are read", self.address)),
        }
    }

    /// Asks, and waits for the answer; it comes with its number.
    ///
    /// # Errors
    /// Says which broker, and why not.
    pub fn ask(&mut self, question: Question<'_>) -> Result<(i32, Vec<u8>), String> {
        let number = self.send(question)?;
        Ok((number, self.receive(Duration::ZERO)?))
    }
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let mut last = io::Error::new(ErrorKind::NotFound, "no such host");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECTS_WITHIN) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}
