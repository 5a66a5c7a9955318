//! Every reader of foreign bytes that the program has, the seeds that are changed for it, and the
//! commands that read the result.

use std::path::PathBuf;
use std::process::Command;

use cvmkit_formats::digest::Sha256;

use crate::fixtures::{Fixtures, Place, VERITY_DATA, shipped};
use crate::mutate::Nature::{self, Binary, Text};
use crate::sparse::Sparse;
use crate::{ovmf_image, resum, small_disk, tdvf_image};

/// Puts a changed input where commands find it; answers the commands.
pub(crate) type Placer<'a> = Box<dyn Fn(&Place<'_>, &[u8]) -> Vec<Command> + Sync + 'a>;

/// Has the site serve what a changed input makes of the archive.
type Server<'a> = Box<dyn Fn(&Place<'_>, &[u8]) + Sync + 'a>;

/// A reader.
pub(crate) struct Reader<'a> {
    pub(crate) name: &'static str,
    pub(crate) nature: Nature,
    pub(crate) seeds: Vec<Vec<u8>>,
    /// How many mutations.
    pub(crate) count: usize,
    /// Makes the sums of a changed input right.
    pub(crate) repair: fn(&mut [u8]),
    pub(crate) place: Placer<'a>,
    /// No input is accepted: what is made of it has no signature, or is another image than the one that it
    /// is compared with.
    pub(crate) takes_nothing: bool,
    /// Of seeds that are the pages that count of a large file.
    pub(crate) sparse: Option<Sparse>,
}

fn nothing(_: &mut [u8]) {}

/// All of them.
pub(crate) fn all(fixtures: &Fixtures) -> Vec<Reader<'_>> {
    let mut readers = listings(fixtures);
    readers.extend(measured(fixtures));
    readers.extend(observations(fixtures));
    readers.extend(images(fixtures));
    readers.extend(projects(fixtures));
    readers.extend(archives(fixtures));
    readers
}

/// A reader that is given the changed file by name.
fn of_file<'a>(
    name: &'static str,
    count: usize,
    seeds: Vec<Vec<u8>>,
    commands: impl Fn(&Place<'_>, PathBuf) -> Vec<Command> + Sync + 'a,
) -> Reader<'a> {
    Reader {
        name,
        nature: Binary,
        seeds,
        count,
        repair: nothing,
        place: Box::new(move |place, bytes| commands(place, place.file("input", bytes))),
        takes_nothing: false,
        sparse: None,
    }
}

fn dump(place: &Place<'_>, file: PathBuf) -> Vec<Command> {
    vec![with(place.cvmkit(["dump"]), file)]
}

fn with(mut command: Command, file: PathBuf) -> Command {
    command.arg(file);
    command
}

/// Whole images of the seeds, of which some are the last page alone.
fn firmware(fixtures: &Fixtures) -> Vec<Vec<u8>> {
    let seeds = fixtures.seeds("firmware").into_iter();
    seeds.map(|seed| if seed.len() > 4096 { seed } else { ovmf_image::whole(&seed) }).collect()
}

/// What `dump` lists.
fn listings(fixtures: &Fixtures) -> Vec<Reader<'_>> {
    let of = |name: &'static str, count, seeds: Vec<Vec<u8>>, repair| Reader {
        repair,
        ..of_file(name, count, seeds, dump)
    };
    let initrd = fixtures.of_image(".initrd").1;
    let (volume, pages) = Sparse::of_zeros(small_disk::file_system(&[
        ("EFI/BOOT/BOOTX64.EFI", &[7; 9000]),
        ("a-name-that-is-not-short.txt", b"text"),
    ]));
    vec![
        of("GPT", 700, fixtures.seeds("gpt"), resum::gpt),
        Reader { sparse: Some(volume), ..of("FAT", 700, vec![pages], resum::fat) },
        of("squashfs", 900, fixtures.seeds("squashfs"), nothing),
        of("cpio", 700, fixtures.seeds("cpio"), nothing),
        of("initrd", 200, vec![initrd], nothing),
        of("PE", 700, fixtures.seeds("pe"), resum::pe),
        of("UKI", 700, fixtures.seeds("uki_measurements"), resum::pe),
        of("CoRIM", 700, fixtures.seeds("corim"), nothing),
        of("firmware metadata", 700, firmware(fixtures), resum::firmware),
        of_file("verity superblock", 700, fixtures.verity_seeds(), |place, file| {
            let data = place.file("data", VERITY_DATA);
            let mut verify = place.cvmkit(["verity", "verify"]);
            verify.arg(data).arg(&file).arg(&fixtures.verity_root);
            vec![with(place.cvmkit(["verity", "dump"]), file), verify]
        }),
    ]
}

