//! `read` (XCU `read`).

use super::super::{Fault, Shell};
use crate::world::World;

impl<W: World> Shell<'_, W> {
    pub(super) fn read_line(&mut self, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        let mut raw = false;
        let mut names = arguments;
        while let Some((option, rest)) = names.split_first() {
            match option.as_slice() {
                b"-r" => raw = true,
                // The prompt is for a terminal.
                b"-p" => {
                    names = rest.get(1..).unwrap_or_default();
                    continue;
                }
                b"--" => {
                    names = rest;
                    break;
                }
                option if option.starts_with(b"-") => {
                    let shown = String::from_utf8_lossy(option).into_owned();
                    return Err(self.unsupported(format!("`read {shown}`")));
                }
                _ => break,
            }
            names = rest;
        }
        if names.is_empty() {
            return Err(self.error("read: arg count"));
        }
        let (line, ended) = self.logical_line(raw);
        let separators = self.state.separators();
        for (name, value) in names.iter().zip(split(&line, &separators, names.len())) {
            let name = String::from_utf8_lossy(name).into_owned();
            self.state.set(&name, value).map_err(|why| self.error(&why))?;
        }
        Ok(u8::from(!ended))
    }

    /// A line, each byte with whether a backslash quotes it, and whether a line break ended it.
    fn logical_line(&self, raw: bool) -> (Vec<(u8, bool)>, bool) {
        let mut line = Vec::new();
        while let Some(byte) = self.next_byte(0) {
            match byte {
                b'\n' => return (line, true),
                b'\\' if !raw => match self.next_byte(0) {
                    Some(b'\n') | None => {}
                    Some(byte) => line.push((byte, true)),
                },
                0 => {}
                byte => line.push((byte, false)),
            }
        }
        (line, false)
    }
}

/// One value for each variable; the last takes what is left.
fn split(line: &[(u8, bool)], separators: &[u8], count: usize) -> Vec<Vec<u8>> {
    let separates = |(byte, quoted): &(u8, bool)| !quoted && separators.contains(byte);
    let blank = |one: &(u8, bool)| separates(one) && matches!(one.0, b' ' | b'\t' | b'\n');
    let mut rest = line;
    let skip_blanks = |rest: &mut &[(u8, bool)]| {
        while let Some((first, others)) = rest.split_first()
            && blank(first)
        {
            *rest = others;
        }
    };
    skip_blanks(&mut rest);
    let bytes = |part: &[(u8, bool)]| part.iter().map(|(byte, _)| *byte).collect::<Vec<u8>>();
    let mut values = Vec::new();
    while values.len() + 1 < count {
        let end = rest.iter().position(separates).unwrap_or(rest.len());
        values.push(bytes(&rest[..end]));
        rest = &rest[end..];
        skip_blanks(&mut rest);
        if rest.first().is_some_and(|one| separates(one) && !blank(one)) {
            rest = &rest[1..];
            skip_blanks(&mut rest);
        }
    }
    while let Some((last, others)) = rest.split_last()
        && blank(last)
    {
        rest = others;
    }
    // A separator at the end that ends the last field is none of it, and neither are blanks before it.
    if let Some((last, others)) = rest.split_last()
        && separates(last)
    {
        let len = others.iter().rposition(|one| !blank(one)).map_or(0, |at| at + 1);
        let field = &others[..len];
        if !field.iter().any(separates) {
            rest = field;
        }
    }
    values.push(bytes(rest));
    values
}

#[cfg(test)]
mod tests {
    use crate::tests::check;

    /// XCU `read` and 2.6.5.
    #[test]
    fn read_splits_a_line() {
        check(
            r#"
$ printf 'a b c\n' | { read x y; echo "$? <$x><$y>"; }; printf 'a b\n' | { read x y z
> echo "<$x><$y><$z>"; }; printf '\n' | { read x y; echo "$? <$x><$y>"; }
0 <a><b c>
<a><b><>
0 <><>
$ printf '  a   b  c  \n' | { read x y; echo "<$x><$y>"; }; printf '  a  \n' | { read x
> echo "<$x>"; }; printf '  a  \n' | { IFS= read x; echo "<$x>"; }
<a><b  c>
<a>
<  a  >
$ printf 'a:b:c\n' | { IFS=: read x y; echo "<$x><$y>"; }; printf 'a::c\n' | { IFS=: read x y z
> echo "<$x><$y><$z>"; }; printf ':a:\n' | { IFS=: read x y z; echo "<$x><$y><$z>"; }
<a><b:c>
<a><><c>
<><a><>
$ printf 'a:\n' | { IFS=: read x; echo "<$x>"; }; printf 'a:b:\n' | { IFS=: read x; echo "<$x>"
> }; printf 'a:b:\n' | { IFS=: read x y; echo "<$x><$y>"; }; printf 'a:b::\n' | { IFS=: read x y
> echo "<$x><$y>"; }
<a>
<a:b:>
<a><b>
<a><b::>
$ printf ' a : b \n' | { IFS=' :' read x y; echo "<$x><$y>"; }
> printf 'a : : b\n' | { IFS=' :' read x y z; echo "<$x><$y><$z>"; }
> printf 'a  :\n' | { IFS=' :' read x; echo "<$x>"; }
<a><b>
<a><><b>
<a>
$ for l in 'a b :' 'a :' 'a : b :' : ' : ' :: a:: 'a: :' ': a :' 'a b:' 'a:b '
> do printf '%s\n' "$l" | { IFS=' :' read x; echo "<$x>"; }; done
<a b :>
<a>
<a : b :>
<>
<>
<::>
<a::>
<a: :>
<: a :>
<a b:>
<a:b>
$ for l in 'a b :' 'a :' 'a : b :' : ' : ' :: a:: 'a: :' ': a :' 'a b:' 'a:b '
> do printf '%s\n' "$l" | { IFS=' :' read x y; echo "<$x><$y>"; }; done
<a><b>
<a><>
<a><b>
<><>
<><>
<><>
<a><>
<a><>
<><a>
<a><b>
<a><b>
$ printf 'a b' | { read x y; echo "$? <$x><$y>"; }; : | { read x; echo "$? <$x>"; }
> printf 'a\nb\n' | { read x; read y; read z; echo "$? <$x><$y><$z>"; }
1 <a><b>
1 <>
1 <a><b><>
"#,
        );
    }

    /// XCU `read`.
    #[test]
    fn a_backslash_quotes_unless_r_is_given() {
        check(
            r#"
$ printf 'a\\ b c\n' | { read x y; echo "<$x><$y>"; }; printf 'a\\\nb\n' | { read x; echo "<$x>"
> }; printf 'a\\tb\n' | { read x; echo "<$x>"; }; printf 'a\\\\b\n' | { read x
> printf '<%s>\n' "$x"; }
<a b><c>
<ab>
<atb>
<a\b>
$ printf 'a\\ b c\n' | { read -r x y; printf '<%s><%s>\n' "$x" "$y"; }
> printf 'a\\\nb\n' | { read -r x; printf '<%s>\n' "$x"; }
<a\><b c>
<a\>
$ printf '\\ a\n' | { read x; echo "<$x>"; }; printf 'a\\ \n' | { read x; echo "<$x>"; }
> printf 'a\\' | { read x; echo "$? <$x>"; }
< a>
<a >
1 <a>
$ printf 'a\\:b:c\n' | { IFS=: read x y; echo "<$x><$y>"; }
<a:b><c>
"#,
        );
    }

    #[test]
    fn an_error_of_read_is_a_status() {
        check(
            r#"
$ read; echo no
no
stderr: script: 1: read: arg count
$ echo a | { readonly x=1; read x; echo no; }; echo $?
no
0
stderr: script: 1: x: is read only
$ echo a | { read -p prompt x; echo "<$x>"; }; echo a | { read -r -- x; echo "<$x>"; }
<a>
<a>
$ read x <&-; echo $? "<$x>"; read x; echo $?
1 <>
1
"#,
        );
    }
}
