//! dpkg: versions, the machine, and what is installed (dpkg(1)).

use std::cmp::Ordering;

use cvmkit_debian::version::Version;
use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;

use super::{System, query};

/// `dpkg --compare-versions`, `--print-architecture` and the actions that dpkg-query carries out.
pub(super) fn dpkg(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    let words = call.arguments().iter().map(|word| String::from_utf8_lossy(word).into_owned());
    let words: Vec<String> = words.collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--compare-versions", first, operator, second] => compare(call, first, operator, second),
        ["--print-architecture"] => {
            call.print(format!("{}\n", system.architecture).as_bytes());
            Ok(0)
        }
        ["--print-foreign-architectures"] => Ok(0),
        [action] if action.starts_with("--assert-") => Ok(0),
        ["--validate-version", rest @ ..] => {
            let [version] = rest.strip_prefix(&["--"]).unwrap_or(rest) else {
                return Err(call.unsupported(words.join(" ")));
            };
            Ok(match Version::parse(version) {
                Ok(_) => 0,
                // 1 for what might pass in a lax context.
                Err(_) => 1 + u8::from(!is_lax_version(version)),
            })
        }
        ["--validate-pkgname", rest @ ..] => {
            let [name] = rest.strip_prefix(&["--"]).unwrap_or(rest) else {
                return Err(call.unsupported(words.join(" ")));
            };
            Ok(if is_package_name(name) { 0 } else { 2 })
        }
        ["-l" | "--list", name] => query::list(system, call, name),
        ["-s" | "--status" | "-L" | "--listfiles" | "-S" | "--search" | "-W" | "--show", ..] => {
            query::dpkg_query(system, call)
        }
        _ => Err(call.unsupported(words.join(" "))),
    }
}

/// What dpkg reads with a warning (`parseversion`, `lib/dpkg/parsehelp.c`): odd characters in the upstream
/// version or the revision.
fn is_lax_version(text: &str) -> bool {
    let (epoch, rest) = text.split_once(':').unwrap_or(("0", text));
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, "0"));
    let is_epoch = !epoch.is_empty() && epoch.bytes().all(|byte| byte.is_ascii_digit());
    let is_whole = !upstream.is_empty() && !revision.is_empty();
    is_epoch && is_whole && !text.contains(char::is_whitespace)
}

/// A letter or a digit, then those and `-+._` (`pkg_name_is_illegal`, `lib/dpkg/parsehelp.c`).
fn is_package_name(name: &str) -> bool {
    let fits = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-+._".contains(&byte));
    fits && name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
}

/// The relations of dpkg(1): an empty version is earlier than any, and for those with `-nl` later.
fn compare(call: &Call<'_>, first: &str, operator: &str, second: &str) -> Result<u8, Stop> {
    let (relation, empty_is_later) = match operator.strip_suffix("-nl") {
        Some(relation) => (relation, true),
        None => (operator, false),
    };
    let parse = |text: &str| match text {
        "" | "<unknown>" => Ok(None),
        text => Version::parse(text)
            .map(Some)
            .map_err(|_| call.unsupported(format!("the version `{text}`, which has bad syntax"))),
    };
    let order = match (parse(first)?, parse(second)?) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) if empty_is_later => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        (Some(_), None) if empty_is_later => Ordering::Less,
        (Some(_), None) => Ordering::Greater,
        (Some(first), Some(second)) => first.cmp(&second),
    };
    let holds = match relation {
        "lt" | "<<" => order.is_lt(),
        // `<` and `>` are of the first dpkg, and mean what they did.
        "le" | "<=" | "<" => order.is_le(),
        "eq" | "=" => order.is_eq(),
        "ne" => order.is_ne(),
        "ge" | ">=" | ">" => order.is_ge(),
        "gt" | ">>" => order.is_gt(),
        _ => return Err(call.unsupported(format!("the relation {operator}"))),
    };
    Ok(u8::from(!holds))
}
