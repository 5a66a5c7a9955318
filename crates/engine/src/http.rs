//! HTTP GET with resumption and retries; the one place that opens sockets (I3).

use std::io::Read;
use std::thread::sleep;
use std::time::Duration;

use thiserror::Error;
use ureq::Agent;

use crate::files::FileError;

/// Pauses before the second and later tries of one address.
const BACKOFF: [Duration; 3] =
    [Duration::from_millis(300), Duration::from_secs(1), Duration::from_secs(3)];

/// How long a server may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a connection may be silent within a body.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// A client that keeps connections open. Threads may share it.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    agent: Agent,
}

/// Why an address gave nothing.
#[derive(Debug, Error)]
pub(crate) enum HttpError {
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
            Self::NotFound { .. } | Self::Storage(_) | Self::TooLong { .. } => false,
            // 403 is how some archives throttle.
            Self::Status { status, .. } => matches!(status, 403 | 408 | 429 | 500..),
            Self::Transport { .. } => true,
        }
    }
}

/// The body of a response and where in the whole it starts.
pub(crate) struct Response {
    /// 0, or the offset that was asked for if the server honoured it.
    pub(crate) offset: u64,
    /// The bytes from there on.
    pub(crate) body: Box<dyn Read + Send>,
}

impl Client {
    pub(crate) fn new() -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(concat!("cvmkit/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(ANSWER_TIMEOUT))
            .timeout_recv_response(Some(ANSWER_TIMEOUT))
            .timeout_per_read(Some(READ_TIMEOUT))
            .build();
        Self { agent: config.new_agent() }
    }

    /// Asks once for `url` from `offset` on.
    pub(crate) fn get(&self, url: &str, offset: u64) -> Result<Response, HttpError> {
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
            416 if offset > 0 => return self.get(url, 0),
            404 | 410 => return Err(HttpError::NotFound { url: url.to_owned(), status }),
            _ => return Err(HttpError::Status { url: url.to_owned(), status }),
        };
        let body = response.into_body().into_with_config().limit(u64::MAX).reader();
        Ok(Response { offset: start, body: Box::new(body) })
    }

    /// The whole of a small file, tried several times.
    pub(crate) fn get_small(&self, url: &str, limit: u64) -> Result<Vec<u8>, HttpError> {
        retried(|| {
            let mut bytes = Vec::new();
            let response = self.get(url, 0)?;
            response.body.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(
                |error| HttpError::Transport { url: url.to_owned(), message: error.to_string() },
            )?;
            if bytes.len() as u64 > limit {
                return Err(HttpError::TooLong { url: url.to_owned(), limit });
            }
            Ok(bytes)
        })
    }
}

/// Tries until it works or trying again can't help.
pub(crate) fn retried<T>(
    mut attempt: impl FnMut() -> Result<T, HttpError>,
) -> Result<T, HttpError> {
    for pause in BACKOFF {
        match attempt() {
            Err(error) if error.is_passing() => sleep(pause),
            result => return result,
        }
    }
    attempt()
}
