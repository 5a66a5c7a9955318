//! HTTP GET with resumption and retries; the one place that opens sockets (I3).
//!
//! Every wait has an end: for an answer, for the next byte, for [enough of them](Limits::least), and
//! for the whole. How long a transfer takes decides about no byte of it.

use std::io::{self, Read};
use std::thread::sleep;
use std::time::{Duration, Instant};

use thiserror::Error;
use ureq::Agent;

use crate::files::FileError;

/// Pauses before the second and later tries of one address.
const BACKOFF: [Duration; 3] =
    [Duration::from_millis(300), Duration::from_secs(1), Duration::from_secs(3)];

/// How long a server may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For an answer to begin.
    answer: Duration,
    /// For the next byte within a body.
    silence: Duration,
    /// For each [`Self::least`] bytes of a body.
    window: Duration,
    /// The least that must come in a window: a server that gives a byte now and then holds up
    /// everything as one that is silent does.
    least: u64,
    /// For a body, whatever its length.
    whole: Duration,
    /// The least number of bytes a second that a long body must come with on the whole.
    rate: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(30),
            silence: Duration::from_secs(30),
            window: Duration::from_secs(60),
            least: 64 << 10,
            whole: Duration::from_secs(300),
            rate: 8 << 10,
        }
    }
}

/// A client that keeps connections open. Threads may share it.
#[derive(Clone, Debug)]
pub struct Client {
    agent: Agent,
    limits: Limits,
}

/// Why an address gave nothing.
#[derive(Debug, Error)]
pub enum HttpError {
    /// The server answered that there is no such thing (404, 410).
    #[error("{url}: the server does not have it (HTTP {status})")]
    NotFound {
        /// What was asked for.
        url: String,
        /// The answer.
        status: u16,
    },
    /// Any other answer than success.
    #[error("{url}: the server answered HTTP {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// The answer.
        status: u16,
    },
    /// No answer, or a broken one.
    #[error("{url}: {message}")]
    Transport {
        /// What was asked for.
        url: String,
        /// What went wrong.
        message: String,
    },
    /// It came too slowly.
    #[error("{url}: too slow: {message}")]
    TooSlow {
        /// What was asked for.
        url: String,
        /// How much came in which time, and how much should have.
        message: String,
    },
    /// What came could not be kept.
    #[error(transparent)]
    Storage(#[from] FileError),
    /// More bytes than there can be.
    #[error("{url}: more than the expected {limit} bytes")]
    TooLong {
        /// What was asked for.
        url: String,
        /// The most there can be.
        limit: u64,
    },
}

impl HttpError {
    /// True when trying again may help.
    fn is_passing(&self) -> bool {
        match self {
            Self::NotFound { .. }
            | Self::Storage(_)
            | Self::TooLong { .. }
            // It had its time; another mirror may do better.
            | Self::TooSlow { .. } => false,
            // 403 is how some archives throttle.
            Self::Status { status, .. } => matches!(status, 403 | 408 | 429 | 500..),
            Self::Transport { .. } => true,
        }
    }
}

/// The body of a response and where in the whole it starts.
pub struct Response {
    /// 0, or the offset that was asked for if the server honoured it.
    pub offset: u64,
    /// The bytes from there on.
    pub body: Box<dyn Read + Send>,
}

impl Client {
    /// A client that keeps these limits.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(concat!("cvmkit/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(limits.answer))
            .timeout_connect(Some(limits.answer))
            .timeout_send_request(Some(limits.answer))
            .timeout_recv_response(Some(limits.answer))
            .timeout_per_read(Some(limits.silence))
            .build();
        Self { agent: config.new_agent(), limits }
    }

    /// Asks once for `url` from `offset` on; what comes is no longer than `expected` bytes.
    pub fn get(&self, url: &str, offset: u64, expected: u64) -> Result<Response, HttpError> {
        self.get_since(Instant::now(), url, offset, expected)
    }

    /// The same as a part of a transfer that began earlier.
    fn get_since(
        &self,
        started: Instant,
        url: &str,
        offset: u64,
        expected: u64,
    ) -> Result<Response, HttpError> {
        let mut request = self.agent.get(url);
        if offset > 0 {
            request = request.header("range", format!("bytes={offset}-"));
        }
        let transport = |error: ureq::Error| HttpError::Transport {
            url: url.to_owned(),
            message: error.to_string(),
        };
        let response = request.call().map_err(transport)?;
        let status = response.status().as_u16();
        let start = match status {
            200 => 0,
            206 => offset,
            // A range behind the end: what is there from an earlier try is of no use.
            416 if offset > 0 => return self.get_since(started, url, 0, expected),
            404 | 410 => return Err(HttpError::NotFound { url: url.to_owned(), status }),
            _ => return Err(HttpError::Status { url: url.to_owned(), status }),
        };
        let body = response.into_body().into_with_config().limit(u64::MAX).reader();
        let body = Paced::new(body, self.limits, expected, started);
        Ok(Response { offset: start, body: Box::new(body) })
    }

    /// The whole of a small file of at most `limit` bytes, tried several times within one time limit:
    /// that of as many bytes as it is known to have. The most that a file may have is no length, so
    /// where none is known there is the same time for each.
    pub fn get_small(
        &self,
        url: &str,
        known: Option<u64>,
        limit: u64,
    ) -> Result<Vec<u8>, HttpError> {
        let started = Instant::now();
        retried(|| {
            let mut bytes = Vec::new();
            let response = self.get_since(started, url, 0, known.unwrap_or_default())?;
            let mut body = response.body.take(limit.saturating_add(1));
            body.read_to_end(&mut bytes).map_err(|error| broken(url, &error))?;
            if bytes.len() as u64 > limit {
                return Err(HttpError::TooLong { url: url.to_owned(), limit });
            }
            Ok(bytes)
        })
    }
}