/// What `measure` takes.
fn measured(fixtures: &Fixtures) -> Vec<Reader<'_>> {
    let uki = fixtures.seed("uki_measurements", "small");
    let tpm = move |option: &'static str| {
        let uki = uki.clone();
        move |place: &Place<'_>, file: PathBuf| {
            let mut command = place.cvmkit(["measure", "tpm", "--uki"]);
            command.arg(place.file("uki.efi", &uki)).arg(option).arg(file);
            vec![command]
        }
    };
    let kernel = |place: &Place<'_>, file: PathBuf| {
        let initrd = place.file("initrd", b"an initrd");
        let mut snp = place.cvmkit(["measure", "snp", "--vcpus", "1", "--vcpu-type", "EPYC-v4"]);
        snp.arg("--ovmf").arg(place.file("amd.fd", &shipped("ovmf_AmdSev_suffix.bin")));
        snp.arg("--kernel").arg(&file).arg("--initrd").arg(&initrd).args(["--append", "quiet"]);
        let mut stage0 = place.cvmkit(["measure", "stage0", "--memory", "1G"]);
        stage0.args(["--machine", "q35", "--any-tail", "--kernel"]).arg(&file);
        let mut tdx = place.cvmkit(["measure", "tdx", "--memory", "2G", "--explain", "--kernel"]);
        tdx.arg(&file).arg("--initrd").arg(initrd).args(["--qemu-version", "9.2"]);
        let firmware = tdvf_image::whole_firmware(
            0x40_0000,
            &tdvf_image::empty_variables(),
            &tdvf_image::EDK2_MEMORY,
        );
        tdx.arg("--firmware").arg(place.file("td.fd", &firmware));
        tdx.args(["--layout", "edk2-stable202411", "--secure-boot", "absent"]);
        vec![snp, stage0, tdx]
    };
    // Behind eight bytes that are for the fuzz target.
    let variables = fixtures.seeds("variable_store").into_iter().map(|seed| seed[8..].to_vec());
    let variables = variables.chain([tdvf_image::empty_variables()]);
    let kernels = fixtures.seeds("linux_kernel").into_iter().map(|seed| seed[8..].to_vec());
    let kernels = kernels.chain([fixtures.seed("stage0", "bzimage")]).collect();
    let small_uki = fixtures.seed("uki_measurements", "small");
    let (disk, disk_pages) =
        Sparse::of_zeros(small_disk::partitioned(&[(small_disk::DEFAULT_PATH, &small_uki)]));
    let variables_of_td = tdvf_image::empty_variables();
    let whole = tdvf_image::whole_firmware(0x40_0000, &variables_of_td, &tdvf_image::EDK2_MEMORY);
    // The start of both volumes, and the end, where the metadata is.
    let (td_firmware, td_pages) =
        Sparse::new(whole, |at, _| at < 2 || (0x84..0x86).contains(&at) || at >= 0x3fe);
    let snp_firmware = shipped("ovmf_AmdSev_suffix.bin");
    let logs = ["tpm-uki", "tpm-direct"].map(|name| fixtures.seed("event_log", name));
    vec![
        Reader {
            repair: resum::volume,
            ..of_file("variable store", 900, variables.collect(), tpm("--vars"))
        },
        of_file("pinned log", 900, logs.into(), tpm("--pinned")),
        of_file("kernel", 600, kernels, kernel),
        Reader {
            repair: resum::pe,
            ..of_file("UKI, measured", 700, fixtures.seeds("uki_measurements"), |place, file| {
                let mut tpm = place.cvmkit(["measure", "tpm", "--uki"]);
                tpm.arg(&file);
                let mut tdx = place.cvmkit(["measure", "tdx", "--explain"]);
                tdx.args(["--layout", "edk2-stable202502", "--uki"]);
                vec![tpm, with(tdx, file)]
            })
        },
        Reader {
            repair: resum::gpt,
            sparse: Some(disk),
            ..of_file("disk, measured", 500, vec![disk_pages], move |place, file| {
                let uki = place.file("uki.efi", &small_uki);
                let mut tpm = place.cvmkit(["measure", "tpm", "--uki"]);
                tpm.arg(uki).arg("--disk");
                vec![with(tpm, file)]
            })
        },
        Reader {
            repair: resum::firmware,
            ..of_file("firmware, SNP", 600, vec![snp_firmware], |place, file| {
                let words = ["measure", "snp", "--vcpus", "2", "--vcpu-type", "EPYC-v4"];
                vec![with(place.cvmkit(words.into_iter().chain(["--explain", "--ovmf"])), file)]
            })
        },
        Reader {
            repair: resum::firmware,
            sparse: Some(td_firmware),
            ..of_file("firmware, TDX", 600, vec![td_pages], |place, file| {
                let words = ["measure", "tdx", "--mrtd-only", "--explain", "--qemu-version", "9.2"];
                vec![with(place.cvmkit(words.into_iter().chain(["--firmware"])), file)]
            })
        },
        of_file("Secure Execution header", 600, fixtures.seeds("se_header"), |place, file| {
            vec![with(place.cvmkit(["measure", "se"]), file)]
        }),
        of_file(
            "ACPI table loader",
            300,
            vec![fixtures.seed("stage0", "table-loader")],
            |place, file| {
                let mut command =
                    place.cvmkit(["measure", "stage0", "--memory", "1G", "--machine", "q35"]);
                command
                    .arg("--kernel")
                    .arg(place.file("kernel", &fixtures.seed("stage0", "bzimage")));
                command.args(["--any-tail", "--acpi-loader"]).arg(file);
                command.arg("--acpi-rsdp").arg(place.file("rsdp", &[0; 20]));
                command.arg("--acpi-tables").arg(place.file("tables", &[0; 4096]));
                vec![command]
            },
        ),
    ]
}

