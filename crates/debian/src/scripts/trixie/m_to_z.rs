//! Packages from m to z.

use super::super::effects::Native::{
    Alternatives, Capabilities, Copy, Divert, Enable, Link, SystemGroup,
};
use super::super::kind::ScriptKind::{Postinst, Preinst};
use super::super::recipes::{Recipe, directory, file, owner};

/// Sorted by package.
pub(super) static RECIPES: &[Recipe] = &[
    Recipe {
        package: "mtr-tiny",
        script: Postinst,
        sha256: "e4411a23a204fe047b2f2b58a0fb3cee2915e12a43d7dca54b6f2ebe0df1b794",
        effects: &[Capabilities { path: "/usr/bin/mtr-packet", text: "cap_net_raw+ep" }],
        why: "The program opens raw sockets; it would be setuid root where `setcap` is not installed.",
    },
    Recipe {
        package: "netbase",
        script: Postinst,
        sha256: "43dbcefb4aaad0279095af3e0f61119060f648feffb5f443af0d52a0496f4a7b",
        effects: &[file(
            "/etc/networks",
            0o644,
            "root",
            "root",
            "default\t\t0.0.0.0\nloopback\t127.0.0.0\nlink-local\t169.254.0.0\n",
        )],
        why: "Names of networks; /etc/hosts is written with the host name.",
    },
    Recipe {
        package: "nginx",
        script: Postinst,
        sha256: "a5172b2b95a713a031e03e54bbafeedacb3427b5fb74cc61946b4f65ad6c571a",
        effects: &[],
        why: "Starts the server.",
    },
    Recipe {
        package: "nginx-common",
        script: Preinst,
        sha256: "55dece916eeff6c346bb4109b2b33e7e8d177d98c1742c315f23e3c05e2efb4a",
        effects: &[],
        why: "Removes configuration of older packages.",
    },
    Recipe {
        package: "nginx-common",
        script: Postinst,
        sha256: "059c109a98e06b098da8e6d65d661203f0d39493590f25a9f68139983d41606b",
        effects: &[
            owner("/var/log/nginx", 0o755, "root", "adm"),
            file("/var/log/nginx/access.log", 0o640, "www-data", "adm", ""),
            file("/var/log/nginx/error.log", 0o640, "www-data", "adm", ""),
            Link {
                path: "/etc/nginx/sites-enabled/default",
                target: "/etc/nginx/sites-available/default",
            },
            Copy {
                from: "/usr/share/nginx/html/index.html",
                to: "/var/www/html/index.nginx-debian.html",
            },
        ],
        why: "The log folder with empty files that only the server and adm read, the default site \
              and its page.",
    },
    Recipe {
        package: "openssh-client",
        script: Postinst,
        sha256: "e1e3806f10a469f7b4da08ace1c8a8f6507d4049ddd303350bb11b5bd3150307",
        effects: &[
            SystemGroup { name: "_ssh" },
            owner("/usr/bin/ssh-agent", 0o2755, "root", "_ssh"),
        ],
        why: "The agent is setgid so that others can not trace it.",
    },
    Recipe {
        package: "openssh-server",
        script: Preinst,
        sha256: "d8c71541ee31c3ed3aed7e6199e86cb5e44638b3bcd9d4b98612aa5200660397",
        effects: &[],
        why: "Acts on an upgrade or a reconfiguration only.",
    },
    Recipe {
        package: "openssh-server",
        script: Postinst,
        sha256: "b41e56d3b0d9475be98c4ec82c0db45c315de4fb469d0562c6a270ec4630c120",
        effects: &[Copy { from: "/usr/share/openssh/sshd_config", to: "/etc/ssh/sshd_config" }],
        why: "The configuration is the default of both questions. Host keys are secrets: none \
              is ever part of an image.",
    },
    Recipe {
        package: "openssl",
        script: Postinst,
        sha256: "5c4a493bda218491382596ff3bcf139ead46ebedbbcc54d867308f323da66d57",
        effects: &[],
        why: "/usr/lib/ssl is part of the package.",
    },
    Recipe {
        package: "passwd",
        script: Postinst,
        sha256: "c173d427e4d7604c2da1704f49d7dfe9dda47c61658ee5a065432be45c7cc931",
        effects: &[],
        why: "The shadow group has its number in the master file, and shadow files are always \
              written.",
    },
    Recipe {
        package: "pinentry-curses",
        script: Postinst,
        sha256: "487eba2d86d14257eb79261f9175741184b8f9ad1d928957783c7edf5e5369bb",
        effects: &[Alternatives],
        why: "The command is an alternative.",
    },
    Recipe {
        package: "podman",
        script: Preinst,
        sha256: "b180a8f85994302d01f43a688f24854976589384593174cdd910493e207c6000",
        effects: &[],
        why: "Acts on an upgrade or a reconfiguration only.",
    },
    Recipe {
        package: "podman",
        script: Postinst,
        sha256: "8ea07108bfc41ba36d3df4c8e954434e130d31a1397f5fa3a14fb835230dd9eb",
        effects: &[],
        why: "Acts on an upgrade or a reconfiguration only.",
    },
    Recipe {
        package: "procps",
        script: Postinst,
        sha256: "51434388e576361055c3cd68c0d4aa91360a69359d5d098b985eb8d2f0919a1e",
        effects: &[],
        why: "Applies settings to a running kernel.",
    },
    Recipe {
        package: "python3",
        script: Preinst,
        sha256: "923b51fd611b39a33f7754d25b32bffd2a369c8e59f900f20830f679543bce93",
        effects: &[],
        why: "Acts on an upgrade or a reconfiguration only.",
    },
    Recipe {
        package: "python3",
        script: Postinst,
        sha256: "db4684a415b389ed53098d00bf128ed177f785fc502b5a607f817185da25f205",
        effects: &[file(
            "/etc/python3/debian_config",
            0o644,
            "root",
            "root",
            "[DEFAULT]\nbyte-compile = standard\n",
        )],
        why: "Byte code is a cache that the interpreter does without; its policy file has one \
              default.",
    },
    Recipe {
        package: "python3-minimal",
        script: Postinst,
        sha256: "4420f6ef0aa92330a203de849199202849a86825297994ed651f672e8e6568f5",
        effects: &[],
        why: "Byte code is a cache that the interpreter does without.",
    },
    Recipe {
        package: "python3.13",
        script: Postinst,
        sha256: "4b976b2700e8dc6c95493a54b159ec31138d43b33d1d897a498fcf5389ea8f9e",
        effects: &[],
        why: "Byte code is a cache that the interpreter does without.",
    },
    Recipe {
        package: "python3.13-minimal",
        script: Preinst,
        sha256: "bfd608522fc3e023c5661db2aa0ab630ed7df6a11813eecbe945d1b896fea4ae",
        effects: &[],
        why: "A note for the postinst.",
    },
    Recipe {
        package: "python3.13-minimal",
        script: Postinst,
        sha256: "8267806356ef70fd088ff00055d983311ae1a3da8c65e17ee9b31d9fb915bf0a",
        effects: &[
            directory("/usr/local/lib/python3.13", 0o755, "root", "root"),
            directory("/usr/local/lib/python3.13/dist-packages", 0o755, "root", "root"),
        ],
        why: "Byte code is a cache that the interpreter does without; the folders are for the \
              administrator.",
    },
    Recipe {
        package: "readline-common",
        script: Postinst,
        sha256: "0aeccfe9b6896f110819f3aa3e6b5381afea062fb963c8b8ffe487cb0a23d154",
        effects: &[Copy { from: "/usr/share/readline/inputrc", to: "/etc/inputrc" }],
        why: "The first version of the key bindings.",
    },
    Recipe {
        package: "ssl-cert",
        script: Postinst,
        sha256: "88da0fa6b4a37353fb4f0b89d32168ac1b4ebae5302cdc30c22a7826ef96a9cd",
        effects: &[
            SystemGroup { name: "ssl-cert" },
            owner("/etc/ssl/private", 0o710, "root", "ssl-cert"),
        ],
        why: "A group that may use private keys. The key and certificate of the host are secrets: \
              none is ever part of an image.",
    },
    Recipe {
        package: "systemd",
        script: Preinst,
        sha256: "9041b9f6b9341301611a0914dc6d7ddde431387388368a849bb3b2b684217a11",
        effects: &[],
        why: "Refuses a system whose /usr is not merged. The tree is merged from the start.",
    },
    Recipe {
        package: "systemd",
        script: Postinst,
        sha256: "a6b628378234d624623b0083aca1da86667cf84919bfd0431ffbe7df23c4d7f2",
        effects: &[
            Enable("getty@tty1.service"),
            Enable("remote-fs.target"),
            Enable("systemd-pstore.service"),
        ],
        why: "Debian enables three units. The machine id is made at boot; the journal stays in \
              memory unless the definition makes /var/log/journal; the catalogue has no index.",
    },
    Recipe {
        package: "systemd-sysv",
        script: Postinst,
        sha256: "505f4e888b13be0d8fa14ecb775c8b6e40695f5977ce7955ada201e8fcdd2ab7",
        effects: &[],
        why: "The links are part of the package; a boot loader is not involved.",
    },
    Recipe {
        package: "tar",
        script: Postinst,
        sha256: "3cb724d93bee8f747c4ccd87e45f120481f63c885f3e949b5380f53cc56dac24",
        effects: &[Alternatives],
        why: "rmt(8) is an alternative.",
    },
    Recipe {
        package: "tzdata",
        script: Postinst,
        sha256: "55b7ca6e3020668ede230ed42f2cec279548f4345c6ad20fb9f65622bb8f86bc",
        effects: &[Link { path: "/etc/localtime", target: "/usr/share/zoneinfo/Etc/UTC" }],
        why: "The time zone is UTC, the default of its question.",
    },
    Recipe {
        package: "ucf",
        script: Preinst,
        sha256: "3b21b2489acd90a8a0de26d6e9fc41e01d27e943d684417514114af4da58fa7e",
        effects: &[],
        why: "Keeps a record of configuration for later upgrades.",
    },
    Recipe {
        package: "ucf",
        script: Postinst,
        sha256: "4b6243be05a047c8b468c03c0b52af48aa09f566baaa29874b0177b2f6d01739",
        effects: &[],
        why: "Keeps a record of configuration for later upgrades.",
    },
    Recipe {
        package: "udev",
        script: Preinst,
        sha256: "8e84c39fc3e4b99d36a06ce7c1db1b0d1d52a6060b3be007ef2c7edbefc66a6d",
        effects: &[],
        why: "Refuses a system whose /usr is not merged. The tree is merged from the start.",
    },
    Recipe {
        package: "udev",
        script: Postinst,
        sha256: "3f8a9351f8dc96d7bc0be0551d24e896b1ef71468f1d60f6b3581188da29f2cf",
        effects: &[],
        why: "The hardware database is a lookup for desktop devices; udev starts without its \
              index.",
    },
    Recipe {
        package: "util-linux",
        script: Postinst,
        sha256: "b769646dde603ea69a6a9de904d4b6031dab9d1b42afd6061ecb1ff6c6eb8e95",
        effects: &[Alternatives],
        why: "The pager is an alternative.",
    },
    Recipe {
        package: "util-linux-extra",
        script: Preinst,
        sha256: "372d474303319682c8fddc6f4cf1efdc99aa2b2107e25e33a3d5e4fcec9d46e7",
        effects: &[
            Divert { from: "/sbin/ctrlaltdel", to: "/sbin/ctrlaltdel.usr-is-merged" },
            Divert { from: "/sbin/fsck.cramfs", to: "/sbin/fsck.cramfs.usr-is-merged" },
            Divert { from: "/sbin/fsck.minix", to: "/sbin/fsck.minix.usr-is-merged" },
            Divert { from: "/sbin/mkfs.bfs", to: "/sbin/mkfs.bfs.usr-is-merged" },
            Divert { from: "/sbin/mkfs.cramfs", to: "/sbin/mkfs.cramfs.usr-is-merged" },
            Divert { from: "/sbin/mkfs.minix", to: "/sbin/mkfs.minix.usr-is-merged" },
        ],
        why: "Diverts names that only an upgrade could lose.",
    },
];
