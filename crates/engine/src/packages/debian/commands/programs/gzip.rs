//! gzip(1), as far as it decompresses: what it would write depends on its release.

use cvmkit_formats::compression::{Compression, members};
use cvmkit_shell::Stop;
use cvmkit_shell::commands::{Call, Options};
use std::io::Read as _;

use crate::packages::debian::commands::System;

/// The most bytes of what it writes: scripts hold it in memory.
const OUTPUT_MAX: u64 = 64 << 20;

/// `zcat [FILE..]`, and `gzip -dc` with the same meaning (gzip 1.13); a file without a suffix of its own is not
/// looked for under another name.
pub(super) fn gzip(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let long = [("decompress", b'd'), ("stdout", b'c'), ("force", b'f'), ("quiet", b'q')];
    let options = Options::of(call, "cdfq", &long)?;
    let name = call.name();
    let decompresses = name != "gzip" || options.has(b'd');
    let prints = name == "zcat" || options.has(b'c') || options.operands.is_empty();
    if !decompresses || !prints || options.has(b'f') {
        return Err(call.unsupported("something else than text that it decompresses"));
    }
    let input: &[&[u8]] = &[b"-"];
    let operands = if options.operands.is_empty() { input } else { &options.operands };
    let mut status = 0;
    for word in operands {
        let bytes = match call.contents(system, word) {
            Ok(bytes) => bytes,
            Err(error) => {
                status = call.fail("", word, error);
                continue;
            }
        };
        let mut text = Vec::new();
        let read = members(bytes.as_slice(), Compression::Gzip, OUTPUT_MAX)
            .map_err(std::io::Error::from)
            .and_then(|mut reader| reader.read_to_end(&mut text));
        match read {
            Ok(_) => call.print(&text),
            Err(error) => return Err(call.unsupported(error)),
        }
    }
    Ok(status)
}

#[cfg(test)]
mod tests {
    use crate::packages::debian::commands::tests::{output, stop};

    /// `echo a | gzip -n | base64`, gzip 1.12.
    const TEXT: &str = "H4sIAAAAAAAAA0vkAgAHoerdAgAAAA==";

    #[test]
    fn text_is_decompressed() {
        let files = [("/usr/bin/base64", "+x"), ("/usr/bin/gzip", "+x"), ("/usr/bin/zcat", "+x")];
        let decoded = format!("echo {TEXT} | base64 -d");
        let script = format!(
            "{decoded} | zcat; {decoded} >/tmp/f; zcat /tmp/f /tmp/f; gzip -dc </tmp/f; zcat /tmp/g \
             2>/dev/null || echo $?"
        );
        assert_eq!(output(&files, &script), "a\na\na\na\n1\n");
        assert!(stop(&files, "echo a | gzip").contains("something else than text"));
        assert!(stop(&files, "gzip -d /tmp/f").contains("something else than text"));
        assert!(stop(&files, "echo a | zcat").contains("`zcat`: "));
    }
}