/// What a machine reports.
fn observations(fixtures: &Fixtures) -> Vec<Reader<'_>> {
    let compare = move |place: &Place<'_>, file: PathBuf| {
        let mut command = place.cvmkit(["compare"]);
        command.arg(file).arg("--with").arg(&fixtures.image);
        vec![command]
    };
    let reports = ["milan", "turin"].map(|name| fixtures.seed("report", name)).into();
    let registers = [
        format!("pcr4={0}\npcr11={0}\nrtmr1={0}{1}\n", "0".repeat(64), "0".repeat(32)),
        format!(
            "sha256:\n  0 : 0x{0}\n  11: 0x{0}\nsha384:\n  4 : 0x{0}{1}\n",
            "A".repeat(64),
            "A".repeat(32)
        ),
        format!(
            "{{\"pcrs\": {{\"sha256\": {{\"4\": \"{0}\"}}}}, \"rtmr2\": \"{0}{1}\"}}",
            "a".repeat(64),
            "a".repeat(32)
        ),
        format!("{{\"launch-digest\": \"{}\"}}", "b".repeat(96)),
        format!(
            "{{\"quote\": \"{}\", \"event_log\": \"[{{\\\"imr\\\":3,\\\"event_type\\\":134217729,\\\"digest\\\":\\\"\\\",\\\"event\\\":\\\"app-id\\\",\\\"event_payload\\\":\\\"00\\\"}}]\"}}",
            hex(&fixtures.seed("quote", "version-4"))
        ),
    ];
    vec![
        // Nothing in the image is of a machine with a TPM: an answer is a refusal or a difference.
        Reader {
            takes_nothing: true,
            ..of_file("event log", 900, fixtures.seeds("event_log"), compare)
        },
        Reader {
            takes_nothing: true,
            ..of_file("TD quote", 600, fixtures.seeds("quote"), compare)
        },
        Reader { takes_nothing: true, ..of_file("SNP report", 600, reports, compare) },
        Reader {
            nature: Text,
            takes_nothing: true,
            ..of_file("registers", 700, registers.map(String::into_bytes).into(), compare)
        },
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The files of an image, re-summed.
fn images(fixtures: &Fixtures) -> Vec<Reader<'_>> {
    let of = |name,
              ending: &'static str,
              count,
              nature,
              repair,
              more: fn(&Place<'_>, PathBuf) -> Vec<Command>| {
        let (file, before) = fixtures.of_image(ending);
        let seeds = vec![before.clone()];
        let place: Placer<'_> = Box::new(move |place, bytes| {
            let out = place.image(&file, &before, bytes);
            let verify = with(place.cvmkit(["verify"]), out.clone());
            std::iter::once(verify).chain(more(place, out)).collect()
        });
        Reader { name, nature, seeds, count, repair, place, takes_nothing: false, sparse: None }
    };
    let readers_of_manifest = |place: &Place<'_>, out: PathBuf| {
        let boot = ["boot", "--direct", "--no-kvm", "--print-command"];
        vec![with(place.cvmkit(boot), out.clone()), with(place.cvmkit(["measure", "image"]), out)]
    };
    let readers_of_values = |place: &Place<'_>, out: PathBuf| {
        let shapes = ["corim", "rvps"];
        shapes.map(|shape| with(place.cvmkit(["export", "--as", shape]), out.clone())).into()
    };
    let alone = |_: &Place<'_>, _: PathBuf| Vec::new();
    let mut readers = vec![
        of("manifest", "manifest.json", 900, Text, nothing, readers_of_manifest),
        of("reference values", "reference-values.json", 900, Text, nothing, readers_of_values),
        of("sums", "SHA256SUMS", 500, Text, nothing, alone),
        of("image's disk", ".raw", 400, Binary, resum::gpt, alone),
        of("image's initrd", ".initrd", 300, Binary, nothing, alone),
        of("image's command line", ".cmdline", 200, Text, nothing, readers_of_manifest),
        of("image's firmware", ".fd", 200, Binary, resum::firmware, readers_of_manifest),
    ];
    // A changed file is another image, which the manifest does not describe.
    readers.push(of_file("CoRIM, verified", 300, fixtures.seeds("corim"), |place, file| {
        let mut verify = place.cvmkit(["verify"]);
        verify.arg(&fixtures.image).arg("--corim");
        vec![with(verify, file)]
    }));
    let described = [
        "CoRIM, verified",
        "image's disk",
        "image's initrd",
        "image's command line",
        "image's firmware",
        "sums",
    ];
    for reader in &mut readers {
        reader.takes_nothing = described.contains(&reader.name);
    }
    readers
}

