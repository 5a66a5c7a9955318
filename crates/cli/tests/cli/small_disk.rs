//! A disk of some megabytes with files in its file system, with a partition table or without.

use cvmkit_formats::fat::{Options, Plan, Width};
use cvmkit_formats::gpt::{self, DiskSize, Guid, Partition, Place};
use cvmkit_formats::sink::Shifted;
use cvmkit_formats::tree::{Inode, Meta, Tree};

/// Where firmware finds an image without a boot option.
pub(crate) const DEFAULT_PATH: &str = "EFI/BOOT/BOOTX64.EFI";

/// A FAT file system and nothing else.
pub(crate) fn file_system(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tree: Tree<Vec<u8>> = Tree::new(Meta::root(0o755, 0));
    for (path, contents) in files {
        if let Some((folder, _)) = path.rsplit_once('/') {
            tree.make_directories(folder.as_bytes(), &Meta::root(0o755, 0)).unwrap();
        }
        let file = Inode::file(Meta::root(0o644, 0), contents.to_vec());
        tree.put(path.as_bytes(), file).unwrap();
    }
    let options = Options { width: Width::Fat16, ..Options::default() };
    let plan = Plan::new(&tree, &options).unwrap();
    let mut disk = vec![0; usize::try_from(plan.len()).unwrap()];
    plan.write(&mut disk).unwrap();
    disk
}

/// The same as the EFI system partition of a disk.
pub(crate) fn partitioned(files: &[(&str, &[u8])]) -> Vec<u8> {
    disk_of(&[(gpt::spec::ESP, file_system(files))])
}

/// A disk with two of them.
#[allow(dead_code, reason = "not every test has two")]
pub(crate) fn two_partitions(first: &[(&str, &[u8])], second: &[(&str, &[u8])]) -> Vec<u8> {
    disk_of(&[first, second].map(|files| (gpt::spec::ESP, file_system(files))))
}

/// A disk with these volumes in a partition each, by its type.
pub(crate) fn disk_of(volumes: &[(Guid, Vec<u8>)]) -> Vec<u8> {
    let partition = |(at, (type_guid, volume)): (u8, &(Guid, Vec<u8>))| Partition {
        type_guid: *type_guid,
        unique_guid: Guid::from_text_order([7 + at; 16]),
        name: "esp".to_owned(),
        place: Place::Next(volume.len() as u64),
        attributes: 0,
    };
    let partitions: Vec<Partition> = (0..).zip(volumes).map(partition).collect();
    let disk_guid = Guid::from_text_order([9; 16]);
    let options = gpt::Options { size: DiskSize::Minimal, disk_guid };
    let plan = gpt::Plan::new(&partitions, &options).unwrap();
    let mut disk = vec![0; usize::try_from(plan.len()).unwrap()];
    plan.write(&mut disk).unwrap();
    for (partition, (_, volume)) in plan.partitions().iter().zip(volumes) {
        let mut inside = Shifted::new(&mut disk, partition.offset);
        cvmkit_formats::sink::Sink::write_at(&mut inside, 0, volume).unwrap();
    }
    disk
}
