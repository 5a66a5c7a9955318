//! Modes, owners, capabilities and other attributes that the definition gives to files.

use cvmkit_formats::squashfs;

use super::*;

const RAW_SOCKETS: &str = "0100000200200000000000000000000000000000";

fn with_capability(path: &str, node: PlacedNode) -> Placed {
    let value = capability::attribute("cap_net_raw+ep").unwrap();
    Placed {
        xattrs: BTreeMap::from([
            (capability::ATTRIBUTE.as_bytes().to_vec(), value),
            (b"user.note".to_vec(), b"text".to_vec()),
        ]),
        ..overlays::placed(path, "root", node)
    }
}

fn existing(path: &str, changes: Changes) -> Placed {
    overlays::placed(path, "root", PlacedNode::Existing(changes))
}

#[test]
fn capabilities_go_to_new_files_and_to_those_of_packages() {
    let packages = [package("a", "", &[("usr/bin/tool", "x"), ("usr/bin/other", "x")])];
    let files = [
        with_capability("/bin/tool", PlacedNode::Existing(Changes::default())),
        with_capability("/usr/bin/mine", PlacedNode::File("y".into())),
        existing("/usr/bin/other", Changes { mode: Some(0o4755), ..Changes::default() }),
    ];
    let rootfs = assemble(&Request {
        root: rootfs::Request { files: &files, ..request(&packages).root },
        ..request(&packages)
    })
    .unwrap();
    let meta =
        |path: &str| rootfs.tree.inode(rootfs.tree.lookup(path.as_bytes()).unwrap()).meta.clone();
    for path in ["usr/bin/tool", "usr/bin/mine"] {
        let value = meta(path).xattrs.get(capability::ATTRIBUTE.as_bytes()).cloned().unwrap();
        assert_eq!(hex::encode(value), RAW_SOCKETS, "{path}");
    }
    assert_eq!((meta("usr/bin/tool").mode, meta("usr/bin/other").mode), (0o644, 0o4755));
    assert_eq!(text(&rootfs, "usr/bin/tool"), "x");
    unpacked_by_others(&rootfs.tree);
}

/// unsquashfs writes the attributes, getcap reads them.
fn unpacked_by_others(tree: &Tree<Content>) {
    let folder = tempfile::tempdir().unwrap();
    let (image, out) = (folder.path().join("image"), folder.path().join("out"));
    let mut bytes = Vec::new();
    let plan = squashfs::Plan::new(tree, &squashfs::Options::new(0)).unwrap();
    plan.write(&mut bytes).unwrap();
    fs::write(&image, bytes).unwrap();
    let (image, to) = (image.to_str().unwrap(), out.to_str().unwrap());
    if !is_root() || oracle("unsquashfs", &["-d", to, image, "usr/bin"]).is_none() {
        return;
    }
    let tool = out.join("usr/bin/tool");
    let found = oracle("getcap", &[tool.to_str().unwrap()]).unwrap();
    assert!(found.trim_end().ends_with("cap_net_raw=ep"), "{found}");
}

#[test]
fn setcap_writes_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x");
    let path = file.to_str().unwrap();
    for text in [
        "cap_net_raw+ep",
        "cap_chown,cap_bpf=p",
        "cap_kill=ip cap_kill+e",
        "cap_sys_admin,cap_checkpoint_restore+pi",
    ] {
        fs::write(&file, "x").unwrap();
        let Ok(set) = Command::new("setcap").args([text, path]).output() else {
            return drop(oracle("setcap", &[]));
        };
        if !set.status.success() {
            // Without the privilege there is nothing to compare with.
            assert!(!is_root(), "{text}: {set:?}");
            return;
        }
        let read = "import os,sys; print(os.getxattr(sys.argv[1], 'security.capability').hex())";
        let theirs = oracle("python3", &["-c", read, path]).unwrap();
        assert_eq!(hex::encode(capability::attribute(text).unwrap()), theirs.trim(), "{text}");
    }
}

