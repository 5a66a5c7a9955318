//! The roles that hash values play.
//!
//! A measurement is a newtype over one of [`cvmkit_formats::digest`]'s values, so that two measurements
//! of different roles never compare. It prints, parses and serializes as the value does.

/// Declares a measurement: a newtype over a hash value that prints, parses and serializes like it.
macro_rules! role {
    ($(#[$doc:meta])* $name:ident($hash:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(pub $hash);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = cvmkit_formats::digest::ParseDigestError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}
pub(crate) use role;
