//! The templates: folders of `recipes/`, embedded when this program was built.

/// A definition to start from.
#[derive(Debug)]
pub(super) struct Template {
    /// The name of its folder, and its id.
    pub(super) name: &'static str,
    /// `image.toml`.
    pub(super) definition: &'static str,
    /// The other files of the folder.
    pub(super) files: &'static [TemplateFile],
}

/// A file of a template.
#[derive(Debug)]
pub(super) struct TemplateFile {
    /// The path below the folder.
    pub(super) path: &'static str,
    /// The permission bits, which the image takes over.
    pub(super) mode: u32,
    /// The whole file.
    pub(super) contents: &'static [u8],
}

/// Lists the files of one template; a missing file fails to compile.
macro_rules! template {
    ($name:literal, [$($mode:literal $path:literal),* $(,)?]) => {
        Template {
            name: $name,
            definition: include_str!(
                concat!("../../../../../recipes/", $name, "/image.toml")
            ),
            files: &[$(TemplateFile {
                path: $path,
                mode: $mode,
                contents: include_bytes!(
                    concat!("../../../../../recipes/", $name, "/", $path)
                ),
            }),*],
        }
    };
}

/// Every template; the first one is the default.
pub(super) const TEMPLATES: &[Template] = &[template!(
    "minimal",
    [
        0o755 "tree/usr/lib/cvmkit/ready",
        0o644 "tree/usr/lib/systemd/system/cvmkit-ready.service",
    ]
)];
