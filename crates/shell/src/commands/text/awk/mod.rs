//! awk(1), as mawk 1.3.4 does it, which is Debian's.
//!
//! The language is that of POSIX (XCU `awk`) without `getline`, `system`, pipes and files to write to,
//! mathematics and random numbers. Where the versions of mawk disagree, or an order or a number follows from
//! how one of them works inside, a program ends with a [`Stop`]: `for (k in a)` where two elements
//! are in one list of its table (but for `ENVIRON`, in the order of the names), whole numbers beyond 2147483647 as strings, intervals in expressions, a division by zero.
//! Oracle: mawk.

mod cursor;
mod evaluate;
mod execute;
mod expressions;
mod format;
mod functions;
mod lexer;
mod machine;
mod patterns;
mod record;
mod sprintf;
mod statements;
mod syntax;
mod value;

use super::super::call::{Call, shown};
use super::super::options::Options;
use crate::stop::Stop;
use crate::world::World;
use machine::Machine;

/// awk(1).
pub(in super::super) fn awk<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let options = Options::of(call, "+F:v:f:", &[])?;
    let mut operands = options.operands.as_slice();
    let mut parts: Vec<Vec<u8>> = Vec::new();
    for file in options.all(b'f') {
        match call.contents(world, file) {
            Ok(text) => parts.push(text),
            Err(_) => return Err(call.unsupported(format!("no program `{}`", shown(file)))),
        }
    }
    if parts.is_empty() {
        let [program, rest @ ..] = operands else {
            return Ok(call.usage("no program", 2));
        };
        parts.push(program.to_vec());
        operands = rest;
    }
    let program = statements::parse(&parts.join(&b'\n'));
    let program = program.map_err(|why| call.unsupported(why))?;
    let mut machine = Machine::new(&program, call, &*world, operands);
    if let Some(separator) = options.last(b'F') {
        if separator == b"t" {
            return Err(machine.unsupported("-Ft"));
        }
        machine.assign(&[b"FS=", separator].concat())?;
    }
    for assignment in options.all(b'v') {
        if !machine.assign(assignment)? {
            return Err(machine.unsupported(format!("-v {}", shown(assignment))));
        }
    }
    let ran = machine.run();
    let work = machine.work();
    world.work(work);
    ran
}
