//! The page of a whole run.

use std::fmt::Write as _;

use super::Judged;

const HEAD: &str = "\
# Servers

`cargo xtask campaign servers` makes this page; do not edit it. Each definition of `xtask/data/servers` is built and booted once in
QEMU, with a read-only root and a `/var` that is made at each boot (`systemd.volatile=state`). A unit in the image asks each server
when everything has started or failed: whether systemd calls its unit active, and what it answers.

";

const ADDED: &str = "
Servers whose keys or data must not be in an image (`build` notes them: `keys-left-out`, `data-left-out`) make them where the image runs,
by a unit that the definition adds. They are made below `/var`: at each boot when that is a `tmpfs`, once when it is a disk. All that a
definition has beside sources and a kernel's command line is below.
";

/// The text of the page.
pub(super) fn write(judged: &[Judged]) -> String {
    let mut page = String::from(HEAD);
    page.push_str(&table(judged));
    page.push_str(ADDED);
    for Judged { image, .. } in judged {
        let _ = write!(page, "\n## {}\n\n", image.name);
        let _ = write!(
            page,
            "Installed: {}.\n\nEnabled: {}.\n",
            list(&image.install),
            list(&image.enable)
        );
        if image.files.is_empty() {
            page.push_str("\nNo file is added.\n");
        }
        for (path, text) in &image.files {
            let _ = write!(page, "\n`/{path}`:\n\n```\n{}\n```\n", text.trim_end());
        }
    }
    page
}

/// A row for each server.
pub(super) fn table(judged: &[Judged]) -> String {
    let mut table = String::from(
        "| package | version | unit | state | answer | image |\n|---|---|---|---|---|---|\n",
    );
    for Judged { image, boot } in judged {
        for server in &image.servers {
            let (package, unit) = (&server.package, &server.unit);
            let version = image.versions.get(package).map_or("", String::as_str);
            let answer = boot.answer(unit);
            let state = answer.map_or("did not say", |answer| &answer.state);
            let text = answer.map_or("", |answer| &answer.text);
            let text = match answer.is_some_and(|answer| answer.is_well(&server.expected)) {
                true => format!("`{}`", cell(text)),
                false => format!("`{}`, not `{}`", cell(text), cell(&server.expected)),
            };
            let _ = writeln!(
                table,
                "| {package} | {version} | `{unit}` | {state} | {text} | {} |",
                image.name
            );
        }
        let failed = boot.failed.as_deref().unwrap_or("the image did not get ready");
        let _ = writeln!(table, "| failed units | | | | {} | {} |", cell(failed), image.name);
    }
    table
}

fn list(words: &[String]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('`', "'")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::console::Boot;
    use crate::servers::image::{Image, Server};

    #[test]
    fn the_page_has_a_row_for_each_server_and_the_files_of_each_image() {
        let server = |unit: &str| Server {
            package: "redis-server".into(),
            unit: unit.into(),
            expected: "PONG".into(),
        };
        let image = Image {
            name: "data".into(),
            servers: vec![server("a.service"), server("b.service")],
            install: vec!["redis-server".into(), "procps".into()],
            enable: vec!["a.service".into()],
            files: [("etc/a".to_owned(), "text\n".to_owned())].into(),
            versions: [("redis-server".to_owned(), "5:8".to_owned())].into(),
        };
        let log = "server:\ta.service\tactive\t+PONG|\nserver:\tb.service\tfailed\t\ncvmkit: ready (failed units: 0)\n";
        let page = write(&[Judged { image, boot: Boot::parse(log) }]);
        for words in [
            "| redis-server | 5:8 | `a.service` | active | `+PONG\\|` | data |\n",
            "| redis-server | 5:8 | `b.service` | failed | ``, not `PONG` | data |\n",
            "| failed units | | | | 0 | data |\n",
            "\n## data\n\nInstalled: `redis-server`, `procps`.\n\nEnabled: `a.service`.\n\n`/etc/a`:\n\n```\ntext\n```\n",
        ] {
            assert!(page.contains(words), "{words}\n{page}");
        }
    }
}