/// What went wrong while the body of `url` was read.
pub fn broken(url: &str, error: &io::Error) -> HttpError {
    let url = url.to_owned();
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Slow>()) {
        Some(slow) => HttpError::TooSlow { url, message: slow.to_string() },
        None => HttpError::Transport { url, message: error.to_string() },
    }
}

/// How a body was too slow.
#[derive(Debug, Error)]
enum Slow {
    /// In a window.
    #[error("{came} bytes in {} s, expected at least {least}", passed.as_secs_f32().round())]
    Window { came: u64, passed: Duration, least: u64 },
    /// On the whole.
    #[error("{came} bytes and no end in {} s, expected all of it", passed.as_secs_f32().round())]
    Whole { came: u64, passed: Duration },
}

/// A body that must keep the [`Limits`].
struct Paced<R> {
    body: R,
    limits: Limits,
    /// For all of it.
    deadline: Duration,
    started: Instant,
    came: u64,
    /// When the window began, and how much had come by then.
    window: (Instant, u64),
}

impl<R> Paced<R> {
    fn new(body: R, limits: Limits, expected: u64, started: Instant) -> Self {
        let deadline = limits.whole + Duration::from_secs(expected / limits.rate.max(1));
        Self { body, limits, deadline, started, came: 0, window: (Instant::now(), 0) }
    }

    fn check(&mut self, now: Instant) -> Result<(), Slow> {
        let passed = now.saturating_duration_since(self.started);
        if passed > self.deadline {
            return Err(Slow::Whole { came: self.came, passed });
        }
        let (began, before) = self.window;
        let passed = now.saturating_duration_since(began);
        if passed < self.limits.window {
            return Ok(());
        }
        let (came, least) = (self.came - before, self.limits.least);
        if came < least {
            return Err(Slow::Window { came, passed, least });
        }
        self.window = (now, self.came);
        Ok(())
    }
}

impl<R: Read> Read for Paced<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.body.read(buf)?;
        self.came += n as u64;
        if n > 0 {
            self.check(Instant::now()).map_err(io::Error::other)?;
        }
        Ok(n)
    }
}

