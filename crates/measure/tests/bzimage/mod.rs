//! Kernels for x86 that have nothing in them.

/// A bzImage QEMU takes: the header's fields have values of their own where they are changed.
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

/// A bzImage of Linux 6.12.0 with an EFI stub: a PE image too, so that firmware can load it.
#[allow(dead_code, reason = "not every test boots with firmware")]
pub(crate) fn efi_kernel() -> Vec<u8> {
    let mut bytes = vec![0x90; 0x3000];
    bytes[..0x250].fill(0);
    let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
    put(0, b"MZ");
    put(0x3c, &[0x40]);
    put(0x40, b"PE\0\0\x64\x86\x01\0");
    put(0x54, &[0xf0, 0, 0x0e, 2, 0x0b, 2]);
    let words = [(0x78, 0x1000), (0x7c, 0x200), (0x90, 0x4000), (0x94, 0x400), (0xc4, 16)];
    let section = [(0x150, 0x2c00), (0x154, 0x1000), (0x158, 0x2c00), (0x15c, 0x400_u32)];
    for (at, value) in words.into_iter().chain(section) {
        put(at, &value.to_le_bytes());
    }
    put(0x9c, &[10, 0]);
    put(0x148, b".text\0\0\0");
    put(0x1f1, &[3]);
    put(0x1fe, &[0x55, 0xaa, 0xeb, 0x6a]);
    put(0x202, b"HdrS");
    put(0x206, &0x20f_u16.to_le_bytes());
    put(0x20e, &0x40_u16.to_le_bytes());
    put(0x240, b"6.12.0\0");
    put(0x211, &[1]);
    put(0x22c, &0x7fff_ffff_u32.to_le_bytes());
    put(0x236, &0x29_u16.to_le_bytes());
    bytes
}
