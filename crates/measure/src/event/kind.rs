//! The types of events.

use std::fmt;

/// TCG_EVENTTYPE: a number, most of them with a name.
///
/// Prints as the name in the standard, or as the number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventType(pub u32);

macro_rules! event_types {
    ($($(#[$doc:meta])* $name:ident = $value:literal,)*) => {
        impl EventType {
            $($(#[$doc])* pub const $name: Self = Self($value);)*

            /// The name in the standard.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

// TCG PC Client Platform Firmware Profile 1.06, section 10.4.1 "Event Types".
event_types! {
    /// Reserved.
    EV_PREBOOT_CERT = 0x0,
    /// A platform firmware image (older firmware).
    EV_POST_CODE = 0x1,
    /// An entry that extends nothing.
    EV_NO_ACTION = 0x3,
    /// The end of what the firmware measures into a register.
    EV_SEPARATOR = 0x4,
    /// A string of the firmware.
    EV_ACTION = 0x5,
    /// A tagged event of the operating system, as systemd-stub measures since version 252.
    EV_EVENT_TAG = 0x6,
    /// Contents of the static core root of trust.
    EV_S_CRTM_CONTENTS = 0x7,
    /// Version of the static core root of trust.
    EV_S_CRTM_VERSION = 0x8,
    /// Processor microcode.
    EV_CPU_MICROCODE = 0x9,
    /// Flags of the platform's configuration.
    EV_PLATFORM_CONFIG_FLAGS = 0xa,
    /// Inventory of devices.
    EV_TABLE_OF_DEVICES = 0xb,
    /// A digest without a meaning of its own.
    EV_COMPACT_HASH = 0xc,
    /// Code of the initial program loader; what Linux and boot loaders measure.
    EV_IPL = 0xd,
    /// Data of the initial program loader.
    EV_IPL_PARTITION_DATA = 0xe,
    /// Code that is not the host's.
    EV_NONHOST_CODE = 0xf,
    /// Configuration of such code.
    EV_NONHOST_CONFIG = 0x10,
    /// Information on such code.
    EV_NONHOST_INFO = 0x11,
    /// Boot options were left out.
    EV_OMIT_BOOT_DEVICE_EVENTS = 0x12,
    /// A UEFI variable of the driver configuration: the Secure Boot policy.
    EV_EFI_VARIABLE_DRIVER_CONFIG = 0x8000_0001,
    /// A UEFI variable of the boot configuration.
    EV_EFI_VARIABLE_BOOT = 0x8000_0002,
    /// A UEFI application.
    EV_EFI_BOOT_SERVICES_APPLICATION = 0x8000_0003,
    /// A UEFI driver of boot services.
    EV_EFI_BOOT_SERVICES_DRIVER = 0x8000_0004,
    /// A UEFI driver of run-time services.
    EV_EFI_RUNTIME_SERVICES_DRIVER = 0x8000_0005,
    /// The GUID partition table.
    EV_EFI_GPT_EVENT = 0x8000_0006,
    /// A string of UEFI firmware.
    EV_EFI_ACTION = 0x8000_0007,
    /// A platform firmware image.
    EV_EFI_PLATFORM_FIRMWARE_BLOB = 0x8000_0008,
    /// Tables handed over.
    EV_EFI_HANDOFF_TABLES = 0x8000_0009,
    /// A platform firmware image, with a description.
    EV_EFI_PLATFORM_FIRMWARE_BLOB2 = 0x8000_000a,
    /// Tables handed over, with a description.
    EV_EFI_HANDOFF_TABLES2 = 0x8000_000b,
    /// A UEFI boot option, contents only.
    EV_EFI_VARIABLE_BOOT2 = 0x8000_000c,
    /// A GUID partition table without its unique identifiers.
    EV_EFI_GPT_EVENT2 = 0x8000_000d,
    /// An H-CRTM event.
    EV_EFI_HCRTM_EVENT = 0x8000_0010,
    /// What verified an image under Secure Boot.
    EV_EFI_VARIABLE_AUTHORITY = 0x8000_00e0,
    /// Firmware of a device.
    EV_EFI_SPDM_FIRMWARE_BLOB = 0x8000_00e1,
    /// Configuration of such firmware.
    EV_EFI_SPDM_FIRMWARE_CONFIG = 0x8000_00e2,
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => f.pad(&format!("{:#x}", self.0)),
        }
    }
}

impl fmt::Debug for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
