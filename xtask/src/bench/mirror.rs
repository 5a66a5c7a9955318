//! A mirror of its own on the loopback interface, so that what is fetched is really fetched.
//!
//! It answers GET with the files of a folder, whole, one answer per connection. Deliberately absent:
//! ranges, and every other thing of HTTP that a benchmark has no use for.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use anyhow::Result;

/// Serves the files below `folder` as long as this process lives; returns the address.
pub(super) fn serve(folder: &Path) -> Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = format!("http://{}", listener.local_addr()?);
    let folder = folder.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let folder = folder.clone();
            // A client that goes away is no concern of the others.
            std::thread::spawn(move || answer(&stream, &folder));
        }
    });
    Ok(address)
}

fn answer(stream: &TcpStream, folder: &Path) -> io::Result<()> {
    let lines = BufReader::new(stream).lines();
    let head: Vec<String> =
        lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let mut to = stream;
    let Some(mut file) = requested(&head, folder).and_then(|path| File::open(path).ok()) else {
        return to.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    };
    let len = file.metadata()?.len();
    write!(to, "HTTP/1.1 200 OK\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n")?;
    io::copy(&mut file, &mut to)?;
    Ok(())
}

/// The file that a request names.
fn requested(head: &[String], folder: &Path) -> Option<PathBuf> {
    let path = head.first()?.strip_prefix("GET /")?.split(' ').next()?;
    // Versions of packages have `+` and `~`, and clients may write them as escapes.
    let path = path.replace("%2B", "+").replace("%2b", "+").replace("%7E", "~");
    (!path.split('/').any(|part| part == "..")).then(|| folder.join(path))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn files_below_the_folder_are_served_and_nothing_else() {
        let folder = std::env::temp_dir().join(format!("cvmkit-mirror-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("pool")).unwrap();
        std::fs::write(folder.join("pool/a+b"), b"contents").unwrap();
        let address = serve(&folder.join("pool")).unwrap();
        let get = |path: &str| {
            let mut stream = TcpStream::connect(address.trim_start_matches("http://")).unwrap();
            write!(stream, "GET /{path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        };
        assert!(
            get("a%2Bb").starts_with("HTTP/1.1 200 ") && get("a+b").ends_with("\r\n\r\ncontents")
        );
        assert!(get("none").starts_with("HTTP/1.1 404 "));
        assert!(get("../pool/a+b").starts_with("HTTP/1.1 404 "));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
