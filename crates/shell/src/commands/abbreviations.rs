//! Long options that are cut short: getopt_long(3) takes any start of a name that no other option has.

/// Those of the programs that print digests.
const SUMS: &str =
    "binary check help ignore-missing quiet status strict tag text version warn zero";

/// The long options of the programs, all of them: what a start of a name means depends on those that are not
/// implemented as well (`--help` of GNU coreutils 9.1 to 9.7, grep 3.11, findutils 4.10, diffutils 3.10 and
/// util-linux 2.41).
const PROGRAMS: [(&str, &str); 48] = [
    ("base64", "decode help ignore-garbage version wrap"),
    ("basename", "help multiple suffix version zero"),
    (
        "cat",
        "help number number-nonblank show-all show-ends show-nonprinting show-tabs squeeze-blank \
         version",
    ),
    (
        "chgrp",
        "changes dereference help no-dereference no-preserve-root preserve-root quiet recursive \
         reference silent verbose version",
    ),
    (
        "chmod",
        "changes dereference help no-dereference no-preserve-root preserve-root quiet recursive \
         reference silent verbose version",
    ),
    (
        "chown",
        "changes dereference from help no-dereference no-preserve-root preserve-root quiet \
         recursive reference silent verbose version",
    ),
    ("cmp", "bytes help ignore-initial print-bytes quiet silent verbose version"),
    ("comm", "check-order help nocheck-order output-delimiter total version zero-terminated"),
    (
        "cp",
        "archive attributes-only backup context copy-contents debug dereference force help \
         interactive keep-directory-symlink link no-clobber no-dereference no-preserve \
         no-target-directory one-file-system parents preserve recursive reflink \
         remove-destination sparse strip-trailing-slashes suffix symbolic-link target-directory \
         update verbose version",
    ),
    (
        "cut",
        "bytes characters complement delimiter fields help only-delimited output-delimiter \
         version zero-terminated",
    ),
    (
        "date",
        "date debug file help iso-8601 reference resolution rfc-3339 rfc-email set universal utc \
         version",
    ),
    (
        "df",
        "all block-size direct exclude-type help human-readable inodes local no-sync output \
         portability print-type si sync total type version",
    ),
    (
        "diff",
        "brief color context ed exclude exclude-from expand-tabs from-file help horizon-lines \
         ifdef ignore-all-space ignore-blank-lines ignore-case ignore-file-name-case \
         ignore-matching-lines ignore-space-change ignore-tab-expansion ignore-trailing-space \
         initial-tab label left-column line-format minimal new-file no-dereference \
         no-ignore-file-name-case normal paginate palette rcs recursive report-identical-files \
         show-c-function show-function-line side-by-side speed-large-files starting-file \
         strip-trailing-cr suppress-blank-empty suppress-common-lines tabsize text to-file \
         unidirectional-new-file unified version width",
    ),
    (
        "env",
        "argv0 block-signal chdir debug default-signal help ignore-environment ignore-signal \
         list-signal-handling null split-string unset version",
    ),
    (
        "getopt",
        "alternative help longoptions name options quiet quiet-output shell test unquoted version",
    ),
    (
        "grep",
        "after-context basic-regexp before-context binary binary-files byte-offset color colour \
         context count dereference-recursive devices directories exclude exclude-dir exclude-from \
         extended-regexp file files-with-matches files-without-match fixed-strings \
         group-separator help ignore-case include initial-tab invert-match label line-buffered \
         line-number line-regexp max-count no-filename no-group-separator no-ignore-case \
         no-messages null null-data only-matching perl-regexp quiet recursive regexp silent text \
         version with-filename word-regexp",
    ),
    ("head", "bytes help lines presume-input-pipe quiet silent verbose version zero-terminated"),
    ("id", "context group groups help name real user version zero"),
    (
        "install",
        "backup compare context debug directory group help mode no-target-directory owner \
         preserve-context preserve-timestamps strip strip-program suffix target-directory verbose \
         version",
    ),
    (
        "ln",
        "backup directory force help interactive logical no-dereference no-target-directory \
         physical relative suffix symbolic target-directory verbose version",
    ),
    (
        "ls",
        "all almost-all author block-size classify color context dereference \
         dereference-command-line dereference-command-line-symlink-to-dir directory dired escape \
         file-type format full-time group-directories-first help hide hide-control-chars \
         human-readable hyperlink ignore ignore-backups indicator-style inode kibibytes literal \
         no-group numeric-uid-gid quote-name quoting-style recursive reverse show-control-chars \
         si size sort tabsize time time-style version width zero",
    ),
    ("md5sum", SUMS),
    ("mkdir", "context help mode parents verbose version"),
    ("mkfifo", "context help mode version"),
    ("mknod", "context help mode version"),
    ("mktemp", "directory dry-run help quiet suffix tmpdir version"),
    ("mountpoint", "devno fs-devno help nofollow quiet version"),
    (
        "mv",
        "backup context debug exchange force help interactive no-clobber no-copy \
         no-target-directory strip-trailing-slashes suffix target-directory update verbose \
         version",
    ),
    ("paste", "delimiters help serial version zero-terminated"),
    (
        "readlink",
        "canonicalize canonicalize-existing canonicalize-missing help no-newline quiet silent \
         verbose version zero",
    ),
    (
        "realpath",
        "canonicalize-existing canonicalize-missing help logical no-symlinks physical quiet \
         relative-base relative-to strip version zero",
    ),
    (
        "rm",
        "dir force help interactive no-preserve-root one-file-system preserve-root recursive \
         verbose version",
    ),
    ("rmdir", "help ignore-fail-on-non-empty parents verbose version"),
    ("sha1sum", SUMS),
    ("sha256sum", SUMS),
    ("sha512sum", SUMS),
    (
        "sort",
        "batch-size buffer-size check compress-program debug dictionary-order field-separator \
         files0-from general-numeric-sort help human-numeric-sort ignore-case \
         ignore-leading-blanks ignore-nonprinting key merge month-sort numeric-sort output \
         parallel random-sort random-source reverse sort stable temporary-directory unique \
         version version-sort zero-terminated",
    ),
    ("stat", "cached dereference file-system format help printf terse version"),
    ("tac", "before help regex separator version"),
    (
        "tail",
        "bytes debug follow help lines max-unchanged-stats pid presume-input-pipe quiet retry \
         silent sleep-interval verbose version zero-terminated",
    ),
    ("tee", "append help ignore-interrupts output-error version"),
    ("touch", "date help no-create no-dereference reference time version"),
    ("tr", "complement delete help squeeze-repeats truncate-set1 version"),
    ("truncate", "help io-blocks no-create reference size version"),
    (
        "uname",
        "all hardware-platform help kernel-name kernel-release kernel-version machine nodename \
         operating-system processor version",
    ),
    (
        "uniq",
        "all-repeated check-chars count group help ignore-case repeated skip-chars skip-fields \
         unique version zero-terminated",
    ),
    ("wc", "bytes chars files0-from help lines max-line-length total version words"),
    (
        "xargs",
        "arg-file delimiter eof exit help interactive max-args max-chars max-lines max-procs \
         no-run-if-empty null open-tty process-slot-var replace show-limits verbose version",
    ),
];

/// The long options of a program that start so; none of a program that is not known here.
pub(super) fn candidates(program: &str, start: &[u8]) -> Vec<&'static str> {
    let known = PROGRAMS.iter().find(|(name, _)| *name == program);
    let names = known.map(|(_, names)| *names).unwrap_or_default().split_ascii_whitespace();
    names.filter(|name| name.as_bytes().starts_with(start)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_has_the_options_that_begin_with_it() {
        for (program, start, expected) in [
            ("mkdir", "parent", &["parents"][..]),
            ("mkdir", "parents", &["parents"]),
            ("mkdir", "parentss", &[]),
            ("ls", "re", &["recursive", "reverse"]),
            ("cp", "no-d", &["no-dereference"]),
            ("rmdir", "ig", &["ignore-fail-on-non-empty"]),
            ("nosuch", "a", &[]),
        ] {
            assert_eq!(candidates(program, start.as_bytes()), expected, "{program} --{start}");
        }
    }
}