#[test]
fn a_change_of_nothing_or_of_a_link_is_refused() {
    let packages = [package("a", "", &[("usr/bin/tool", "x"), ("usr/bin/link", "-> tool")])];
    for (file, word) in [
        (existing("/usr/bin/tool", Changes { mode: Some(0o644), ..Changes::default() }), "already"),
        (existing("/usr/bin/gone", Changes { mode: Some(0o600), ..Changes::default() }), "exist"),
        (existing("/usr/bin/link", Changes { mode: Some(0o600), ..Changes::default() }), "tool"),
        (with_capability("/usr/bin", PlacedNode::Existing(Changes::default())), "regular"),
    ] {
        let files = [file];
        let error = assemble(&Request {
            root: rootfs::Request { files: &files, ..request(&packages).root },
            ..request(&packages)
        })
        .unwrap_err();
        assert!(error.to_string().contains(word), "{word} in {error}");
    }
}

/// An essential package of programs that scripts call, and of debconf's library.
fn base(programs: &[&str]) -> Package {
    let paths: Vec<String> = programs.iter().map(|name| format!("usr/bin/{name}")).collect();
    let mut entries: Vec<(&str, &str)> = paths.iter().map(|path| (path.as_str(), "")).collect();
    entries.push(("usr/share/debconf/confmodule", ""));
    entries.push(("usr/share/debconf/frontend", ""));
    let mut package = package("base", "Essential: yes\n", &entries);
    package.entries.iter_mut().for_each(|entry| entry.mode = 0o755);
    package
}

/// What the postinst of fping 5.1-1 and of ssl-cert 1.1.3 come to.
#[test]
fn scripts_that_give_capabilities_and_modes_are_carried_out() {
    const FPING: &str = r#"#!/bin/sh
set -e
case "$1" in
    (configure)
        if [ "$(uname -s)" = "Linux" ]; then
            if ! setcap cap_net_raw+ep /usr/bin/fping; then
                echo "WARNING: 'setcap cap_net_raw+ep /usr/bin/fping' failed." 1>&2
                if dpkg-statoverride --list /usr/bin/fping > /dev/null; then
                    if dpkg-statoverride --list /usr/bin/fping | fgrep -q 4755; then
                        echo "/usr/bin/fping is already setuid root. Not trying to fix anything." 1>&2
                    else
                        echo "A local statoverride for /usr/bin/fping already exists. Not trying to fix anything." 1>&2
                    fi
               else
                    echo "WARNING: Making /usr/bin/fping setuid instead. Use dpkg-statoverride(1) to change that if you're unhappy with it." 1>&2
                    dpkg-statoverride --update --add root root 4755 /usr/bin/fping
                fi
            fi
        fi
    ;;
    (abort-upgrade|abort-remove|abort-deconfigure)
        exit 0
    ;;
    (*)
        echo "postinst called with unknown argument \`$1'" >&2
        exit 0
    ;;
esac
"#;
    const SSL_CERT: &str = r#"#!/bin/sh
set -e
. /usr/share/debconf/confmodule
if ! getent group ssl-cert >/dev/null; then
	addgroup --quiet --system --force-badname ssl-cert
fi
make-ssl-cert generate-default-snakeoil
if ! dpkg-statoverride --list /etc/ssl/private >/dev/null 2>&1
then
    dpkg-statoverride --update --add root ssl-cert 710 /etc/ssl/private
fi
"#;
    let mut private = package("openssl", "", &[("etc/ssl/private/", "")]);
    private.entries[0].mode = 0o700;
    let programs = ["addgroup", "dpkg-statoverride", "getent", "make-ssl-cert", "setcap", "uname"];
    let packages = [
        with_script(package("fping", "", &[("usr/bin/fping", "x")]), "postinst", FPING),
        with_script(package("ssl-cert", "", &[("usr/", "")]), "postinst", SSL_CERT),
        private,
        base(&programs),
    ];
    let rootfs = assemble(&request(&packages)).unwrap();
    let meta =
        |path: &str| rootfs.tree.inode(rootfs.tree.lookup(path.as_bytes()).unwrap()).meta.clone();
    let value = meta("usr/bin/fping").xattrs.get(capability::ATTRIBUTE.as_bytes()).cloned();
    assert_eq!(value.map(hex::encode).as_deref(), Some(RAW_SOCKETS));
    let group = rootfs.accounts.gid("ssl-cert", "the test").unwrap();
    let private = meta("etc/ssl/private");
    assert_eq!((private.mode, private.uid, private.gid), (0o710, 0, group));
}

