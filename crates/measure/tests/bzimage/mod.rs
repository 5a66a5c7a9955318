//! A bzImage that has nothing in it.

/// A kernel QEMU takes: the header's fields have values of their own where they are changed.
pub(crate) fn kernel(setup_sects: u8) -> Vec<u8> {
    let sectors = if setup_sects == 0 { 4 } else { usize::from(setup_sects) };
    let mut file = vec![0xc3; (sectors + 1) * 512];
    file[0x1f1] = setup_sects;
    file[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
    file[0x202..0x206].copy_from_slice(b"HdrS");
    file[0x206..0x208].copy_from_slice(&0x20f_u16.to_le_bytes());
    file[0x211] = 1;
    // initrd_addr_max, kernel_alignment and what else QEMU reads must be possible.
    file[0x22c..0x260].fill(0);
    file[0x22c..0x230].copy_from_slice(&0x7fff_ffff_u32.to_le_bytes());
    file[0x238..0x23c].copy_from_slice(&2047_u32.to_le_bytes());
    file[0x250..0x258].fill(0);
    file.extend((0..3000_u32).flat_map(u32::to_le_bytes));
    file
}
