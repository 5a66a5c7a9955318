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

/// Success (RFC 1945, section 9.2).
pub(super) const OK: u16 = 200;

const PAUSE: Duration = Duration::from_millis(200);
const PATIENCE: Duration = Duration::from_secs(2);

/// A status line is shorter than this.
const STATUS_LINE_MAX: u64 = 1024;

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
    /// Asks the loopback port for `path` and reports every status until it is 200.
    pub(super) fn start(port: u16, path: String, report: impl Fn(u16) + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                if let Ok(status) = ask(port, &path) {
                    report(status);
                    if status == OK {
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

fn ask(port: u16, path: &str) -> io::Result<u16> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut stream = stream.take(STATUS_LINE_MAX);
    let mut buf = [0; 256];
    while !answer.contains(&b'\n') {
        match stream.read(&mut buf)? {
            0 => break,
            n => answer.extend_from_slice(buf.get(..n).unwrap_or_default()),
        }
    }
    status(&answer).ok_or_else(|| io::ErrorKind::InvalidData.into())
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
        let asker = Asker::start(port, "/health".into(), move |status| {
            report.send(status).unwrap();
        });
        for answer in ["", "HTTP/1.0 503 Not Yet\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\nbody"] {
            let (mut stream, _) = server.accept().unwrap();
            let mut request = [0; 21];
            stream.read_exact(&mut request).unwrap();
            assert_eq!(&request, b"GET /health HTTP/1.0\r");
            stream.write_all(answer.as_bytes()).unwrap();
        }
        assert_eq!(reports.iter().collect::<Vec<_>>(), [503, 200]);
        drop(asker);
    }
}
