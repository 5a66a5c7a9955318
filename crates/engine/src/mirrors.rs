//! Where Debian archives are fetched from.
//!
//! No host is compiled in: addresses come from the environment, the definition, the user's
//! configuration and the host's apt, and are tried in that order. Integrity never depends on them: everything
//! fetched is checked against a signature or a digest.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use cvmkit_host::document;
use cvmkit_host::fault::in_one_line;
use cvmkit_host::files::{self, FileError, Unsuitable, cannot};

/// Base addresses of mirrors, in the order they are tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mirrors {
    /// One group for each place that names mirrors, none of them empty.
    groups: Vec<Vec<String>>,
    /// The addresses that a definition gives for one archive alone, by its name.
    own: BTreeMap<String, Vec<String>>,
}

impl Mirrors {
    /// The addresses that one place names, in this order.
    #[must_use]
    pub fn new(addresses: impl IntoIterator<Item = String>) -> Self {
        Self::default().then(addresses)
    }

    /// These mirrors, and behind them the addresses that another place names.
    #[must_use]
    pub fn then(mut self, addresses: impl IntoIterator<Item = String>) -> Self {
        let mut group: Vec<String> = Vec::new();
        for address in addresses {
            let address = address.trim_end_matches('/').to_owned();
            let mut known = self.groups.iter().flatten().chain(&group);
            if !address.is_empty() && !known.any(|known| *known == address) {
                group.push(address);
            }
        }
        if !group.is_empty() {
            self.groups.push(group);
        }
        self
    }

    /// These mirrors, and base addresses of one archive alone, which are asked first for it.
    #[must_use]
    pub fn and_own(mut self, archive: &str, addresses: &[String]) -> Self {
        let own = self.own.entry(archive.to_owned()).or_default();
        for address in addresses.iter().map(|address| address.trim_end_matches('/').to_owned()) {
            if !address.is_empty() && !own.contains(&address) {
                own.push(address);
            }
        }
        self
    }

    /// True when there is nowhere to fetch from.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.own.values().all(Vec::is_empty)
    }

    /// The base addresses of one archive, such as `debian-security`: of each place that names
    /// mirrors those that end in its name, or, when it names none, the archive's name beside what
    /// its addresses end in. Where the archive has addresses of its own, they come first, and nothing is
    /// guessed from other archives'.
    #[must_use]
    pub fn of_archive(&self, archive: &str) -> Vec<String> {
        let mut addresses = self.own.get(archive).cloned().unwrap_or_default();
        let all = addresses.is_empty();
        let groups = self.groups.iter();
        let of_groups = groups.flat_map(|group| match all {
            true => in_group(group, archive),
            false => named_in(group, archive),
        });
        for address in of_groups.collect::<Vec<_>>() {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        addresses
    }
}

/// What each mirror did wrong, each on a line of its own.
pub(crate) struct Tried<'a, E>(pub(crate) &'a [(String, E)]);

impl<E: std::error::Error> fmt::Display for Tried<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(base, error)| write!(f, "\n  {base}: {}", in_one_line(error)))
    }
}

/// The addresses of a group that end in the archive's name.
fn named_in(group: &[String], archive: &str) -> Vec<String> {
    let named = |address: &&String| address.rsplit('/').next() == Some(archive);
    group.iter().filter(named).cloned().collect()
}

fn in_group(group: &[String], archive: &str) -> Vec<String> {
    let exact = named_in(group, archive);
    if !exact.is_empty() {
        return exact;
    }
    let beside = |address: &String| {
        let (parent, _) = address.rsplit_once('/')?;
        // An address without a path: what stands behind its last slash is the host.
        let parent = if parent.ends_with(":/") { address } else { parent };
        Some(format!("{parent}/{archive}"))
    };
    group.iter().filter_map(beside).collect()
}

