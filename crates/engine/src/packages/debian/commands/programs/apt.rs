//! `apt-get indextargets` of apt 3.0, where no list is there, and `install.pl` of apt-cacher 1.7.31, which makes its
//! folders.

use std::collections::BTreeMap;

use cvmkit_shell::Stop;
use cvmkit_shell::commands::{self, Call};
use cvmkit_shell::world::{FileError, Files as _};

use crate::packages::debian::commands::System;
use crate::packages::debian::commands::words::shown;

/// `apt-get indextargets ..`: it names lists that have been fetched, and a build fetches none.
pub(super) fn apt_get(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    const LISTS: &str = "/var/lib/apt/lists";
    const OTHERS: [&[u8]; 3] = [b"auxfiles", b"lock", b"partial"];
    if call.arguments().first().is_none_or(|word| word != b"indextargets") {
        return Err(call.unsupported(shown(call.arguments())));
    }
    let names = system.list(LISTS.as_bytes()).unwrap_or_default();
    match names.iter().all(|name| OTHERS.contains(&name.as_slice())) {
        true => Ok(0),
        false => Err(call.unsupported(format!("the lists in {LISTS}"))),
    }
}

/// The keys of apt-cacher's configuration: its defaults, and what its file says.
fn settings(
    system: &System<'_, '_>,
    call: &mut Call<'_>,
) -> Result<BTreeMap<String, String>, Stop> {
    const FILE: &str = "/etc/apt-cacher/apt-cacher.conf";
    const MORE: &str = "/etc/apt-cacher/conf.d";
    let defaults = [
        ("cache_dir", "/var/cache/apt-cacher"),
        ("group", "0"),
        ("libcurl_socket", "/var/run/apt-cacher/libcurl.socket"),
        ("log_dir", "/var/log/apt-cacher"),
        ("user", "0"),
    ];
    let mut settings: BTreeMap<String, String> =
        defaults.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    if system.list(MORE.as_bytes()).is_ok_and(|names| !names.is_empty()) {
        return Err(call.unsupported(format!("the files of {MORE}")));
    }
    let text = system.read(FILE.as_bytes());
    let text = text.map_err(|error| call.unsupported(format!("{FILE}: {}", error.words())))?;
    let text = String::from_utf8_lossy(&text).replace("\\\n#", "\n#").replace("\\\n", "");
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim_ascii();
        if line.is_empty() {
            continue;
        }
        let (key, value) =
            line.split_once('=').map_or((line, ""), |(key, value)| (key.trim_ascii(), value));
        let is_key = |byte: u8| byte.is_ascii_lowercase() || b"_6".contains(&byte);
        if key.len() < 4 || !key.bytes().all(is_key) || key.starts_with('_') || value.contains('=')
        {
            return Err(call.unsupported(format!("the line `{line}` of {FILE}")));
        }
        let value = value.trim_ascii();
        settings.insert(key.to_owned(), if value.is_empty() { "0" } else { value }.to_owned());
    }
    let is_there = |key: &str| settings.get(key).is_some_and(|value| value != "0");
    if ["logdir", "fetch_timeout", "checksum"].into_iter().any(is_there) {
        return Err(call.unsupported(format!("a key of {FILE} that changes more")));
    }
    Ok(settings)
}

/// `install.pl`: folders and logs of the user that apt-cacher runs as.
pub(super) fn apt_cacher(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    const PACKAGE: &[u8] = b"apt-cacher";
    let is_of_package = call.variable("DPKG_MAINTSCRIPT_PACKAGE") == Some(PACKAGE);
    if !is_of_package || !call.arguments().is_empty() {
        return Err(call.unsupported("an install.pl of another package"));
    }
    let settings = settings(system, call)?;
    let of = |key: &str| settings.get(key).cloned().unwrap_or_default();
    let id = |number: Option<u32>, name: &str| {
        number.ok_or_else(|| call.unsupported(format!("the user or group {name}")))
    };
    let uid = id(commands::uid(system, of("user").as_bytes()), &of("user"))?;
    let gid = id(commands::gid(system, of("group").as_bytes()), &of("group"))?;
    let (cache, log) = (of("cache_dir"), of("log_dir"));
    let obsolete = ["tmp", "temp", "head", "README", "README.txt"];
    let obsolete = obsolete.map(|name| format!("{cache}/{name}"));
    if let Some(path) = obsolete.iter().find(|one| system.status(one.as_bytes(), true).is_ok()) {
        return Err(call.unsupported(format!("what an older version has left in {path}")));
    }
    let socket = of("libcurl_socket");
    let run = socket.rsplit_once('/').map_or("", |(folder, _)| folder);
    let folders = ["private", "import", "packages", "headers"];
    let folders = folders.map(|name| format!("{cache}/{name}"));
    let folders = [cache.clone(), log.clone()].into_iter().chain(folders).chain([run.to_owned()]);
    let logs = ["access.log", "error.log"].map(|name| format!("{log}/{name}"));
    let mut made = Ok(());
    for folder in folders {
        made = made.and_then(|()| own(system, &folder, true, (uid, gid)));
    }
    for file in logs {
        made = made.and_then(|()| own(system, &file, false, (uid, gid)));
    }
    match made {
        Ok(()) => Ok(0),
        Err(error) => Err(call.unsupported(format!("its folders: {}", error.words()))),
    }
}

