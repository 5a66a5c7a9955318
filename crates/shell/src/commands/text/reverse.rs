//! rev(1) of util-linux and tac(1).

use super::super::call::Call;
use super::super::options::Options;
use super::lines::each_file;
use crate::stop::Stop;
use crate::world::World;

/// rev(1): the bytes of each line, from its end.
pub(in super::super) fn rev<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let options = Options::of(call, "", &[])?;
    let mut status = 0;
    each_file(world, call, &options.operands, &mut status, |call, _, text| {
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let (line, end) = match line.strip_suffix(b"\n") {
                Some(line) => (line, &b"\n"[..]),
                None => (line, &b""[..]),
            };
            call.print(&line.iter().rev().copied().collect::<Vec<u8>>());
            call.print(end);
        }
        Ok(())
    })?;
    Ok(status)
}

/// tac(1): the lines of each file, from its end; a line break stays behind its line.
pub(in super::super) fn tac<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let options = Options::of(call, "", &[])?;
    let mut status = 0;
    each_file(world, call, &options.operands, &mut status, |call, _, text| {
        let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
        lines.iter().rev().for_each(|line| call.print(line));
        Ok(())
    })?;
    Ok(status)
}