/// What the user's `cvmkit/config.toml` says of mirrors.
#[derive(Clone, Debug, Default, serde::Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct UserConfiguration {
    /// Addresses of mirrors, tried in this order before those of the host's apt.
    pub mirrors: Vec<String>,
    /// `false`: the mirrors of the host's apt are not asked.
    pub host_mirrors: Option<bool>,
}

/// The user's configuration: a TOML file with `mirrors = ["..."]` and `host-mirrors = false`. No
/// file says nothing.
///
/// # Errors
/// Names the file when it is there and can't be read, or is not of that form.
pub fn configured_by_user(path: &Path) -> Result<UserConfiguration, FileError> {
    match files::read_text(path) {
        Ok(text) => document::toml(&text)
            .map_err(|misfit| cannot("understand", path)(Unsuitable::Malformed(misfit).into_io())),
        Err(error) if error.is_not_found() => Ok(UserConfiguration::default()),
        Err(error) => Err(error),
    }
}

/// The addresses of Debian archives in apt's configuration below `folder` (`/etc/apt`), in the
/// order apt reads them.
///
/// Third-party repositories are not Debian mirrors: only addresses that end in `/debian` or
/// `/debian-security` count.
///
/// # Errors
/// Names the file that can't be read.
pub fn configured_in_apt(folder: &Path) -> Result<Vec<String>, FileError> {
    let mut addresses = Vec::new();
    let mut paths = vec![folder.join("sources.list")];
    let parts = folder.join("sources.list.d");
    if parts.is_dir() {
        paths.extend(files::list(&parts)?.into_iter().map(|(name, _)| parts.join(name)));
    }
    for path in paths.iter().filter(|path| path.is_file()) {
        let text = files::read_text(path)?;
        let found = match path.extension().and_then(|extension| extension.to_str()) {
            Some("list") => one_line_addresses(&text),
            Some("sources") => deb822_addresses(&text),
            _ => continue,
        };
        for address in found {
            match address.strip_prefix("mirror+file:") {
                Some(list) => addresses.extend(mirror_list(Path::new(list))?),
                None => addresses.push(address),
            }
        }
    }
    addresses.retain(|address| is_debian_mirror(address));
    Ok(addresses)
}

fn is_debian_mirror(address: &str) -> bool {
    let address = address.trim_end_matches('/');
    let web = address.starts_with("http://") || address.starts_with("https://");
    web && (address.ends_with("/debian") || address.ends_with("/debian-security"))
}

/// apt's mirror method: a file with an address a line, options behind a tab.
fn mirror_list(path: &Path) -> Result<Vec<String>, FileError> {
    let text = files::read_text(path)?;
    let first_words = text.lines().filter_map(|line| line.split_whitespace().next());
    Ok(first_words.filter(|word| !word.starts_with('#')).map(str::to_owned).collect())
}

/// sources.list(5), "ONE-LINE-STYLE FORMAT": `deb [ options ] uri suite component...`.
fn one_line_addresses(text: &str) -> Vec<String> {
    let uri = |line: &str| {
        let rest = line.trim().strip_prefix("deb ")?.trim_start();
        let rest = match rest.strip_prefix('[') {
            Some(options) => options.split_once(']')?.1,
            None => rest,
        };
        rest.split_whitespace().next().map(str::to_owned)
    };
    text.lines().filter_map(uri).collect()
}

