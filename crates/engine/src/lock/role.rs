//! What a package is there for: the root file system of the base or of a variant, or an input beside it.

/// The role of packages of the root file system of the base.
pub(super) const ROOT_ROLE: &str = "root";

/// The role of the package that holds the stub of the UKI.
pub const STUB_ROLE: &str = "stub";

/// The role of the package that holds the firmware.
pub const FIRMWARE_ROLE: &str = "firmware";

/// The role of packages of the root file system of a variant.
#[must_use]
pub fn root_role(variant: Option<&str>) -> String {
    match variant {
        Some(name) => format!("{ROOT_ROLE}:{name}"),
        None => ROOT_ROLE.into(),
    }
}

/// The role of an input package (`stub`, `firmware`) of a variant.
#[must_use]
pub fn input_role(role: &str, variant: Option<&str>) -> String {
    match variant {
        Some(name) => format!("{role}:{name}"),
        None => role.into(),
    }
}
