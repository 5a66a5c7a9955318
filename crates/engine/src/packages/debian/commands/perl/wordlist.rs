//! The `config` of wamerican 2020.12.07-4: it asks which word list is the default, if dictionaries-common
//! is there to ask.

use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;
use cvmkit_shell::world::Files as _;

use crate::packages::debian::commands::System;

/// What dictionaries-common asks with.
const ASKING: [&str; 2] = [
    "/usr/share/dictionaries-common/dc-debconf-select.pl",
    "/usr/share/dictionaries-common/elanguages",
];

/// `config`, where nothing is asked.
pub(super) fn config(system: &mut System<'_, '_>, call: &mut Call<'_>) -> Result<u8, Stop> {
    match ASKING.iter().all(|path| system.status(path.as_bytes(), true).is_ok()) {
        true => Err(call.unsupported("the word lists of dictionaries-common")),
        false => Ok(0),
    }
}

#[cfg(test)]
mod tests {
    use cvmkit_shell::evaluation::Start;

    use super::*;
    use crate::packages::debian::commands::perl;
    use crate::packages::debian::commands::tests::machine;
    use crate::rootfs;

    #[test]
    fn without_dictionaries_common_nothing_is_asked() {
        for (files, is_asked) in [(&ASKING[..0], false), (&ASKING[..1], false), (&ASKING[..], true)]
        {
            let request = rootfs::Request::default();
            let files: Vec<(&str, &str)> = files.iter().map(|path| (*path, "")).collect();
            let mut assembly = machine(&request, &files);
            let mut system = System::new(&mut assembly, &[], "amd64");
            let result = perl::run(&mut system, config, "config", &Start::default());
            assert_eq!(result.is_err(), is_asked);
        }
    }
}