/// What stands beside a definition.
fn projects(fixtures: &Fixtures) -> Vec<Reader<'_>> {
    let of =
        |name, file: &'static str, count, seeds, commands: fn(&Place<'_>) -> Vec<Command>| Reader {
            name,
            nature: Text,
            seeds,
            count,
            repair: nothing,
            place: Box::new(move |place, bytes| {
                let project = place.project(file, bytes);
                commands(place).into_iter().map(|command| with(command, project.clone())).collect()
            }),
            takes_nothing: false,
            sparse: None,
        };
    let recipe = std::fs::read(
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes/minimal/image.toml"),
    );
    let definitions = vec![fixtures.of_project("image.toml"), recipe.unwrap()];
    let profiles = ["qemu-snp", "qemu-vtpm", "qemu-tdx-uki"].map(|name| {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../attest/profiles");
        std::fs::read(folder.join(format!("{name}.toml"))).unwrap()
    });
    let offline = |place: &Place<'_>| {
        let mut plan = place.cvmkit_offline(["plan", "--offline", "--with"]);
        plan.arg(place.built());
        vec![
            place.cvmkit_offline(["lock", "--check"]),
            plan,
            place.cvmkit_offline(["build", "--offline", "--out", "built"]),
        ]
    };
    let profile_of = move |place: &Place<'_>, bytes: &[u8]| {
        let definition = String::from_utf8(fixtures.of_project("image.toml")).unwrap();
        let platform = definition.split("[[platforms]]").next().unwrap().to_owned()
            + &format!(
                "[[platforms]]\nprofile = {{ path = \"own.toml\", sha256 = \"{}\" }}\nvcpus = [1]\n\
                 vcpu-types = [\"EPYC-v4\"]\nguest-features = \"0x1\"\n",
                Sha256::of(bytes)
            );
        let project = place.project("image.toml", platform.as_bytes());
        std::fs::write(project.join("own.toml"), bytes).unwrap();
        vec![with(place.cvmkit(["plan", "--offline", "--with", "image"]), project)]
    };
    vec![
        of("definition", "image.toml", 900, definitions, offline),
        Reader {
            repair: resum::lock,
            ..of("lock", "image.lock", 900, vec![fixtures.of_project("image.lock")], |place| {
                vec![
                    place.cvmkit_offline(["lock", "--check"]),
                    place.cvmkit_offline(["lock", "--explain", "hello"]),
                    place.cvmkit_offline(["build", "--offline", "--out", "built"]),
                ]
            })
        },
        Reader {
            name: "profile",
            nature: Text,
            seeds: profiles.into(),
            count: 500,
            repair: nothing,
            place: Box::new(profile_of),
            takes_nothing: true,
            sparse: None,
        },
    ]
}

