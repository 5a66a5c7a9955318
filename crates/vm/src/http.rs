//! One question to a server in the guest, asked until it answers 200: a plain HTTP/1.0 GET (RFC
//! 1945).
//!
//! The guest's port is forwarded to a loopback port of the host by QEMU's user network, which
//! accepts connections before the guest listens: a refused, reset or empty answer means "not yet".

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::console::plain;

/// Success (RFC 1945, section 9.2).
pub(super) const OK: u16 = 200;

const PAUSE: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(2);

/// What is read of an answer: head and the start of its body.
const ANSWER_MAX: u64 = 4096;

/// What is shown of a body, in characters.
const BODY_MAX: usize = 200;

/// What a server in the guest answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    /// The status, 200 for success.
    pub status: u16,
    /// The first line of the body, safe to print.
    pub body: String,
}

/// A loopback port nobody listens on now.
pub(super) fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// A thread that asks; dropping it stops and joins it.
#[derive(Debug)]
pub(super) struct Asker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Asker {
    /// Asks the loopback port for `path` and reports every answer until its status is 200.
    pub(super) fn start(
        port: u16,
        path: String,
        report: impl Fn(HttpAnswer) + Send + 'static,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                if let Ok(answer) = ask(port, &path) {
                    let is_ok = answer.status == OK;
                    report(answer);
                    if is_ok {
                        return;
                    }
                }
                std::thread::sleep(PAUSE);
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It has nothing to say that was not reported.
            drop(thread.join());
        }
    }
}

fn ask(port: u16, path: &str) -> io::Result<HttpAnswer> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    // A connection that breaks or stays open has said what it said.
    let ended = stream.take(ANSWER_MAX).read_to_end(&mut answer);
    match (status(&answer), ended) {
        (Some(status), _) => Ok(HttpAnswer { status, body: body(&answer) }),
        (None, Err(error)) => Err(error),
        (None, Ok(_)) => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// The first line of the body, which is behind the first empty line.
fn body(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    let body = ["\r\n\r\n", "\n\n"].iter().find_map(|end| text.split_once(end));
    let line = body.and_then(|(_, body)| body.lines().find(|line| !line.trim().is_empty()));
    plain(line.unwrap_or_default().trim().as_bytes()).chars().take(BODY_MAX).collect()
}

/// The code of a status line (RFC 1945, section 6.1; HTTP/1.1 has the same one).
fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|byte| *byte == b'\n').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    words.next().filter(|word| word.starts_with("HTTP/"))?;
    words.next().filter(|word| word.len() == 3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_lines() {
        assert_eq!(status(b"HTTP/1.0 200 OK\r\n"), Some(200));
        assert_eq!(status(b"HTTP/1.1 503\r\nX: HTTP/1.0 200\r\n"), Some(503));
        assert_eq!(status(b"HTTP/1.1 2000 OK\r\n"), None);
        assert_eq!(status(b"SSH-2.0-x 200\r\n"), None);
        assert_eq!(status(b""), None);
    }

    #[test]
    fn asks_until_the_answer_is_200() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = server.local_addr().unwrap().port();
        let (report, reports) = std::sync::mpsc::channel();
        let asker = Asker::start(port, "/health".into(), move |answer| {
            report.send((answer.status, answer.body)).unwrap();
        });
        let answers = [
            "",
            "HTTP/1.0 503 Not Yet\r\n\r\n",
            "HTTP/1.0 200 OK\r\nX: y\r\n\r\n\n\x1b[31mall is \x07well\nand so on",
        ];
        for answer in answers {
            let (mut stream, _) = server.accept().unwrap();
            let mut request = [0; 21];
            stream.read_exact(&mut request).unwrap();
            assert_eq!(&request, b"GET /health HTTP/1.0\r");
            stream.write_all(answer.as_bytes()).unwrap();
        }
        let expected = [(503, String::new()), (200, "all is well".to_owned())];
        assert_eq!(reports.iter().collect::<Vec<_>>(), expected);
        drop(asker);
    }
}
