//! Packages from a to l.

use super::super::effects::Native::{
    Absent, AccountMasters, Alternatives, Capabilities, Certificates, Copy, Divert, Link,
    ModuleIndex, PamProfiles, Relink, Shells, SystemUser,
};
use super::super::kind::ScriptKind::{Postinst, Preinst};
use super::super::recipes::{Recipe, directory, file, owner};

/// Sorted by package.
pub(super) static RECIPES: &[Recipe] = &[
    Recipe {
        package: "adduser",
        script: Preinst,
        sha256: "bcb28d0a0d91c05c749cc40b3f58a7b73939409dcb19e325fd91fd7823723c1f",
        effects: &[],
        why: "Acts on an upgrade or a reconfiguration only. It replaces an old unchanged \
              adduser.conf.",
    },
    Recipe {
        package: "base-files",
        script: Preinst,
        sha256: "18e69b65606a89ad7dcb5ee14779dfb3623487e376b05c33bf08bee2aca24cfd",
        effects: &[
            Divert { from: "/lib32", to: "/.lib32.usr-is-merged" },
            Divert { from: "/libo32", to: "/.libo32.usr-is-merged" },
            Divert { from: "/libx32", to: "/.libx32.usr-is-merged" },
        ],
        why: "Refuses a system whose /usr is not merged, and diverts names that only an \
              upgrade could lose. The tree is merged from the start.",
    },
    Recipe {
        package: "base-files",
        script: Postinst,
        sha256: "c2d4e8eeafaf252dafa79c4c81ac90dd77aa5403af615bd9fd63f72203433970",
        effects: &[
            Link { path: "/etc/dpkg/origins/default", target: "debian" },
            Copy { from: "/usr/share/base-files/dot.profile", to: "/root/.profile" },
            Copy { from: "/usr/share/base-files/dot.bashrc", to: "/root/.bashrc" },
            Copy { from: "/usr/share/base-files/profile", to: "/etc/profile" },
            Copy { from: "/usr/share/base-files/motd", to: "/etc/motd" },
            directory("/mnt", 0o755, "root", "root"),
            directory("/srv", 0o755, "root", "root"),
            directory("/opt", 0o755, "root", "root"),
            directory("/etc/opt", 0o755, "root", "root"),
            directory("/var/opt", 0o755, "root", "root"),
            directory("/media", 0o755, "root", "root"),
            directory("/var/mail", 0o2775, "root", "mail"),
            Link { path: "/var/spool/mail", target: "../mail" },
            Relink { path: "/var/run", target: "/run" },
            Relink { path: "/var/lock", target: "/run/lock" },
            directory("/usr/local", 0o755, "root", "root"),
            directory("/usr/local/share", 0o755, "root", "root"),
            directory("/usr/local/share/man", 0o755, "root", "root"),
            directory("/usr/local/bin", 0o755, "root", "root"),
            directory("/usr/local/games", 0o755, "root", "root"),
            directory("/usr/local/lib", 0o755, "root", "root"),
            directory("/usr/local/libexec", 0o755, "root", "root"),
            directory("/usr/local/include", 0o755, "root", "root"),
            directory("/usr/local/sbin", 0o755, "root", "root"),
            directory("/usr/local/src", 0o755, "root", "root"),
            directory("/usr/local/etc", 0o755, "root", "root"),
            Link { path: "/usr/local/man", target: "share/man" },
            Copy { from: "/usr/share/base-files/info.dir", to: "/usr/share/info/dir" },
        ],
        why: "Makes the directories of the file hierarchy and the first versions of files that \
              belong to the administrator. The login records (wtmp, btmp and lastlog in \
              /var/log) are left out: who would write them does so only where they are.",
    },
    Recipe {
        package: "base-passwd",
        script: Preinst,
        sha256: "90ea189b21f4044d63ad6b69560d1f33fd8aabe7921945a38f504f14f20b698b",
        effects: &[],
        why: "Writes a first /etc/passwd and /etc/group, equal to the master files.",
    },
    Recipe {
        package: "base-passwd",
        script: Postinst,
        sha256: "24e3878d544cd79769f0c9b45ea778d65563bef82ffe062f9c483f4dd9ddc2d7",
        effects: &[
            AccountMasters,
            file("/etc/subuid", 0o644, "root", "root", ""),
            file("/etc/subgid", 0o644, "root", "root", ""),
        ],
        why: "The master files become /etc/passwd and /etc/group.",
    },
    Recipe {
        package: "bash",
        script: Postinst,
        sha256: "be148e2f6f725afb3c36f9991d20439fcb6bd899a20b0e21068a6fcd84b98fca",
        effects: &[Alternatives],
        why: "/bin/sh is a link of dash, which is essential; the manual of the builtins is an \
              alternative.",
    },
    Recipe {
        package: "ca-certificates",
        script: Postinst,
        sha256: "2aff0993caf9db6fd0a8ddeeb48cb2d0719946ef7e50fd39d9cfa7e699f562f3",
        effects: &[
            directory("/usr/local/share/ca-certificates", 0o755, "root", "root"),
            Certificates,
        ],
        why: "Trusts every certificate of the package (the default of its question), collects \
              them in a bundle and links them by hash.",
    },
    Recipe {
        package: "chrony",
        script: Postinst,
        sha256: "a7d1c7f9d98898c572c3cc6de18af17e4292f3695acd269f7ec0483d5bbdf03b",
        effects: &[
            SystemUser { name: "_chrony", comment: "Chrony daemon", home: "/var/lib/chrony" },
            Copy { from: "/usr/share/chrony/chrony.conf", to: "/etc/chrony/chrony.conf" },
            Copy { from: "/usr/share/chrony/chrony.keys", to: "/etc/chrony/chrony.keys" },
            owner("/var/lib/chrony", 0o750, "_chrony", "_chrony"),
            owner("/var/log/chrony", 0o750, "_chrony", "_chrony"),
            owner("/etc/chrony/chrony.keys", 0o640, "root", "_chrony"),
        ],
        why: "Makes the account of the daemon, its first configuration and the owners of its \
              folders.",
    },
    Recipe {
        package: "cryptsetup",
        script: Preinst,
        sha256: "3c06ebe527521659370e9e0e78e6ad020edd5b6f350c1820f3aae60c4894809e",
        effects: &[file(
            "/etc/crypttab",
            0o644,
            "root",
            "root",
            "# <target name>\t<source device>\t\t<key file>\t<options>\n",
        )],
        why: "Makes an empty crypttab; the diversion is about a package of its own that is not \
              involved.",
    },
    Recipe {
        package: "cryptsetup",
        script: Postinst,
        sha256: "83bee4ccc16736d52ec1a7fe0c4a7976f00cfb745c38bb849b6a1095bde69241",
        effects: &[],
        why: "The links exist through the merged /usr; the rest checks the crypttab of a \
              running system.",
    },
    Recipe {
        package: "dash",
        script: Preinst,
        sha256: "5858805a3f474eb66c379d946b23876a6e3c2e6cfcc72d7c4374c2bf5e4cf936",
        effects: &[],
        why: "Acts on an upgrade or a reconfiguration only. It looks for a lost diversion of \
              /bin/sh.",
    },
    Recipe {
        package: "dash",
        script: Postinst,
        sha256: "a14cfd3eb1bad8fc33b5c6ea5659939f12fe8e93a6fa5603c9dda2994aa4ca1f",
        effects: &[],
        why: "/bin/sh is a file of the package; only an old diversion by bash would change it.",
    },
    Recipe {
        package: "dbus",
        script: Postinst,
        sha256: "ef40123ff262ad984a8d4a085caef5e08eb0413ae7591fba54157a9ccb712c1e",
        effects: &[owner(
            "/usr/lib/dbus-1.0/dbus-daemon-launch-helper",
            0o4754,
            "root",
            "messagebus",
        )],
        why: "The helper that starts services as other users is setuid and only for the bus \
              itself.",
    },
    Recipe {
        package: "dbus-daemon",
        script: Postinst,
        sha256: "5e1f830d825b3f12760e574937363b02cfa28d9c14d1221b8b94b300c15044e9",
        effects: &[directory("/var/lib/dbus", 0o755, "root", "root")],
        why: "The machine id of the bus is a link to /etc/machine-id (tmpfiles.d), which is \
              made at boot.",
    },
    Recipe {
        package: "dbus-system-bus-common",
        script: Postinst,
        sha256: "d43b93b1a5cd2c992aa0df9abdc03caf95bfc224920a31cfc97b2de0e123d83a",
        effects: &[],
        why: "The account comes from sysusers.d.",
    },
    Recipe {
        package: "debianutils",
        script: Postinst,
        sha256: "3473f9a65b43ac592531b921fda39ba872115229983b861456fd00c8c0cb29ac",
        effects: &[Shells, Alternatives],
        why: "Collects /etc/shells; which(1) is an alternative.",
    },
    Recipe {
        package: "dpkg",
        script: Postinst,
        sha256: "4807072d3d07fb63bbc4570f5076310b8464b73fcbd92ce328d996a0de54abfb",
        effects: &[],
        why: "Records the native architecture in the package database, which is written as a \
              whole; the link exists through the merged /usr.",
    },
    Recipe {
        package: "fping",
        script: Postinst,
        sha256: "c237f82b73ac8d5cbaa60f8976e1d06b80d53df00d5756159d98e58c6f375cee",
        effects: &[Capabilities { path: "/usr/bin/fping", text: "cap_net_raw+ep" }],
        why: "The program opens raw sockets; it would be setuid root where capabilities can't be set.",
    },
    Recipe {
        package: "gzip",
        script: Preinst,
        sha256: "3cb42378506866b3db1957c42f49ba0a0a23125cfee2b9916dc32798d78434a6",
        effects: &[],
        why: "The diversions are those of zutils, made before /usr was merged.",
    },
    Recipe {
        package: "gzip",
        script: Postinst,
        sha256: "3ad29dfff499e62cc956c38c93715a5db2e87dcf878ce06166f4aa92643fdb0b",
        effects: &[],
        why: "The diversions are those of zutils, made before /usr was merged.",
    },
    Recipe {
        package: "init-system-helpers",
        script: Postinst,
        sha256: "41dcfbf5b9900daa9cd06bb3a7effbe8119056d12b7e6442c9b1873efc3c0caa",
        effects: &[],
        why: "Acts on an upgrade or a reconfiguration only. It removes a diversion of \
              /etc/os-release.",
    },
    Recipe {
        package: "initramfs-tools",
        script: Postinst,
        sha256: "290f786b0d4778f161ec09e2ed126f12e3ab6ce2890a2a0714f6f02ff9b542e5",
        effects: &[],
        why: "The initramfs is written by the build.",
    },
    Recipe {
        package: "initramfs-tools-core",
        script: Postinst,
        sha256: "1f2d37f4307f6de9404f09ed9d99131b9dfec30584b3ad4d57d86909bf6df7f0",
        effects: &[],
        why: "The initramfs is written by the build; its configuration is not read.",
    },
    Recipe {
        package: "iproute2",
        script: Postinst,
        sha256: "11f9420a1769cd7d07f243a199d0f62aa8943959e06161f51fb9d1a828ab4cac",
        effects: &[],
        why: "The capabilities of ip(8) are asked for, and refused by default.",
    },
    Recipe {
        package: "iptables",
        script: Postinst,
        sha256: "dde49015b9f08ea0547e1b40c5eb02c3362469f9b88eadc7299482fbdb7c5dc6",
        effects: &[Alternatives],
        why: "The commands are alternatives between the nft and the legacy interface.",
    },
    Recipe {
        package: "klibc-utils",
        script: Postinst,
        sha256: "33ce7c406c281cea87d9c1218a17ea2a6199a5b8146177b8312f4db522392f38",
        effects: &[],
        why: "Repairs the documentation link and a diversion of old versions.",
    },
    Recipe {
        package: "kmod",
        script: Postinst,
        sha256: "c1e79843e993d8af4aa861ed6b5f926ca65ec3d1031581314d11340621a34b56",
        effects: &[file(
            "/etc/modules",
            0o644,
            "root",
            "root",
            "# Kernel modules to load at boot, one a line.\n",
        )],
        why: "An empty list of modules to load, for the administrator.",
    },
    Recipe {
        package: "libc-bin",
        script: Postinst,
        sha256: "32927223bd0a3fbc0a725f59165d42e3cadb6952ca17c1a0360078f697603090",
        effects: &[Copy { from: "/usr/share/libc-bin/nsswitch.conf", to: "/etc/nsswitch.conf" }],
        why: "The name service switch has a first version; the loader cache is not made (its \
              directories are checked).",
    },
    Recipe {
        package: "libc6",
        script: Preinst,
        sha256: "f48fde38c46ce05e8b24d45a09a493688e7fa05541ac2c981783296b9df564f4",
        effects: &[Divert {
            from: "/lib64/ld-linux-x86-64.so.2",
            to: "/lib64/ld-linux-x86-64.so.2.usr-is-merged",
        }],
        why: "Checks the running kernel, restarts services on an upgrade, and diverts names \
              that only an upgrade could lose.",
    },
    Recipe {
        package: "libc6",
        script: Postinst,
        sha256: "2ea668fbb51bf7b486f1bcfa5233c0364f26e262dfab2799d0ce91a25da4cda9",
        effects: &[],
        why: "Restarts services and the running systemd on an upgrade.",
    },
    Recipe {
        package: "libgcrypt20",
        script: Postinst,
        sha256: "95d409c9aa7a9aa16f3d41357f269e04b6f8130bfaf8ad625d83b02863064585",
        effects: &[],
        why: "Acts on an upgrade or a reconfiguration only.",
    },
    Recipe {
        package: "libglib2.0-0t64",
        script: Preinst,
        sha256: "09f7dcfd4c875cbdb7815732e9aa70916fd9f4aa446ea181b8eabb1ae5470f95",
        effects: &[],
        why: "Mends a script of an older version.",
    },
    Recipe {
        package: "libglib2.0-0t64",
        script: Postinst,
        sha256: "49415e9317f36880c162c6b20512b5664ca2ca59e05620aac28dc452af249985",
        effects: &[Absent {
            path: "/usr/share/glib-2.0/schemas",
            what: "GSettings schemas, which would have to be compiled",
        }],
        why: "Compiles schemas and a cache of modules; the cache is optional, and schemas are \
              refused.",
    },
    Recipe {
        package: "libgssapi-krb5-2",
        script: Postinst,
        sha256: "48c8bd2b654d668ed9bd04449d32f52780fbc0605404df85b9b0d5b3a4ad73b5",
        effects: &[],
        why: "Acts on an upgrade or a reconfiguration only.",
    },
    Recipe {
        package: "libpam-modules",
        script: Preinst,
        sha256: "8c3e40e40bd4a79f50102d54409bb5b295f822efcbfecadc074e6e839167a219",
        effects: &[],
        why: "Acts on an upgrade or a reconfiguration only. It disables profiles of removed \
              modules.",
    },
    Recipe {
        package: "libpam-modules",
        script: Postinst,
        sha256: "9725ddd10bf69c4a03041a33e34a8f412ec718b2c8857e4783d8a2f5a504adc5",
        effects: &[
            file("/etc/security/opasswd", 0o600, "root", "root", ""),
            file("/etc/environment", 0o644, "root", "root", ""),
        ],
        why: "Makes the file of old passwords and an empty environment.",
    },
    Recipe {
        package: "libpam-runtime",
        script: Postinst,
        sha256: "5408db5b34e8b14469bcd103f6f6553146b06aa943a0aab90b393aec394a777a",
        effects: &[PamProfiles],
        why: "Composes /etc/pam.d/common-* from the profiles that are on by default.",
    },
    Recipe {
        package: "libpam0g",
        script: Postinst,
        sha256: "11bc5a83f1e94139a6e539bab69285ad1388e8bed6efe871c13c756f57b67278",
        effects: &[],
        why: "Restarts services on an upgrade.",
    },
    Recipe {
        package: "libpython3.13-minimal",
        script: Postinst,
        sha256: "ca9124baa0241cacf33cac4532cb9432dbdafed3adb6b2cd0399cfe5b0365e09",
        effects: &[],
        why: "Prints a comment.",
    },
    Recipe {
        package: "libreadline8t64",
        script: Preinst,
        sha256: "1dda8126396d102612fd529ac9cd77e17dfdaffebf8145165ef71742e1fd614a",
        effects: &[
            Divert {
                from: "/lib/x86_64-linux-gnu/libhistory.so.8",
                to: "/lib/x86_64-linux-gnu/libhistory.so.8.usr-is-merged",
            },
            Divert {
                from: "/lib/x86_64-linux-gnu/libhistory.so.8.2",
                to: "/lib/x86_64-linux-gnu/libhistory.so.8.2.usr-is-merged",
            },
            Divert {
                from: "/lib/x86_64-linux-gnu/libreadline.so.8",
                to: "/lib/x86_64-linux-gnu/libreadline.so.8.usr-is-merged",
            },
            Divert {
                from: "/lib/x86_64-linux-gnu/libreadline.so.8.2",
                to: "/lib/x86_64-linux-gnu/libreadline.so.8.2.usr-is-merged",
            },
        ],
        why: "Diverts names that only an upgrade could lose.",
    },
    Recipe {
        package: "libselinux1",
        script: Postinst,
        sha256: "0ce5e3cea80feaa595af35e8ef9de2bf5281da24da907712fdd175c578323e29",
        effects: &[],
        why: "Removes compiled contexts of an older version.",
    },
    Recipe {
        package: "libtirpc3t64",
        script: Preinst,
        sha256: "1384296fa5bbe78cb2cbcf288b81ef285e4da440a4a85b85df401d289d3d5654",
        effects: &[
            Divert {
                from: "/lib/x86_64-linux-gnu/libtirpc.so.3",
                to: "/lib/x86_64-linux-gnu/libtirpc.so.3.usr-is-merged",
            },
            Divert {
                from: "/lib/x86_64-linux-gnu/libtirpc.so.3.0.0",
                to: "/lib/x86_64-linux-gnu/libtirpc.so.3.0.0.usr-is-merged",
            },
        ],
        why: "Diverts names that only an upgrade could lose.",
    },
    Recipe {
        package: "libwrap0",
        script: Postinst,
        sha256: "4bbc9b34c0cc54a4a991fceee88bb12fa3a0dcde2824af6dc778e3195ce00595",
        effects: &[],
        why: "Both access lists are comments only; without them everything is allowed just the \
              same.",
    },
    Recipe {
        package: "libwtmpdb0",
        script: Postinst,
        sha256: "3dd567a818415f6d3e11b7d97f8c49ff7ad4b2477f2436f2f6d1ffb11156d18e",
        effects: &[Link { path: "/var/lib/wtmpdb/wtmp.db", target: "../../log/wtmp.db" }],
        why: "The login database has moved; its old name stays a link.",
    },
    Recipe {
        package: "linux-image-@KERNEL@",
        script: Preinst,
        sha256: "176c3abbf8f67b96df1999c46602deb607ec0984df57647603d32d0d0b2c3264",
        effects: &[],
        why: "Leaves a note for the postinst, and runs hooks of the boot loader and the \
              initramfs.",
    },
    Recipe {
        package: "linux-image-@KERNEL@",
        script: Postinst,
        sha256: "812704bf9dde897ff575272a60ba7927b021ef775b78301cc2db290337d26e1c",
        effects: &[ModuleIndex],
        why: "Indexes the modules. Boot loader, initramfs and the links in / are the work of \
              the build.",
    },
    Recipe {
        package: "login.defs",
        script: Postinst,
        sha256: "606884acd13241913813f4071d8884801371c1dadb5a10ae1e2b81fb4efbc51a",
        effects: &[],
        why: "Takes over a file that another package left.",
    },
];
