//! Separators and the strings by which firmware tells what it is about to do.

use super::{PCR_BOOT_CODE, PCR_BOOT_CONFIG, event_of};
use crate::event::{Event, EventType, PcrIndex, Source};

/// What a separator holds when nothing went wrong (the profile, section 3.3.2.2 "Error
/// Conditions": 0 is success, 0xffffffff too, in older firmware).
const SEPARATOR: [u8; 4] = [0; 4];

/// An EV_EFI_ACTION: the ASCII string is hashed without a NUL (the profile, section 10.4.4
/// "EV_EFI_ACTION Event Types").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// The boot manager tries a boot option; PCR 4, before the separators.
    CallingApplication,
    /// What the boot option started came back; PCR 4.
    ReturningFromApplication,
    /// The loaded system calls `ExitBootServices`; PCR 5.
    ExitBootServices,
    /// `ExitBootServices` refused, because the memory map was not the newest; PCR 5. The system
    /// then asks again, which [`Action::ExitBootServices`] logs once more.
    ExitBootServicesFailed,
    /// `ExitBootServices` is done; PCR 5.
    ExitBootServicesSucceeded,
}

impl Action {
    /// The string that is hashed, of ASCII.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::CallingApplication => "Calling EFI Application from Boot Option",
            Self::ReturningFromApplication => "Returning from EFI Application from Boot Option",
            Self::ExitBootServices => "Exit Boot Services Invocation",
            Self::ExitBootServicesFailed => "Exit Boot Services Returned with Failure",
            Self::ExitBootServicesSucceeded => "Exit Boot Services Returned with Success",
        }
    }

    /// The event in the register that EDK2 extends it into.
    #[must_use]
    pub fn event(self) -> Event {
        let pcr = match self {
            Self::CallingApplication | Self::ReturningFromApplication => PCR_BOOT_CODE,
            _ => PCR_BOOT_CONFIG,
        };
        let bytes = self.text().as_bytes();
        event_of(pcr, EventType::EV_EFI_ACTION, self.text(), Source::Code, bytes)
    }
}

/// The events of a boot whose system leaves boot services at the first try.
#[must_use]
pub fn exit_boot_services() -> [Event; 2] {
    [Action::ExitBootServices.event(), Action::ExitBootServicesSucceeded.event()]
}

/// The end of what firmware measures into a register before it boots a system.
#[must_use]
pub fn separator(pcr: PcrIndex) -> Event {
    event_of(pcr, EventType::EV_SEPARATOR, "separator", Source::Code, &SEPARATOR)
}

/// The separators of PCR 0 to 6, which EDK2 measures at once when it is ready to boot. That of
/// PCR 7 comes earlier, behind the Secure Boot variables.
pub fn separators() -> impl Iterator<Item = Event> {
    PcrIndex::all().take(7).map(separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Digests in the logs of Debian's OVMF 2022.11 and 2025.02 under QEMU with swtpm.
    #[test]
    fn digests_are_those_of_real_logs() {
        let sha256 = |event: Event| event.digests.sha256.to_string();
        assert_eq!(
            sha256(separator(PCR_BOOT_CODE)),
            "df3f619804a92fdb4057192dc43dd748ea778adc52bc498ce80524c014b81119"
        );
        assert_eq!(
            sha256(Action::CallingApplication.event()),
            "3d6772b4f84ed47595d72a2c4c5ffd15f5bb72c7507fe26f2aaee2c69d5633ba"
        );
    }

    /// `printf TEXT | sha256sum`; the registers are those of `TcgDxe` in edk2's
    /// `SecurityPkg/Tcg/Tcg2Dxe/Tcg2Dxe.c`.
    #[test]
    fn strings_are_hashed_without_a_nul() {
        for (action, pcr, expected) in [
            (
                Action::ReturningFromApplication,
                4,
                "7044f06303e54fa96c3fcd1a0f11047c03d209074470b1fd60460c9f007e28a6",
            ),
            (
                Action::ExitBootServices,
                5,
                "d8043d6b7b85ad358eb3b6ae6a873ab7ef23a26352c5dc4faa5aeedacf5eb41b",
            ),
            (
                Action::ExitBootServicesFailed,
                5,
                "23ddecbc32ea9e91ffc984b55d9fb34b24f61fd6d95d5d33dd95e824415fdd4f",
            ),
            (
                Action::ExitBootServicesSucceeded,
                5,
                "b54f7542cbd872a81a9d9dea839b2b8d747c7ebd5ea6615c40f42f44a6dbeba0",
            ),
        ] {
            let event = action.event();
            assert_eq!(
                (event.pcr.number(), event.digests.sha256.to_string()),
                (pcr, expected.into())
            );
        }
        let pcrs: Vec<u8> = separators().map(|event| event.pcr.number()).collect();
        assert_eq!(pcrs, [0, 1, 2, 3, 4, 5, 6]);
    }
}