/// A reader of what an archive serves.
fn of_archive<'a>(
    name: &'static str,
    nature: Nature,
    seeds: Vec<Vec<u8>>,
    count: usize,
    repair: fn(&mut [u8]),
    serve: Server<'a>,
) -> Reader<'a> {
    let place: Placer<'a> = Box::new(move |place, bytes| {
        serve(place, bytes);
        place.lock_and_build()
    });
    Reader { name, nature, seeds, count, repair, place, takes_nothing: false, sparse: None }
}

/// What an archive serves, signed anew.
fn archives(fixtures: &Fixtures) -> Vec<Reader<'_>> {
    let of = of_archive;
    let index = fixtures.index();
    let listed = move |deb: &[u8]| {
        let text = String::from_utf8(fixtures.index()).unwrap();
        let text = resum::digest_in(&text, fixtures.deb(), deb);
        let size = |bytes: &[u8]| format!("Size: {}\n", bytes.len());
        let text = text.replace(&size(fixtures.deb()), &size(deb));
        ("Packages.gz", resum::gzip(text.as_bytes()))
    };
    let as_it_is = |text: String| text.into_bytes();
    let same = |signed: Vec<u8>| signed;
    let whole = fixtures.index();
    let release = b"Suite: tiny\nCodename: tiny\nDate: D\nValid-Until: V\nArchitectures: amd64\nComponents: main\n";
    let members = resum::members(fixtures.deb());
    let inner = move |place: &Place<'_>, at: usize, bytes: &[u8]| {
        let mut members = members.clone();
        members[at] = (members[at].0.trim_end_matches(".gz").to_owned(), bytes.to_vec());
        let members: Vec<_> =
            members.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
        let deb = resum::deb(&members);
        place.serve(listed(&deb), &deb, as_it_is, same);
    };
    let tar_of = |at: usize| vec![unzipped(&resum::members(fixtures.deb())[at].1)];
    let (control, data) = (inner.clone(), inner);
    vec![
        of(
            "Packages",
            Text,
            vec![index.clone()],
            700,
            nothing,
            Box::new(move |place, bytes| {
                place.serve(("Packages.gz", resum::gzip(bytes)), fixtures.deb(), as_it_is, same);
            }),
        ),
        of(
            "Packages.xz",
            Binary,
            vec![compressed("xz", &index)],
            300,
            nothing,
            Box::new(move |place, bytes| {
                place.serve(("Packages.xz", bytes.to_vec()), fixtures.deb(), as_it_is, same);
            }),
        ),
        of(
            "Release",
            Text,
            vec![release.to_vec()],
            400,
            nothing,
            Box::new(move |place, bytes| {
                let index = ("Packages.gz", resum::gzip(&whole));
                let changed = |text: String| {
                    // The changed head, with dates that count, and the true list of indices.
                    let date = |name: &str| {
                        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
                        line.trim_start_matches(name).to_owned()
                    };
                    let head = String::from_utf8_lossy(bytes);
                    let head = head.replace("Date: D", &format!("Date: {}", date("Date: ")));
                    let head =
                        head.replace("Until: V", &format!("Until: {}", date("Valid-Until: ")));
                    let list = text.find("SHA256:").map(|at| text[at..].to_owned()).unwrap();
                    (head + &list).into_bytes()
                };
                place.serve(index, fixtures.deb(), changed, same);
            }),
        ),
        Reader {
            takes_nothing: true,
            ..of(
                "InRelease, signature",
                Text,
                fixtures.seeds("inrelease"),
                300,
                nothing,
                Box::new(move |place, bytes| {
                    let index = ("Packages.gz", resum::gzip(&fixtures.index()));
                    place.serve(index, fixtures.deb(), as_it_is, |_| bytes.to_vec());
                }),
            )
        },
        Reader {
            takes_nothing: true,
            ..of(
                "keyring",
                Binary,
                fixtures.seeds("keyring"),
                300,
                nothing,
                Box::new(move |place, bytes| {
                    let index = ("Packages.gz", resum::gzip(&fixtures.index()));
                    place.serve(index, fixtures.deb(), as_it_is, same);
                    place.file("keyring", bytes);
                }),
            )
        }
        .with_key(),
        of(
            ".deb",
            Binary,
            vec![fixtures.deb().to_vec()],
            300,
            nothing,
            Box::new(move |place, bytes| {
                place.serve(listed(bytes), bytes, as_it_is, same);
            }),
        ),
        of(
            "control.tar",
            Binary,
            tar_of(1),
            400,
            resum::tar,
            Box::new(move |place, bytes| control(place, 1, bytes)),
        ),
        of(
            "data.tar",
            Binary,
            tar_of(2),
            500,
            resum::tar,
            Box::new(move |place, bytes| data(place, 2, bytes)),
        ),
    ]
}

impl Reader<'_> {
    /// The file `keyring` of the place becomes the key of the project's archive.
    fn with_key(mut self) -> Self {
        let place = self.place;
        self.place = Box::new(move |at, bytes| {
            let commands = place(at, bytes);
            std::fs::write(at.path("project").join("archive.asc"), bytes).unwrap();
            commands
        });
        self
    }
}

fn compressed(tool: &str, bytes: &[u8]) -> Vec<u8> {
    filter(Command::new(tool).arg("-c"), bytes)
}

fn unzipped(bytes: &[u8]) -> Vec<u8> {
    filter(Command::new("gzip").arg("-dc"), bytes)
}

/// What a tool makes of its standard input.
fn filter(command: &mut Command, bytes: &[u8]) -> Vec<u8> {
    use std::io::{Read as _, Write as _};
    use std::process::Stdio;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut out = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(bytes).unwrap());
        child.stdout.take().unwrap().read_to_end(&mut out).unwrap();
    });
    assert!(child.wait().unwrap().success());
    out
}
