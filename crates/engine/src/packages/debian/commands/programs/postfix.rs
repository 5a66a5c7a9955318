//! postconf of postfix 3.10, as far as scripts edit and read `main.cf` with it (postconf(1), postconf(5)).
//!
//! Oracle: postconf 3.7 on the same files.

use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;
use cvmkit_shell::world::Files as _;

use crate::packages::debian::commands::System;

const CONFIGURATION: &str = "/etc/postfix/main.cf";

/// What a parameter is where `main.cf` does not say it, of those that scripts read.
const DEFAULTS: [(&str, &str); 2] =
    [("alias_database", "hash:/etc/aliases"), ("default_transport", "smtp")];

/// `postconf -e NAME=VALUE` and `postconf -hx NAME`.
pub(super) fn postconf(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let words = call.arguments().iter().map(|word| String::from_utf8_lossy(word).into_owned());
    let words: Vec<String> = words.collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let Ok(text) = system.read(CONFIGURATION.as_bytes()) else {
        return Err(call.unsupported(format!("{CONFIGURATION}, which can't be read")));
    };
    let text = String::from_utf8(text)
        .map_err(|_| call.unsupported(format!("{CONFIGURATION}, which is not UTF-8")))?;
    match words.as_slice() {
        ["-e", setting] => {
            let Some((name, value)) = split(setting) else {
                return Ok(call.usage(&format!("fatal: missing '=' or name: \"{setting}\""), 1));
            };
            let edited = edited(&text, name, value);
            match system.write(CONFIGURATION.as_bytes(), edited.as_bytes(), 0o644) {
                Ok(()) => Ok(0),
                Err(error) => Ok(call.fail("open", CONFIGURATION.as_bytes(), error)),
            }
        }
        ["-hx" | "-xh", name] => {
            let default = DEFAULTS.iter().find(|(known, _)| known == name);
            let value = value(&text, name).or_else(|| Some(default?.1.to_owned()));
            match value.filter(|value| !value.contains('$')) {
                Some(value) => call.print(format!("{value}\n").as_bytes()),
                None => return Err(call.unsupported(format!("the value of {name}"))),
            }
            Ok(0)
        }
        words => Err(call.unsupported(words.join(" "))),
    }
}

/// A name and its value, without blanks around them.
fn split(setting: &str) -> Option<(&str, &str)> {
    let (name, value) = setting.split_once('=')?;
    let name = name.trim();
    (!name.is_empty() && !name.contains(char::is_whitespace)).then(|| (name, value.trim()))
}

/// Whether a line says nothing, wherever it is.
fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with('#')
}

/// The name that a line sets, if it is not one that goes on.
fn name_of(line: &str) -> &str {
    line.split(['=', ' ', '\t', '\n', '\r']).next().unwrap_or_default()
}

/// The text with another value of a parameter: in each of its lines, or at the end (`postconf_edit.c`).
fn edited(text: &str, name: &str, value: &str) -> String {
    let (mut edited, mut is_this, mut is_found) = (String::new(), false, false);
    for line in text.split_inclusive('\n') {
        if is_comment(line) {
            edited += line;
        } else if line.starts_with(char::is_whitespace) {
            // A line that goes on with what comes first before it.
            if !is_this {
                edited += line;
            }
        } else {
            is_this = name_of(line) == name;
            is_found |= is_this;
            match is_this {
                true => edited += &format!("{name} = {value}\n"),
                false => edited += line,
            }
        }
    }
    if !is_found {
        edited += &format!("{name} = {value}\n");
    }
    edited
}

/// The last value that the text sets of a parameter.
fn value(text: &str, name: &str) -> Option<String> {
    let (mut found, mut is_this) = (None, false);
    for line in text.lines().filter(|line| !is_comment(line)) {
        if !line.starts_with(char::is_whitespace) {
            is_this = name_of(line) == name;
            let value = line.split_once('=').map(|(_, value)| value.trim().to_owned());
            if is_this {
                found = value;
            }
        } else if is_this && let Some(found) = &mut found {
            *found += " ";
            *found += line.trim();
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::packages::debian::commands::tests::{output, stop};

    const TEXT: &str = "# c\nmyorigin = $myhostname\nmynetworks = 127.0.0.0/8\n  10.0.0.0/8\n# in\n   \
                        more\nmailbox_command =\nalias_maps=a\nalias_maps = b\nlast = x";

    /// As postconf 3.7 leaves the same file after the same calls.
    #[test]
    fn a_parameter_is_edited_where_it_stands() {
        let files = [("/etc/postfix/main.cf", TEXT), ("/usr/sbin/postconf", "+x")];
        let script = "postconf -e 'mynetworks=1  2 '; postconf -e 'myhostname = h'; postconf -e \
                      alias_maps=hash:/x; postconf -e relayhost=; cat /etc/postfix/main.cf";
        let expected = "# c\nmyorigin = $myhostname\nmynetworks = 1  2\n# in\nmailbox_command \
                        =\nalias_maps = hash:/x\nalias_maps = hash:/x\nlast = xmyhostname = \
                        h\nrelayhost = \n";
        assert_eq!(output(&files, script), expected);
        let script = "for of in =x noeq 'a b=x'; do postconf -e \"$of\" 2>/dev/null; echo $?; done; \
                      for of in default_transport alias_database mynetworks mailbox_command; do \
                      postconf -hx $of; done";
        let expected = "1\n1\n1\nsmtp\nhash:/etc/aliases\n127.0.0.0/8 10.0.0.0/8 more\n\n";
        assert_eq!(output(&files, script), expected);
        assert!(stop(&files, "postconf -hx myorigin").contains("the value of myorigin"));
        assert!(stop(&files, "postconf -n").contains("-n"));
    }
}
