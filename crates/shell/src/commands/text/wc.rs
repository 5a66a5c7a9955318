//! wc(1).

use super::super::call::Call;
use super::super::options::Options;
use super::lines::each_file;
use crate::stop::Stop;
use crate::world::World;

/// wc(1), of one count: several are padded by what stat(2) says of the files.
pub(in super::super) fn wc<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let long = [("lines", b'l'), ("words", b'w'), ("bytes", b'c'), ("chars", b'm')];
    let options = Options::of(call, "lwcm", &long)?;
    let mut kinds = b"lwcm".iter().filter(|kind| options.has(**kind));
    let (Some(kind), None) = (kinds.next(), kinds.next()) else {
        return Err(call.unsupported("more than one count"));
    };
    if options.operands.len() > 1 {
        return Err(call.unsupported("more than one file"));
    }
    let is_named = !options.operands.is_empty();
    let mut status = 0;
    each_file(world, call, &options.operands, &mut status, |call, word, text| {
        let count = match kind {
            b'l' => text.iter().filter(|byte| **byte == b'\n').count(),
            b'w' => {
                let is_blank = |byte: &u8| b" \t\n\r\x0b\x0c".contains(byte);
                text.split(is_blank).filter(|word| !word.is_empty()).count()
            }
            _ => text.len(),
        };
        call.print(count.to_string().as_bytes());
        if is_named {
            call.print(b" ");
            call.print(word);
        }
        call.print(b"\n");
        Ok(())
    })?;
    Ok(status)
}
