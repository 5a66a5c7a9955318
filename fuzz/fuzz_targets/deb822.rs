//! Paragraphs of Debian control data.
//!
//! Errors are fine; panics, hangs and unbounded memory are bugs. Paragraphs lie in the text, in
//! order, and are never empty; a paragraph read alone reads the same.

#![no_main]

use cvmkit_debian::deb822::{Paragraph, paragraphs};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let mut from = 0;
    for stanza in paragraphs(text) {
        let Ok(stanza) = stanza else { break };
        let at = text.get(from..).and_then(|rest| rest.find(stanza.text()));
        from += at.expect("a paragraph is not in the text behind the one before it");
        from += stanza.text().len();
        assert!(!stanza.fields().is_empty(), "an empty paragraph");
        let own = stanza.to_paragraph();
        assert_eq!(Paragraph::parse(stanza.text()), Ok(own));
        for field in stanza.fields() {
            let _ = field.lines().count();
        }
    }
});