/// What the postinst of nginx-common 1.26.3-3 comes to: log files that nobody else may read.
#[test]
fn log_files_have_the_owner_and_the_mode_that_their_package_gives_them() {
    const NGINX: &str = r#"#!/bin/sh
set -e

. /usr/share/debconf/confmodule

case "$1" in
  configure)
    logdir="/var/log/nginx"

    # Allow local admin to override
    if ! dpkg-statoverride --list "$logdir" >/dev/null; then
      chown root:adm $logdir
      chmod 0755 $logdir
    fi

    # Secure default logfiles on fresh installations
    if [ -z "$2" ]; then
      access_log="$logdir/access.log"
      error_log="$logdir/error.log"

      if [ ! -e "$access_log" ]; then
        touch "$access_log"
        chmod 640 "$access_log"
        chown www-data:adm "$access_log"
      fi

      if [ ! -e "$error_log" ]; then
        touch "$error_log"
        chmod 640 "$error_log"
        chown www-data:adm "$error_log"
      fi
    fi

    # If a symlink doesn't exist and can be created, then create it.
    if [ -z $2 ] && [ ! -e /etc/nginx/sites-enabled/default ] &&
       [ -d /etc/nginx/sites-enabled ] && [ -d /etc/nginx/sites-available ]; then
      ln -s /etc/nginx/sites-available/default /etc/nginx/sites-enabled/default
    fi

    # Create a default index page when not already present.
    if [ ! -e /var/www/html/index.nginx-debian.html ]; then
      mkdir -p /var/www/html
      cp /usr/share/nginx/html/index.html /var/www/html/index.nginx-debian.html
    fi

    ;;

  abort-upgrade|abort-remove|abort-deconfigure)
    ;;

  *)
    echo "postinst called with unknown argument \`$1'" >&2
    exit 1
    ;;
esac



exit 0
"#;
    let common = package(
        "nginx-common",
        "",
        &[("var/log/nginx/", ""), ("usr/share/nginx/html/index.html", "page")],
    );
    let masters = [
        (
            "usr/share/base-passwd/passwd.master",
            "root::0:0:root:/root:/bin/bash\nwww-data:*:33:33::/var/www:/usr/sbin/nologin\n",
        ),
        ("usr/share/base-passwd/group.master", "root:*:0:\nadm:*:4:\nwww-data:*:33:\n"),
    ];
    let programs = ["chmod", "chown", "cp", "dpkg-statoverride", "ln", "mkdir", "touch"];
    let packages = [
        package("base-passwd", "", &masters),
        with_script(common, "postinst", NGINX),
        base(&programs),
    ];
    let rootfs = assemble(&request(&packages)).unwrap();
    for (path, mode, uid) in [
        ("var/log/nginx", 0o755, 0),
        ("var/log/nginx/access.log", 0o640, 33),
        ("var/log/nginx/error.log", 0o640, 33),
    ] {
        let id = rootfs.tree.lookup(path.as_bytes()).unwrap();
        let meta = &rootfs.tree.inode(id).meta;
        assert_eq!((meta.mode, meta.uid, meta.gid), (mode, uid, 4), "{path}");
    }
}
