//! An image as annotated text: every structure with its offset, for review by snapshot.

use std::fmt::{self, Write};

use super::Error;
use super::decode::{self, Body, Decoded};
use super::extent::FileExtent;
use super::read::{Image, Limits};
use super::spec::{self, BLOCK_STORED, Reference};
use super::table::Cursor;
use crate::source::Source;

/// Lists the structures of an image, one a line. Offsets in the inode and directory tables are
/// references: the metadata block from the table's start, a colon, the offset in that block.
///
/// # Errors
/// As for [`Image::open`] and [`Image::tree`].
pub fn dump<S: Source>(source: S, limits: &Limits) -> Result<String, Error> {
    let image = Image::open(source, limits)?;
    let mut listing = Listing { text: String::new() };
    listing.superblock(&image);
    let mut cursor = image.inodes.cursor();
    listing.line(format_args!("inode table at {:#x}", image.superblock.inode_table.get()));
    while !cursor.is_at_end() {
        listing.inode(&image, &mut cursor)?;
    }
    listing.directories(&image)?;
    listing.tables(&image)?;
    Ok(listing.text)
}

struct Listing {
    text: String,
}

impl Listing {
    fn line(&mut self, line: fmt::Arguments<'_>) {
        // Writing to a `String` has no error.
        let _ = writeln!(self.text, "{line}");
    }

    fn superblock<S>(&mut self, image: &Image<S>) {
        let block = &image.superblock;
        self.line(format_args!("superblock at 0x0"));
        let compression = match block.compression.get() {
            spec::GZIP => "1 gzip",
            _ => "6 zstd",
        };
        let text: [(u8, &str, &dyn fmt::Display); 10] = [
            (0x00, "magic", &format_args!("{:#x}", block.magic.get())),
            (0x04, "inodes", &block.inodes),
            (0x08, "mkfs_time", &block.mkfs_time),
            (0x0c, "block_size", &block.block_size),
            (0x10, "fragments", &block.fragments),
            (0x14, "compression", &compression),
            (0x16, "block_log", &block.block_log),
            (0x18, "flags", &format_args!("{:#06x}", block.flags.get())),
            (0x1a, "ids", &block.ids),
            (0x1c, "version", &format_args!("{}.{}", block.major, block.minor)),
        ];
        for (at, name, value) in text {
            self.line(format_args!("  {at:#04x} {name:<16} {value}"));
        }
        let root = Place(Reference::unpack(block.root_inode.get()));
        self.line(format_args!("  0x20 {:<16} {root}", "root_inode"));
        let offsets = [
            (0x28, "bytes_used", block.bytes_used),
            (0x30, "id_table", block.id_table),
            (0x38, "xattr_table", block.xattr_table),
            (0x40, "inode_table", block.inode_table),
            (0x48, "directory_table", block.directory_table),
            (0x50, "fragment_table", block.fragment_table),
            (0x58, "export_table", block.export_table),
        ];
        for (at, name, offset) in offsets {
            let offset = offset.get();
            match offset {
                spec::NO_TABLE => self.line(format_args!("  {at:#04x} {name:<16} none")),
                _ => self.line(format_args!("  {at:#04x} {name:<16} {offset:#x}")),
            }
        }
    }

    fn inode<S>(&mut self, image: &Image<S>, cursor: &mut Cursor<'_>) -> Result<(), Error> {
        let at = Place(image.inodes.reference(cursor.at));
        let inode = decode::inode(cursor, image.superblock.block_size.get())?;
        let Decoded { header, kind, extended, links, xattrs, body } = &inode;
        let form = if *extended { "extended" } else { "basic" };
        self.line(format_args!(
            "  {at} inode {} {form} {kind:?} mode {:04o} uid #{} gid #{} mtime {} links {links}",
            header.number, header.mode, header.uid, header.gid, header.mtime
        ));
        if *xattrs != spec::NO_XATTRS {
            self.line(format_args!("      xattrs #{xattrs}"));
        }
        match body {
            Body::Directory(body) => {
                let (start, len) = (Place(body.start), body.len);
                let parent = body.parent;
                self.line(format_args!("      listing {start} {len} bytes, parent {parent}"));
                for (entry, name) in &body.index {
                    let name = name.escape_ascii();
                    let (index, start) = (entry.index, entry.start.get());
                    self.line(format_args!("      index {index} in {start:#x} from `{name}`"));
                }
            }
            Body::File(file) => self.contents(file),
            Body::Symlink(target) => {
                self.line(format_args!("      target `{}`", target.escape_ascii()));
            }
            Body::Device(device) => self.line(format_args!("      device {device:#x}")),
            Body::Ipc => {}
        }
        Ok(())
    }

    fn contents(&mut self, file: &FileExtent) {
        let (len, mut at) = (file.len, file.start);
        self.line(format_args!("      {len} bytes"));
        for &word in &file.sizes {
            let size = word & !BLOCK_STORED;
            match word {
                0 => self.line(format_args!("      block hole")),
                _ => self.line(format_args!("      block {at:#x} {size}{}", form(word))),
            }
            at = at.saturating_add(size.into());
        }
        if let Some((index, offset)) = file.fragment {
            self.line(format_args!("      fragment #{index} offset {offset}"));
        }
    }

    fn directories<S: Source>(&mut self, image: &Image<S>) -> Result<(), Error> {
        let start = image.superblock.directory_table.get();
        self.line(format_args!("directory table at {start:#x}"));
        let mut cursor = image.inodes.cursor();
        while !cursor.is_at_end() {
            let inode = decode::inode(&mut cursor, image.superblock.block_size.get())?;
            let Body::Directory(body) = inode.body else { continue };
            let (at, number) = (Place(body.start), inode.header.number);
            self.line(format_args!("  {at} listing of inode {number}"));
            for entry in decode::listing(&image.directories, &body)? {
                let (inode, kind) = (Place(entry.inode), entry.kind);
                let (number, name) = (entry.number, entry.name.escape_ascii());
                self.line(format_args!("      `{name}` type {kind} inode {number} at {inode}"));
            }
        }
        Ok(())
    }

    fn tables<S: Source>(&mut self, image: &Image<S>) -> Result<(), Error> {
        self.line(format_args!("fragment table"));
        for (index, entry) in image.fragments.iter().enumerate() {
            let (start, word) = (entry.start.get(), entry.size.get());
            let size = word & !BLOCK_STORED;
            self.line(format_args!("  #{index} {start:#x} {size}{}", form(word)));
        }
        self.line(format_args!("export table"));
        for (number, place) in (1..).zip(&image.export) {
            let number: u64 = number;
            self.line(format_args!("  inode {number} {}", Place(Reference::unpack(*place))));
        }
        self.line(format_args!("id table"));
        for (index, id) in image.ids.iter().enumerate() {
            self.line(format_args!("  #{index} {id}"));
        }
        self.line(format_args!("xattr table"));
        let mut budget = u64::MAX;
        for (index, set) in (0..).zip(&image.xattr_sets) {
            let place = Place(Reference::unpack(set.first.get()));
            self.line(format_args!("  #{index} {place} {} bytes", set.size));
            for (name, value) in image.xattrs(index, &mut budget)? {
                let (name, value) = (name.escape_ascii(), value.escape_ascii());
                self.line(format_args!("      {name} = {value}"));
            }
        }
        Ok(())
    }
}

fn form(word: u32) -> &'static str {
    if word & BLOCK_STORED == 0 { "" } else { " stored" }
}

/// A reference as text.
struct Place(Reference);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#06x}:{:04x}", self.0.block, self.0.offset)
    }
}
