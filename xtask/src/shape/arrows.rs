//! Arrows between crates: how many leave each floor of the house, and where to.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::FLOORS;
use super::functions::source;

/// Files of a floor that name a crate of the same floor, and of those below.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Arrows {
    within: usize,
    down: usize,
}

/// One row for each floor.
pub(super) fn table(crates: &Path) -> Result<String> {
    let mut table =
        String::from("| floor | crates | arrows within | arrows down |\n|---|---|---|---|\n");
    let mut all = Arrows::default();
    for (floor, (words, names)) in FLOORS.iter().enumerate() {
        let mut arrows = Arrows::default();
        for name in *names {
            let folder = crates.join(name);
            count(&folder.join("src"), name, floor, &mut arrows)
                .with_context(|| folder.display().to_string())?;
        }
        writeln!(table, "| {words} | {} | {} | {} |", names.join(" "), arrows.within, arrows.down)?;
        all.within += arrows.within;
        all.down += arrows.down;
    }
    writeln!(table, "| all |  | {} | {} |", all.within, all.down)?;
    Ok(table)
}

fn count(path: &Path, of: &str, floor: usize, arrows: &mut Arrows) -> Result<()> {
    if path.file_stem().is_some_and(|name| name == "tests") {
        return Ok(());
    }
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            count(&entry?.path(), of, floor, arrows)?;
        }
    } else if path.extension().is_some_and(|extension| extension == "rs") {
        let text = fs::read_to_string(path)?;
        for named in named(&text).filter(|named| *named != of) {
            let other = FLOORS.iter().position(|(_, names)| names.contains(&named));
            match other.with_context(|| format!("`{named}` is on no floor"))? {
                other if other == floor => arrows.within += 1,
                other => {
                    ensure!(other > floor, "{}: `{named}` is above it", path.display());
                    arrows.down += 1;
                }
            }
        }
    }
    Ok(())
}

/// The crates of the house that the code of a file names, tests and comments aside.
fn named(text: &str) -> impl Iterator<Item = &'static str> {
    let lines: Vec<&str> = text.lines().collect();
    let code: String = lines
        .iter()
        .take(source(&lines))
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [*line, "\n"])
        .collect();
    let names = FLOORS.iter().flat_map(|(_, names)| *names).copied();
    names.filter(move |name| code.contains(&format!("cvmkit_{name}::")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_one_arrow_to_each_crate_that_its_code_names() {
        let text = "use cvmkit_formats::Tree;\nuse cvmkit_formats::{gpt, fat};\n// cvmkit_vm::boot\n\
                    fn a() {\n    cvmkit_host::files::open();\n}\n\
                    #[cfg(test)]\nmod tests {\n    use cvmkit_debian::deb;\n}\n";
        assert_eq!(named(text).collect::<Vec<_>>(), ["host", "formats"]);
    }

    #[test]
    fn every_crate_is_on_a_floor_and_no_arrow_points_up() {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
        let mut on_floors: Vec<_> = FLOORS.iter().flat_map(|(_, names)| *names).collect();
        on_floors.sort_unstable();
        assert_eq!(crate::demo::list(&crates).unwrap().iter().collect::<Vec<_>>(), on_floors);
        let table = table(&crates).unwrap();
        assert!(table.contains("| build, claim, boot | engine attest vm | "), "{table}");
    }
}