/// Tries until it works or trying again can't help.
pub fn retried<T>(mut attempt: impl FnMut() -> Result<T, HttpError>) -> Result<T, HttpError> {
    for pause in BACKOFF {
        match attempt() {
            Err(error) if error.is_passing() => sleep(pause),
            result => return result,
        }
    }
    attempt()
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// Asks a server that does this with each connection.
    fn asked(
        known: Option<u64>,
        serve: impl Fn(&mut TcpStream) -> io::Result<()> + Send + 'static,
    ) -> Result<Vec<u8>, HttpError> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}/x", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut head = [0; 1024];
                // A client that goes away ends the answer.
                drop(stream.read(&mut head).and_then(|_| serve(&mut stream)));
            }
        });
        let limits = Limits {
            answer: Duration::from_secs(5),
            silence: Duration::from_millis(300),
            window: Duration::from_millis(400),
            least: 1000,
            whole: Duration::from_millis(1500),
            rate: 1 << 20,
        };
        // At the least rate the limit would be there after 60 seconds more.
        Client::new(limits).get_small(&url, known, 60 << 20)
    }

    /// Gives `n` bytes every 50 ms, without end.
    fn drip(stream: &mut TcpStream, n: usize) -> io::Result<()> {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")?;
        loop {
            stream.write_all(&vec![b'x'; n])?;
            sleep(Duration::from_millis(50));
        }
    }

    #[test]
    fn a_server_that_drips_is_left() {
        let began = Instant::now();
        let error = asked(None, |stream| drip(stream, 1)).unwrap_err();
        assert!(matches!(error, HttpError::TooSlow { .. }), "{error}");
        assert!(error.to_string().contains("expected at least 1000"), "{error}");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }

    /// Nothing for longer than a silence may last: the connection is given up, not waited for.
    #[test]
    fn a_server_that_falls_silent_is_left() {
        let began = Instant::now();
        let error = asked(None, |stream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe")?;
            sleep(Duration::from_secs(20));
            stream.write_all(b"llo")
        })
        .unwrap_err();
        assert!(
            matches!(error, HttpError::Transport { .. } | HttpError::TooSlow { .. }),
            "{error}"
        );
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }

    /// Enough in every window, and yet too little for the whole: of a file whose length is known, and
    /// of one with no more than a bound, which gives it no more time.
    #[test]
    fn a_server_that_takes_for_ever_is_left() {
        for known in [Some(1 << 20), None] {
            let began = Instant::now();
            let error = asked(known, |stream| drip(stream, 500)).unwrap_err();
            assert!(matches!(error, HttpError::TooSlow { .. }), "{error}");
            assert!(error.to_string().contains("no end in"), "{error}");
            let passed = began.elapsed();
            assert!(passed < Duration::from_secs(10), "{known:?}: {passed:?}");
        }
    }

    /// One that breaks off each time has no more time for all tries together.
    #[test]
    fn tries_share_the_time() {
        let error = asked(None, |stream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")?;
            for _ in 0..20 {
                stream.write_all(&[b'x'; 500])?;
                sleep(Duration::from_millis(50));
            }
            stream.shutdown(std::net::Shutdown::Both)
        })
        .unwrap_err();
        assert!(matches!(error, HttpError::TooSlow { .. }), "{error}");
    }

    #[test]
    fn a_server_that_answers_is_read() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
        assert_eq!(asked(Some(5), |stream| stream.write_all(answer)).unwrap(), b"hello");
    }

    const URL: &str = "http://127.0.0.1/x";

    /// Asks once from an offset, with the answers that a server gives in their order; the requests' ranges
    /// come back beside what came.
    fn asked_from(
        offset: u64,
        answers: Vec<&'static str>,
    ) -> (Result<(u64, String), HttpError>, Vec<String>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}/x", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let mut ranges = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut head = vec![0; 4096];
                let len = stream.read(&mut head).unwrap();
                let head = String::from_utf8_lossy(&head[..len]).to_lowercase();
                let range = head.lines().find_map(|line| line.strip_prefix("range: "));
                ranges.push(range.unwrap_or("none").to_owned());
                let answer = format!("HTTP/1.1 {answer}");
                stream.write_all(answer.as_bytes()).unwrap();
            }
            ranges
        });
        let found = Client::new(Limits::default()).get(&url, offset, 5).map(|response| {
            let mut body = String::new();
            let mut reader = response.body;
            reader.read_to_string(&mut body).unwrap();
            (response.offset, body)
        });
        (found, server.join().unwrap())
    }

    const CLOSE: &str = "connection: close\r\ncontent-length: 0\r\n\r\n";

    /// RFC 9110, 14.2 and 15.3.7: a server may give the part that is asked for, or the whole.
    #[test]
    fn a_transfer_goes_on_where_it_ended() {
        let whole = "200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello";
        let part = "206 Partial Content\r\nconnection: close\r\ncontent-length: 2\r\n\r\nlo";
        let behind = "416 Range Not Satisfiable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        for (offset, answers, expected, ranges) in [
            (0, vec![whole], (0, "hello"), vec!["none"]),
            (3, vec![part], (3, "lo"), vec!["bytes=3-"]),
            (3, vec![whole], (0, "hello"), vec!["bytes=3-"]),
            (9, vec![behind, whole], (0, "hello"), vec!["bytes=9-", "none"]),
        ] {
            let (found, asked) = asked_from(offset, answers);
            let (offset, body) = found.unwrap();
            assert_eq!((offset, body.as_str()), expected);
            assert_eq!(asked, ranges);
        }
        let (found, _) = asked_from(0, vec![behind]);
        assert!(matches!(found, Err(HttpError::Status { status: 416, .. })), "{found:?}");
    }

    #[test]
    fn an_answer_without_the_file_is_an_error() {
        for (status, is_missing) in [
            (404, true),
            (410, true),
            (204, false),
            (304, false),
            (401, false),
            (403, false),
            (500, false),
        ] {
            let answer = format!("{status} Words\r\n{CLOSE}").leak();
            let (found, _) = asked_from(0, vec![answer]);
            match found.unwrap_err() {
                HttpError::NotFound { url, status: found } => {
                    assert!(is_missing && found == status && url.ends_with("/x"), "{status}");
                }
                HttpError::Status { status: found, .. } => {
                    assert!(!is_missing && found == status, "{status}");
                }
                error => panic!("{error}"),
            }
        }
    }

    #[test]
    fn a_small_file_has_a_bound() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}/x", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut head = [0; 1024];
                let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhello";
                drop(stream.read(&mut head).and_then(|_| stream.write_all(answer)));
            }
        });
        let get = |limit| Client::new(Limits::default()).get_small(&url, None, limit);
        assert_eq!(get(5).unwrap(), b"hello");
        let error = get(4).unwrap_err();
        assert_eq!(error.to_string(), format!("{url}: more than the expected 4 bytes"));
    }

    /// RFC 9110, 15.5 and 15.6, and 403 as archives use it.
    #[test]
    fn what_may_pass_is_tried_again() {
        let url = || URL.to_owned();
        for (status, expected) in [
            (400, false),
            (401, false),
            (402, false),
            (403, true),
            (405, false),
            (407, false),
            (408, true),
            (409, false),
            (428, false),
            (429, true),
            (430, false),
            (499, false),
            (500, true),
            (503, true),
            (599, true),
        ] {
            let error = HttpError::Status { url: url(), status };
            assert_eq!(error.is_passing(), expected, "{status}");
        }
        let file = crate::files::cannot("write", "a".as_ref())(io::Error::other("no space"));
        for (error, expected) in [
            (HttpError::Transport { url: url(), message: "reset".into() }, true),
            (HttpError::NotFound { url: url(), status: 404 }, false),
            (HttpError::TooSlow { url: url(), message: "1 byte".into() }, false),
            (HttpError::TooLong { url: url(), limit: 1 }, false),
            (HttpError::Storage(file), false),
        ] {
            assert_eq!(error.is_passing(), expected, "{error}");
        }
    }

    #[test]
    fn tries_end_with_the_first_answer() {
        let passing = || HttpError::Transport { url: URL.into(), message: "reset".into() };
        let count = |failures: u32, error: &dyn Fn() -> HttpError| {
            let mut tries = 0;
            let result = retried(|| {
                tries += 1;
                if tries <= failures { Err(error()) } else { Ok("x") }
            });
            (tries, result.is_ok())
        };
        assert_eq!(count(0, &passing), (1, true));
        assert_eq!(count(1, &passing), (2, true));
        assert_eq!(count(9, &passing), (4, false), "three pauses, four tries");
        let missing = || HttpError::NotFound { url: URL.into(), status: 404 };
        assert_eq!(count(1, &missing), (1, false));
    }

    /// 1000 bytes in each 10 s; 60 s for the whole, and 1 s more for each 100 bytes that are expected.
    #[test]
    fn a_body_keeps_its_pace() {
        let limits = Limits {
            answer: Duration::ZERO,
            silence: Duration::ZERO,
            window: Duration::from_secs(10),
            least: 1000,
            whole: Duration::from_secs(60),
            rate: 100,
        };
        let began = Instant::now();
        let after = |seconds: f32| began + Duration::from_secs_f32(seconds);
        let paced = |expected, came, window| Paced {
            came,
            window,
            ..Paced::new(io::empty(), limits, expected, began)
        };
        for (expected, came, at, said) in [
            (0, 0, 9.9, ""),
            (0, 999, 10.0, "999 bytes in 10 s, expected at least 1000"),
            (0, 1000, 10.0, ""),
            (0, 1000, 60.0, ""),
            (0, 1000, 60.6, "1000 bytes and no end in 61 s, expected all of it"),
            (199, 5000, 61.0, ""),
            (200, 5000, 61.4, ""),
            (199, 5000, 61.4, "5000 bytes and no end in 61 s, expected all of it"),
        ] {
            let found = paced(expected, came, (began, 0)).check(after(at));
            assert_eq!(found.map_or_else(|slow| slow.to_string(), |()| String::new()), said);
        }
        // What came before a window does not count in it.
        let mut late = paced(0, 5000, (after(20.0), 4001));
        assert!(late.check(after(30.0)).is_err());
        let mut enough = paced(0, 5000, (after(20.0), 4000));
        assert!(enough.check(after(29.0)).is_ok());
        assert_eq!(enough.window, (after(20.0), 4000), "the window is not over");
        assert!(enough.check(after(30.0)).is_ok());
        assert_eq!(enough.window, (after(30.0), 5000));
        let slow =
            io::Error::other(Slow::Window { came: 1, passed: Duration::from_secs(10), least: 9 });
        assert_eq!(
            broken(URL, &slow).to_string(),
            format!("{URL}: too slow: 1 bytes in 10 s, expected at least 9")
        );
        let reset = io::Error::from(io::ErrorKind::ConnectionReset);
        assert_eq!(broken(URL, &reset).to_string(), format!("{URL}: connection reset"));
    }
}
