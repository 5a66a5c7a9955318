//! mktemp(1).

use super::super::call::{Call, shown};
use super::super::options::Options;
use super::paths::{below, is_there};
use crate::stop::Stop;
use crate::world::World;

/// mktemp(1). What it makes has the first free name in the order of numbers: there is no chance here.
pub(in super::super) fn mktemp<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let long = [
        ("directory", b'd'),
        ("dry-run", b'u'),
        ("quiet", b'q'),
        ("tmpdir", b'P'),
        ("suffix", b'='),
    ];
    let options = Options::of(call, "dtp:uqP::=:", &long)?;
    let template = options.operands.first().copied().unwrap_or(b"tmp.XXXXXXXXXX");
    let suffix = options.last(b'=').unwrap_or_default();
    if suffix.contains(&b'/') || (options.has(b'=') && !template.ends_with(b"X")) {
        let message = format!("with {}, the template must end in X", "--suffix");
        return Ok(call.usage(&message, 1));
    }
    let template = [template, suffix].concat();
    let template = template.as_slice();
    let body = template.len() - suffix.len();
    let end = template[..body].iter().rposition(|byte| *byte == b'X').map_or(0, |at| at + 1);
    let start = template[..end].iter().rposition(|byte| *byte != b'X').map_or(0, |at| at + 1);
    if end - start < 3 || options.operands.len() > 1 {
        let word = shown(template);
        return Ok(call.usage(&format!("too few X's in template '{word}'"), 1));
    }
    let temporary = call.invocation.environment.get("TMPDIR").filter(|folder| !folder.is_empty());
    let folder = options.last(b'p').or(options.last(b'P')).filter(|folder| !folder.is_empty());
    let in_folder =
        options.has(b'p') || options.has(b't') || options.has(b'P') || options.operands.is_empty();
    let folder: &[u8] = folder.or(temporary.map(Vec::as_slice)).unwrap_or(b"/tmp");
    let width = end - start;
    for number in 0..1_000u32 {
        let digits = format!("{number:0width$}");
        let name = [&template[..start], digits.as_bytes(), &template[end..]].concat();
        let word = if in_folder { below(folder, &name) } else { name };
        let path = call.path(&word);
        if is_there(world, &path) {
            continue;
        }
        let made = match (options.has(b'u'), options.has(b'd')) {
            (true, _) => Ok(()),
            (false, true) => world.make_directory(&path, 0o700),
            (false, false) => world.write(&path, b"", 0o600),
        };
        if let Err(error) = made {
            return Ok(call.fail("failed to create file via template", template, error));
        }
        call.print(&word);
        call.print(b"\n");
        return Ok(0);
    }
    Err(call.unsupported("more than 1000 temporary files of one template"))
}