/// Makes a folder or file that is missing, and gives it its owner.
fn own(
    system: &mut System<'_, '_>,
    path: &str,
    is_folder: bool,
    (uid, gid): (u32, u32),
) -> Result<(), FileError> {
    if system.status(path.as_bytes(), true).is_err() {
        match is_folder {
            // Folders above it that are missing too have the same owner.
            true => {
                for (end, _) in path.match_indices('/').skip(1).chain([(path.len(), "")]) {
                    let folder = &path.as_bytes()[..end];
                    if system.status(folder, true).is_err() {
                        system.make_directory(folder, 0o755)?;
                        system.set_owner(folder, Some(uid), Some(gid), true)?;
                    }
                }
            }
            false => system.write(path.as_bytes(), b"", 0o644)?,
        }
    }
    system.set_owner(path.as_bytes(), Some(uid), Some(gid), true)
}

#[cfg(test)]
mod tests {
    use crate::packages::debian::commands::tests::{output, stop};

    #[test]
    fn no_list_is_there() {
        let program = ("/usr/bin/apt-get", "+x");
        let files = [program, ("/var/lib/apt/lists/lock", ""), ("/var/lib/apt/lists/partial/", "")];
        let script = "apt-get indextargets --format '$(CREATED_BY)'; echo $?";
        assert_eq!(output(&files, script), "0\n");
        assert_eq!(output(&[program], script), "0\n");
        let files = [program, ("/var/lib/apt/lists/deb_Release", "")];
        assert!(stop(&files, script).contains("the lists in /var/lib/apt/lists"));
        assert!(stop(&[program], "apt-get update").contains("update"));
    }

    #[test]
    fn folders_of_apt_cacher_are_its_users() {
        let files = [
            ("/usr/share/apt-cacher/install.pl", "#!/usr/bin/perl\n"),
            ("/usr/bin/chmod", "+x"),
            ("/usr/bin/find", "+x"),
            ("/etc/passwd", "www-data:x:33:33::/var/www:/usr/sbin/nologin\n"),
            ("/etc/group", "www-data:x:33:\n"),
            (
                "/etc/apt-cacher/apt-cacher.conf",
                "# a\n group = www-data \nuser=www-data # b\nlimit=0\n",
            ),
            ("/etc/apt-cacher/conf.d/", ""),
            ("/var/log/", ""),
        ];
        let head = "chmod 755 /usr/share/apt-cacher/install.pl; export DPKG_MAINTSCRIPT_PACKAGE=apt-cacher";
        let run = "/usr/share/apt-cacher/install.pl";
        let script = format!("{head}; {run} || exit 1; find /var -user www-data | sort");
        let expected = "/var/cache\n/var/cache/apt-cacher\n/var/cache/apt-cacher/headers\n/var/cache/apt-cacher/import\n\
                        /var/cache/apt-cacher/packages\n/var/cache/apt-cacher/private\n/var/log/apt-cacher\n\
                        /var/log/apt-cacher/access.log\n/var/log/apt-cacher/error.log\n/var/run\n/var/run/apt-cacher\n";
        let files = [&files[..], &[("/usr/bin/sort", "+x")]].concat();
        assert_eq!(output(&files, &script), expected);
        let conf = "/etc/apt-cacher/apt-cacher.conf";
        let bad = format!("{head}; echo checksum=1 >{conf}; {run}");
        assert!(stop(&files, &bad).contains("that changes more"));
        let bad = format!("{head}; echo group=none >{conf}; {run}");
        assert!(stop(&files, &bad).contains("the user or group none"));
        assert!(stop(&files, &bad.replace("=apt-cacher", "=other")).contains("another package"));
    }
}
