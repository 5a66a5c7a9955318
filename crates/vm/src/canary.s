# The trial guest: proves that an accelerator runs 64-bit code, `lock cmpxchg16b` (which broken nested
# KVM cannot) and a hot loop at a usable speed, then prints its command line on COM1 and ends the
# machine with a triple fault.
#
#   as --64 canary.s -o canary.o && objcopy -O binary -j .text canary.o canary.bin
#
# QEMU's -kernel loads it as a Multiboot 1 image (Multiboot Specification 0.6.96, section 3.1): the
# header is in the first 8 KiB, entry is in 32-bit protected mode, EBX points to the boot information.

        .set    BASE, 0x100000          # load address
        .set    TABLES, 0x200000        # page tables, outside the image
        .set    COM1, 0x3f8
        .text
        .code32
        .balign 4
header: .long   0x1badb002              # magic
        .long   0x00010000              # flags: the address fields below are valid
        .long   -(0x1badb002 + 0x00010000)
        .long   BASE                    # header_addr
        .long   BASE                    # load_addr
        .long   BASE + (end - header)   # load_end_addr
        .long   TABLES + 0x4000         # bss_end_addr: QEMU zeroes up to here
        .long   BASE + (entry - header) # entry_addr

entry:  cli
        mov     16(%ebx), %esi          # boot information: cmdline
        mov     $TABLES, %edi           # PML4 -> PDPT -> PD, the first 1 GiB in 2 MiB pages
        movl    $TABLES + 0x1003, (%edi)
        movl    $TABLES + 0x2003, 0x1000(%edi)
        lea     0x2000(%edi), %edx
        mov     $0x83, %eax             # present, writable, 2 MiB
        mov     $512, %ecx
fill:   mov     %eax, (%edx)
        add     $0x200000, %eax
        add     $8, %edx
        loop    fill
        mov     %cr4, %eax
        or      $0x20, %eax             # CR4.PAE
        mov     %eax, %cr4
        mov     %edi, %cr3
        mov     $0xc0000080, %ecx       # IA32_EFER
        rdmsr
        or      $0x100, %eax            # EFER.LME
        wrmsr
        mov     %cr0, %eax
        or      $0x80000000, %eax       # CR0.PG
        mov     %eax, %cr0
        lgdt    BASE + (gdtr - header)
        ljmp    $8, $BASE + (long - header)

        .code64
long:   mov     $16, %eax
        mov     %eax, %ds
        mov     %eax, %es
        mov     %eax, %ss
        mov     $TABLES + 0x3000, %edi  # sixteen aligned bytes of zero
        xor     %eax, %eax
        xor     %edx, %edx
        mov     $1, %ebx
        xor     %ecx, %ecx
        lock cmpxchg16b (%rdi)
        jnz     halt
        mov     $50000000, %ecx
hot:    dec     %ecx
        jnz     hot
        mov     $COM1, %edx
print:  lodsb
        test    %al, %al
        jz      newline
        out     %al, %dx
        jmp     print
newline: mov    $10, %al
        out     %al, %dx
        add     $5, %edx                # line status register
drain:  in      %dx, %al
        test    $0x40, %al              # transmitter empty
        jz      drain
        lidt    BASE + (none - header)
        ud2                             # no handler: triple fault, machine reset
halt:   hlt
        jmp     halt

        .balign 8
gdt:    .quad   0
        .quad   0x00af9a000000ffff      # 64-bit code
        .quad   0x00cf92000000ffff      # data
gdtr:   .word   23
        .long   BASE + (gdt - header)
none:   .word   0
        .quad   0
        .balign 4
end:
