//! getent(1) over the tables.

use cvmkit_shell::Stop;
use cvmkit_shell::commands::Call;

use super::tables::Table;
use crate::packages::debian::commands::System;

/// `getent passwd|group|shadow [KEY..]` over the files (getent(1)).
pub(in super::super) fn getent(
    system: &mut System<'_, '_>,
    call: &mut Call<'_>,
) -> Result<u8, Stop> {
    let words: Vec<String> =
        call.arguments().iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let table = match words.first().map(String::as_str) {
        Some("passwd") => Table::Passwd,
        Some("group") => Table::Group,
        Some("shadow") => Table::Shadow,
        Some("gshadow") => Table::Gshadow,
        other => {
            return Err(call.unsupported(format!("the database {}", other.unwrap_or_default())));
        }
    };
    let rows = system.rows(table);
    let keys = words.get(1..).unwrap_or_default();
    if keys.is_empty() {
        rows.iter().for_each(|row| call.print(format!("{}\n", row.join(":")).as_bytes()));
        return Ok(0);
    }
    let mut status = 0;
    for key in keys {
        let by_id = key.bytes().all(|byte| byte.is_ascii_digit());
        let at = if by_id { 2 } else { 0 };
        match rows.iter().find(|row| row.get(at) == Some(key)) {
            Some(row) => call.print(format!("{}\n", row.join(":")).as_bytes()),
            None => status = 2,
        }
    }
    Ok(status)
}