/// sources.list(5), "DEB822-STYLE FORMAT".
fn deb822_addresses(text: &str) -> Vec<String> {
    let mut addresses = Vec::new();
    for stanza in text.split("\n\n") {
        let field = |name: &str| {
            stanza.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim())
            })
        };
        let binary = field("Types").is_some_and(|types| types.split(' ').any(|kind| kind == "deb"));
        let enabled = field("Enabled").is_none_or(|value| !value.eq_ignore_ascii_case("no"));
        if binary && enabled {
            let uris = field("URIs").unwrap_or_default();
            addresses.extend(uris.split_whitespace().map(str::to_owned));
        }
    }
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archives_are_found_by_name_or_beside() {
        let mirrors = Mirrors::new(["http://a.test/debian/".into(), "http://b.test/debian".into()]);
        assert_eq!(mirrors.of_archive("debian"), ["http://a.test/debian", "http://b.test/debian"]);
        assert_eq!(mirrors.of_archive("debian-security")[0], "http://a.test/debian-security");
        let bare = Mirrors::new(["http://a.test".into(), "nonsense".into()]);
        assert_eq!(bare.of_archive("debian"), ["http://a.test/debian"]);
    }

    /// A mirror that has no address of its own for an archive is asked beside, and first, although
    /// another place knows the archive's own.
    #[test]
    fn the_first_place_that_names_mirrors_is_asked_first() {
        let mirrors = Mirrors::new(["http://a.test/all".into()])
            .then(["http://b.test/debian/".into(), "http://b.test/debian-security".into()])
            .then(["http://b.test/debian".into(), "http://c.test/debian".into()]);
        let expected = ["http://a.test/debian", "http://b.test/debian", "http://c.test/debian"];
        assert_eq!(mirrors.of_archive("debian"), expected);
        let security = mirrors.of_archive("debian-security");
        assert_eq!(
            security[..2],
            ["http://a.test/debian-security", "http://b.test/debian-security"]
        );
        assert!(Mirrors::new([]).then(["".into()]).is_empty());
    }

    /// A user's own archive is not looked for beside Debian's.
    #[test]
    fn an_archive_with_addresses_of_its_own_is_asked_there() {
        let own = ["http://own.test/packages/".to_owned(), "http://own.test/packages".to_owned()];
        let mirrors = Mirrors::new(["http://a.test/debian".into(), "http://a.test/tools".into()])
            .then(["http://b.test/debian".into()])
            .and_own("tools", &own);
        assert_eq!(
            mirrors.of_archive("tools"),
            ["http://own.test/packages", "http://a.test/tools"]
        );
        assert_eq!(mirrors.of_archive("debian"), ["http://a.test/debian", "http://b.test/debian"]);
        assert!(!Mirrors::default().and_own("tools", &own).is_empty());
        assert!(Mirrors::default().and_own("tools", &[]).is_empty());
    }

    #[test]
    fn a_user_names_mirrors_and_leaves_out_those_of_the_host() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        assert_eq!(configured_by_user(&path).unwrap(), UserConfiguration::default());
        files::replace(&path, b"mirrors = [\"http://a.test\"]\nhost-mirrors = false\n").unwrap();
        let found = configured_by_user(&path).unwrap();
        let mirrors = vec!["http://a.test".to_owned()];
        assert_eq!(found, UserConfiguration { mirrors, host_mirrors: Some(false) });
        files::replace(&path, b"mirror = 1\n").unwrap();
        assert!(configured_by_user(&path).is_err());
    }

    #[test]
    fn apt_sources_of_both_styles_are_read_and_third_parties_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let parts = folder.path().join("sources.list.d");
        files::make_folder(&parts).unwrap();
        let write = |path: &Path, text: &str| files::replace(path, text.as_bytes()).unwrap();
        write(
            &folder.path().join("sources.list"),
            "# deb http://commented.test/debian x main\n\
             deb [arch=amd64 signed-by=/x] http://one.test/debian trixie main\n\
             deb-src http://source.test/debian trixie main\n",
        );
        write(
            &parts.join("a.sources"),
            "Types: deb deb-src\nURIs: https://two.test/debian https://other.test/vendor\n\n\
             Types: deb\nEnabled: no\nURIs: https://off.test/debian\n",
        );
        let list = folder.path().join("mirrors.txt");
        write(&list, "http://three.test/debian-security/\tpriority:1\n");
        write(&parts.join("b.list"), &format!("deb mirror+file:{} x main\n", list.display()));
        assert_eq!(
            configured_in_apt(folder.path()).unwrap(),
            [
                "http://one.test/debian",
                "https://two.test/debian",
                "http://three.test/debian-security/"
            ],
        );
    }
}
