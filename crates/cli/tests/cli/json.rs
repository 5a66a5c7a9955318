//! Every command asked for JSON: what it answers, a result or an error, is JSON with keys in kebab-case.
//!
//! The commands are those that the program lists itself, so that a new one is missed here. Those that
//! need a network or a whole image are asked for what they refuse; their results are checked where they
//! are tested, by the same rule.

use serde_json::Value;

use crate::bzimage;
use crate::export::image_of_all;
use crate::help::listed;
use crate::json_keys;
use crate::program::Folder;
use crate::se_image;

/// Each command with its words.
pub(crate) const COMMANDS: [(&str, &str); 36] = [
    ("new", "minimal made"),
    ("lock", "nothing"),
    ("vendor", "nothing"),
    ("plan", "nothing --edit kernel"),
    ("audit", "nothing"),
    ("build", "nothing"),
    ("profile", ""),
    ("profile", "qemu-tdx-direct"),
    ("measure snp", "--vcpus 2 --vcpu-type EPYC-v4 --ovmf out/OVMF.amdsev.fd --explain"),
    ("measure snp", "--mode sev --ovmf out/OVMF.amdsev.fd --explain"),
    ("measure id-block", "--id-key key.pem --digest DIGEST"),
    ("measure tdx", "--firmware out/OVMF.fd --kernel out/tiny.vmlinuz --layout edk2-stable202502"),
    (
        "measure tdx",
        "--firmware out/OVMF.fd --layout edk2-stable202502 --secure-boot absent --kernel \
         out/tiny.vmlinuz --initrd out/tiny.initrd --append quiet --memory 2G --qemu-version 9.1 \
         --explain",
    ),
    ("measure tpm", "out --firmware-behaviour ovmf-2025.02 --explain"),
    ("measure tpm", "out --direct --firmware-behaviour ovmf-2025.02"),
    ("measure image", "out --profile qemu-vtpm --profile gce-vtpm"),
    ("measure se", "se.img"),
    ("measure stage0", "--kernel kernel --memory 1G --machine q35 --explain"),
    ("compare", "registers --with out"),
    ("compare", "registers --with out --firmware-behaviour ovmf-2025.02"),
    ("compare", "td --with out"),
    ("compare", "td --with out --tpm absent"),
    ("compare", "DIGEST --with out"),
    ("export", "out --as rvps"),
    ("export", "out --as katana --vcpus 2 --out document"),
    ("dump", "out/tiny.efi"),
    ("verity format", "data hash"),
    ("verity verify", "data hash ROOT"),
    ("verity verify", "data hash 6a9c8d9f0046f95a24604c86fa419ab4cca8585c2c7c95724370d30b0ad62cf1"),
    ("verity dump", "hash"),
    ("boot", "nothing"),
    ("verify", "out"),
    ("schema", "manifest"),
    ("schema", "reference-values"),
    ("completions", "bash"),
    ("man", "pages"),
];

/// What writes text for other programs whatever the format, as README says.
const TEXT: [&str; 2] = ["completions", "man"];

/// The commands that the program lists, at any depth.
fn leaves(folder: &Folder, words: &[&str]) -> Vec<String> {
    let help = folder.cvmkit_with(&[words, &["--help"]].concat()).answer();
    let below = listed(&help);
    if below.is_empty() {
        return vec![words.join(" ")];
    }
    below.iter().flat_map(|(name, _)| leaves(folder, &[words, &[name.as_str()]].concat())).collect()
}

/// The files that they name.
pub(crate) fn inputs() -> Folder {
    let folder = image_of_all(false).folder;
    folder.put("kernel", &bzimage::kernel(1));
    folder.put("data", &[7; 8192]);
    folder.put("se.img", &se_image::image(&[vec![1; 16384], vec![2; 12288]]));
    folder.put("registers", format!("pcr4={0}\npcr11={0}\n", "11".repeat(32)).as_bytes());
    folder.put("td", format!("rtmr1={0}\nrtmr3={0}\n", "11".repeat(48)).as_bytes());
    folder
}

/// A row of [`COMMANDS`] as it is typed.
pub(crate) fn line_of(name: &str, words: &str) -> String {
    let line = format!("{name} {words}").replace("DIGEST", &"ab".repeat(48));
    line.replace("ROOT", &"ab".repeat(32)).trim_end().to_owned()
}

#[test]
fn every_command_answers_in_json_with_keys_in_kebab_case() {
    let folder = inputs();
    let mut known = leaves(&folder, &[]);
    let mut tried: Vec<String> = COMMANDS.iter().map(|(name, _)| (*name).to_owned()).collect();
    known.sort();
    tried.sort();
    tried.dedup();
    assert_eq!(known, tried, "commands that this test does not ask");
    let (mut results, mut others) = (0, Vec::new());
    for (name, line) in COMMANDS {
        let line = line_of(name, line) + " --format json";
        let said = folder.cvmkit(&line);
        let text = if said.stdout.is_empty() { &said.stderr } else { &said.stdout };
        if serde_json::from_str::<Value>(text).is_err() != TEXT.contains(&name) {
            others.push(format!("{line}: {said:?}"));
        }
        json_keys::check(text);
        results += usize::from(!said.stdout.is_empty());
    }
    assert!(others.is_empty(), "{others:#?}");
    assert!(results > 22, "only {results} commands had a result");
}

/// Registers are in the order of their numbers in what is written for others to read.
#[test]
fn reference_values_have_registers_by_number() {
    let folder = inputs();
    let said = folder.cvmkit("measure image out --profile qemu-vtpm --format json").answer();
    let at = |name: &str| said.find(name).unwrap_or_else(|| panic!("{name} in {said}"));
    assert!(at("\"pcr4\"") < at("\"pcr11\"") && at("\"pcr9\"") < at("\"pcr11\""), "{said}");
    assert!(at("\"pcr2\"") < at("\"pcr14\""), "{said}");
}
