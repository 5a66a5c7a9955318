//! Stage 1's reading of the kernel command line.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. The root hash that is taken stands
//! in the line. A line that is taken for the one that the image was built for has no word of its own.
//!
//! Input: the content of `/proc/cmdline`; behind a NUL the line that the image was built for.

#![no_main]

use libfuzzer_sys::fuzz_target;

/// Stage 1 is a program, not a library; these modules of it need nothing of the others.
#[path = "../../crates/stage1/src/built_for.rs"]
mod built_for;
#[expect(dead_code, reason = "`read` and some fields are for stage 1 itself")]
#[path = "../../crates/stage1/src/cmdline.rs"]
mod cmdline;

type Fatal = String;

/// Every word of a line that is taken is the image's, but for the root hash and the loader's word.
fn check_words(line: &str, image: &str) {
    if built_for::check(line.as_bytes(), image.as_bytes()).is_err() || line.contains('"') {
        return;
    }
    let known = |word: &&str| image.split_ascii_whitespace().any(|known| known == *word);
    let open = |word: &&str| word.starts_with("roothash=") || *word == "initrd=initrd";
    for word in line.split_ascii_whitespace() {
        assert!(known(&word) || open(&word), "{word:?} in {line:?} for {image:?}");
    }
}

fuzz_target!(|text: &str| {
    let (text, image) = text.split_once('\0').unwrap_or((text, text));
    check_words(text, image);
    let Ok(options) = cmdline::parse(text) else { return };
    let line = text.replace('"', "").to_ascii_lowercase();
    assert!(line.contains(&format!("roothash={}", options.root_hash)), "{text}");
    assert!(options.init.starts_with('/'), "{}", options.init);
});
