//! `echo` and `printf`.

use super::super::{Fault, Shell};
use crate::escape::control;
use crate::world::World;

/// A text with its backslashes read; true if `\c` ended all output. A format has neither `\c` nor a fourth
/// digit behind `\0`: it is false for `is_argument`.
fn escaped(text: &[u8], is_argument: bool) -> (Vec<u8>, bool) {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let Some(&letter) = text.get(at) else {
            out.push(b'\\');
            break;
        };
        at += 1;
        match letter {
            letter if let Some(byte) = control(letter) => out.push(byte),
            b'c' if is_argument => return (out, true),
            b'e' => out.push(0x1b),
            b'\\' => out.push(b'\\'),
            b'0'..=b'7' => {
                let start = if is_argument && letter == b'0' { at } else { at - 1 };
                let digits =
                    text[start..].iter().take(3).take_while(|it| (b'0'..=b'7').contains(it));
                let digits: Vec<u8> = digits.copied().collect();
                at = start + digits.len();
                let value =
                    digits.iter().fold(0_u32, |sum, digit| sum * 8 + u32::from(digit - b'0'));
                out.push((value & 0xff) as u8);
            }
            letter => out.extend_from_slice(&[b'\\', letter]),
        }
    }
    (out, false)
}

/// A conversion of a format.
struct Conversion {
    left: bool,
    zero: bool,
    sign: Option<u8>,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
    letter: u8,
}

impl<W: World> Shell<'_, W> {
    /// dash's `echo` reads backslashes, whatever its options.
    pub(super) fn echo(&mut self, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        let (line_break, words) = match arguments.split_first() {
            Some((option, words)) if option == b"-n" => (false, words),
            _ => (true, arguments),
        };
        let (mut text, ended) = escaped(&words.join(&b' '), true);
        if line_break && !ended {
            text.push(b'\n');
        }
        self.write(1, &text)?;
        Ok(0)
    }

    pub(super) fn printf(&mut self, arguments: &[Vec<u8>]) -> Result<u8, Fault> {
        let (out, status) = self.printed(arguments)?;
        self.write(1, &out)?;
        Ok(status)
    }

    /// What `printf` has to print, and its status.
    pub(super) fn printed(&mut self, arguments: &[Vec<u8>]) -> Result<(Vec<u8>, u8), Fault> {
        let arguments = match arguments.split_first() {
            Some((first, rest)) if first == b"--" => rest,
            _ => arguments,
        };
        let Some((format, values)) = arguments.split_first() else {
            return Err(self.error("printf: usage: printf format [arg ...]"));
        };
        let mut values = values.iter();
        let (mut out, mut status) = (Vec::new(), 0);
        loop {
            let before = values.len();
            self.step()?;
            let ended = self.print_once(format, &mut values, &mut out, &mut status)?;
            if ended || values.len() == 0 || values.len() == before {
                break;
            }
        }
        Ok((out, status))
    }

    /// The format once; true if `\c` ended all output.
    fn print_once(
        &mut self,
        format: &[u8],
        values: &mut std::slice::Iter<'_, Vec<u8>>,
        out: &mut Vec<u8>,
        status: &mut u8,
    ) -> Result<bool, Fault> {
        let mut at = 0;
        while at < format.len() {
            let rest = &format[at..];
            let plain = rest.iter().position(|byte| *byte == b'%').unwrap_or(rest.len());
            if plain > 0 {
                let (text, ended) = escaped(&rest[..plain], false);
                out.extend(text);
                if ended {
                    return Ok(true);
                }
                at += plain;
                continue;
            }
            if rest.starts_with(b"%%") {
                out.push(b'%');
                at += 2;
                continue;
            }
            let (conversion, len) = match self.conversion(rest, values)? {
                Some(found) => found,
                None => {
                    let shown = String::from_utf8_lossy(rest).into_owned();
                    return Err(self.unsupported(format!("`printf` of `{shown}`")));
                }
            };
            at += len;
            if self.print_value(&conversion, values.next(), out, status)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn conversion(
        &mut self,
        text: &[u8],
        values: &mut std::slice::Iter<'_, Vec<u8>>,
    ) -> Result<Option<(Conversion, usize)>, Fault> {
        let mut found = Conversion {
            left: false,
            zero: false,
            sign: None,
            alternate: false,
            width: 0,
            precision: None,
            letter: 0,
        };
        let mut at = 1;
        while let Some(flag) = text.get(at) {
            match flag {
                b'-' => found.left = true,
                b'0' => found.zero = true,
                b'+' | b' ' => found.sign = Some(*flag),
                b'#' => found.alternate = true,
                _ => break,
            }
            at += 1;
        }
        let mut number = |at: &mut usize| -> usize {
            if text.get(*at) == Some(&b'*') {
                *at += 1;
                let value =
                    values.next().and_then(|value| str::from_utf8(value).ok()?.parse().ok());
                return value.unwrap_or(0);
            }
            let digits = text[*at..].iter().take_while(|byte| byte.is_ascii_digit());
            let digits: Vec<u8> = digits.copied().collect();
            *at += digits.len();
            str::from_utf8(&digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0)
        };
        found.width = number(&mut at);
        if text.get(at) == Some(&b'.') {
            at += 1;
            found.precision = Some(number(&mut at));
        }
        let limit = usize::try_from(self.limits.output).unwrap_or(usize::MAX);
        if found.width > limit || found.precision.is_some_and(|precision| precision > limit) {
            return Err(self.limit(self.limits.output, "bytes of output"));
        }
        found.letter = match text.get(at) {
            Some(letter) if b"bcdiouxXs".contains(letter) => *letter,
            Some(b'q') if self.is_bash() => b'q',
            _ => return Ok(None),
        };
        Ok(Some((found, at + 1)))
    }

    fn print_value(
        &mut self,
        conversion: &Conversion,
        value: Option<&Vec<u8>>,
        out: &mut Vec<u8>,
        status: &mut u8,
    ) -> Result<bool, Fault> {
        let text = value.map(Vec::as_slice).unwrap_or_default();
        let cut = |text: &[u8]| {
            let len = conversion.precision.unwrap_or(text.len()).min(text.len());
            text[..len].to_vec()
        };
        let (body, ended) = match conversion.letter {
            b's' => (cut(text), false),
            b'b' => {
                let (text, ended) = escaped(text, true);
                (cut(&text), ended)
            }
            b'q' => (cut(&with_backslashes(text)), false),
            b'c' => (text.first().copied().into_iter().collect(), false),
            _ => {
                let (number, problem) = numeric(text, conversion.is_signed());
                if let Some(problem) = problem {
                    let shown = String::from_utf8_lossy(text).into_owned();
                    self.complain(&format!("printf: {shown}: {problem}"))?;
                    *status = 1;
                }
                (conversion.number(number), false)
            }
        };
        let padding = conversion.width.saturating_sub(body.len());
        let blanks = vec![b' '; padding];
        match conversion.left {
            true => out.extend([body, blanks].concat()),
            false => out.extend([blanks, body].concat()),
        }
        Ok(ended)
    }
}

/// A printable text as bash's `%q` quotes it: what has a meaning to the shell stands behind a backslash.
fn with_backslashes(text: &[u8]) -> Vec<u8> {
    if text.is_empty() {
        return b"''".to_vec();
    }
    let mut quoted = Vec::new();
    for (at, byte) in text.iter().enumerate() {
        let before = at.checked_sub(1).map(|at| text[at]);
        let is_special = match byte {
            b'#' => before.is_none(),
            b'~' => before.is_none_or(|before| b":=".contains(&before)),
            byte => b" '\"\\|&;()<>!{}*[]?^$`,".contains(byte),
        };
        if is_special {
            quoted.push(b'\\');
        }
        quoted.push(*byte);
    }
    quoted
}

/// A number as strtoimax(3) and strtoumax(3) read it, and what is wrong with it: nothing is 0, and `'A` is a
/// byte's value. An unsigned one comes as the signed number of the same bits.
fn numeric(text: &[u8], is_signed: bool) -> (i64, Option<&'static str>) {
    match text {
        [] => return (0, None),
        [b'\'' | b'"', rest @ ..] => return (rest.first().copied().map_or(0, i64::from), None),
        _ => {}
    }
    let blanks = text.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let text = &text[blanks..];
    let (is_negative, text) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let (radix, prefix) = match text {
        [b'0', b'x' | b'X', digit, ..] if digit.is_ascii_hexdigit() => (16, 2),
        [b'0', ..] => (8, 0),
        _ => (10, 0),
    };
    let digits = &text[prefix..];
    let of_radix = |byte: &u8| char::from(*byte).to_digit(radix);
    let len = digits.iter().take_while(|byte| of_radix(byte).is_some()).count();
    if len == 0 {
        return (0, Some("expected numeric value"));
    }
    let magnitude = digits[..len].iter().filter_map(of_radix).fold(0_i128, |number, digit| {
        number.saturating_mul(radix.into()).saturating_add(digit.into())
    });
    let number = if is_negative { -magnitude } else { magnitude };
    let bounds = match is_signed {
        true => (i64::MIN.into(), i64::MAX.into()),
        false => (-i128::from(u64::MAX), u64::MAX.into()),
    };
    let problem = match () {
        () if number < bounds.0 || number > bounds.1 => Some("Numerical result out of range"),
        () if len < digits.len() => Some("not completely converted"),
        () => None,
    };
    // Beyond its range an unsigned number is the largest, whatever its sign.
    let number = match problem.is_some() && !is_signed && number < bounds.0 {
        true => bounds.1,
        false => number.clamp(bounds.0, bounds.1),
    };
    let bits = u64::try_from(number.rem_euclid(1 << 64)).unwrap_or_default();
    (bits.cast_signed(), problem)
}

impl Conversion {
    fn is_signed(&self) -> bool {
        matches!(self.letter, b'd' | b'i')
    }

    /// The digits of a number, as the letter wants them.
    fn number(&self, number: i64) -> Vec<u8> {
        let signed = self.is_signed();
        let magnitude = if signed { number.unsigned_abs() } else { number.cast_unsigned() };
        let mut digits = match self.letter {
            b'o' => format!("{magnitude:o}"),
            b'x' => format!("{magnitude:x}"),
            b'X' => format!("{magnitude:X}"),
            _ => magnitude.to_string(),
        };
        let prefix = match self.letter {
            b'o' if self.alternate && !digits.starts_with('0') => "0",
            b'x' if self.alternate && number != 0 => "0x",
            b'X' if self.alternate && number != 0 => "0X",
            _ if signed && number < 0 => "-",
            _ if signed && self.sign == Some(b'+') => "+",
            _ if signed && self.sign == Some(b' ') => " ",
            _ => "",
        };
        let wanted = match self.precision {
            Some(precision) => precision,
            None if self.zero && !self.left => self.width.saturating_sub(prefix.len()),
            None => 0,
        };
        if digits.len() < wanted {
            digits = format!("{}{digits}", "0".repeat(wanted - digits.len()));
        }
        format!("{prefix}{digits}").into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::check;

    /// XCU `echo`, with the XSI sequences.
    #[test]
    fn echo_reads_backslashes() {
        check(
            r#"
$ echo; echo ''; echo a b '' c; echo -n a; echo -n; echo -n -n b; echo; echo -e x
> echo - -- --1


a b  c
a-n b
-e x
- -- --1
$ echo 'a\tb' 'c\nd' 'e\\f' '\0101' 'g\x' '\101' 'tail\'
a	b c
d e\f A g\x A tail\
$ echo 'a\cb' c; echo x; echo 'a\c'; echo -n 'a\n'; echo '\01012' '\00601' '\\c'
ax
aa
A2 01 \c
"#,
        );
    }

    /// XCU `printf`, and XBD 5.
    #[test]
    fn printf_repeats_its_format() {
        check(
            r#"
$ printf 'a\n'; printf '%s\n' a b c; printf '%s-%s\n' a b c; printf '%s\n'
> printf 'no values\n' a b
a
a
b
c
a-b
c-

no values
$ printf '<%s>' ; echo; printf '%s %d\n' a 1 b 2; printf '%%\n'; printf '%s%%%s\n' a b
> printf -- '%s\n' x; printf -- -x; echo
<>
a 1
b 2
%
a%b
x
-x
$ printf '[%5s][%-5s][%.2s][%5.1s][%-5.1s][%05s]\n' ab ab abc abc abc ab
[   ab][ab   ][ab][    a][a    ][   ab]
$ printf '[%*s][%-*s][%.*s][%*.*s]\n' 5 a 5 b 2 abc 4 1 xyz
[    a][b    ][ab][   x]
$ printf '%c%c\n' abc d; printf '[%3c]\n' x; printf '[%-3c]\n' x
ad
[  x]
[x  ]
$ printf '%b|%s\n' 'a\tb\0101' 'a\tb'; printf '%b' 'x\cy' z; echo; printf 'a\cb\n'
> printf '%b\n' 'a\\b' '\1012'
a	bA|a\tb
x
a\cb
a\b
A2
$ printf '\101\1012\n'; printf 'a\tb\\n\n'; printf '\x\n'; printf 'a\\%s\n' b; printf '\0601\n'
AA2
a	b\n
\x
a\b
01
"#,
        );
    }

    /// XCU `printf`; strtoimax(3), strtoumax(3).
    #[test]
    fn printf_spells_numbers() {
        check(
            r#"
$ printf '%d %i %u %o %x %X\n' 10 11 12 8 255 255
> printf '%d\n' -5 +5 ' 7' 0x1F 017 '' "'A" '"B'
10 11 12 10 ff FF
-5
5
7
31
15
0
65
66
$ printf '[%5d][%-5d][%05d][%+d][% d][%+5d][%-+5d|][%+05d]\n' 42 42 42 42 42 42 42 42
[   42][42   ][00042][+42][ 42][  +42][+42  |][+0042]
$ printf '[%5d][%05d][%-5d][%+d][% d]\n' -42 -42 -42 -42 -42
> printf '[%.3d][%5.3d][%-5.3d][%.3d][%.0d]\n' 7 7 7 -7 5
[  -42][-0042][-42  ][-42][-42]
[007][  007][007  ][-007][5]
$ printf '[%#o][%#x][%#X][%#o][%#x][%#08x][%#o]\n' 8 255 255 0 0 255 010
> printf '[%x][%o][%u][%X]\n' -1 -1 -1 -255
[010][0xff][0XFF][0][0][0x0000ff][010]
[ffffffffffffffff][1777777777777777777777][18446744073709551615][FFFFFFFFFFFFFF01]
$ printf '[%08.3d][%8.3x][%-8x][%08x][%+x][% u]\n' 7 7 255 255 255 5
[     007][     007][ff      ][000000ff][ff][5]
$ printf '%d\n' abc; echo $?
0
1
stderr: script: 1: printf: abc: expected numeric value
$ printf '%d\n' 5x 0x1fg 08 ' 3 ' + - 0x -0x1F 0X1f -010; echo $?
5
31
0
3
0
0
0
-31
31
-8
1
stderr: script: 1: printf: 5x: not completely converted
stderr: script: 1: printf: 0x1fg: not completely converted
stderr: script: 1: printf: 08: not completely converted
stderr: script: 1: printf:  3 : not completely converted
stderr: script: 1: printf: +: expected numeric value
stderr: script: 1: printf: -: expected numeric value
stderr: script: 1: printf: 0x: not completely converted
$ printf '%d\n' 9223372036854775808 -9223372036854775809 99999999999999999999 -99999999999999999999; echo $?
9223372036854775807
-9223372036854775808
9223372036854775807
-9223372036854775808
1
stderr: script: 1: printf: 9223372036854775808: Numerical result out of range
stderr: script: 1: printf: -9223372036854775809: Numerical result out of range
stderr: script: 1: printf: 99999999999999999999: Numerical result out of range
stderr: script: 1: printf: -99999999999999999999: Numerical result out of range
$ printf '%u\n' 18446744073709551616 -1 -18446744073709551616; printf '%i|%x|%X\n' 1z 1z 1z; echo $?
18446744073709551615
18446744073709551615
18446744073709551615
1|1|1
1
stderr: script: 1: printf: 18446744073709551616: Numerical result out of range
stderr: script: 1: printf: -18446744073709551616: Numerical result out of range
stderr: script: 1: printf: 1z: not completely converted
stderr: script: 1: printf: 1z: not completely converted
stderr: script: 1: printf: 1z: not completely converted
$ printf '%d|%s\n' x y 3 z; echo $?
0|y
3|z
1
stderr: script: 1: printf: x: expected numeric value
$ printf '%d\n' 9223372036854775807 -9223372036854775808
> printf '%x %u %o\n' -1 18446744073709551615 -9223372036854775808
9223372036854775807
-9223372036854775808
ffffffffffffffff 18446744073709551615 1000000000000000000000
$ printf; echo no
no
stderr: script: 1: printf: usage: printf format [arg ...]
"#,
        );
    }

    #[test]
    fn output_that_cannot_be_written_is_a_failure() {
        check(
            r#"
$ { echo a; echo $? >&2; } >&-; { printf a; echo $? >&2; } >&-
stderr: script: 1: echo: echo: I/O error
stderr: 1
stderr: script: 1: printf: printf: I/O error
stderr: 1
"#,
        );
    }

    /// The bytes that `dash -c "printf %b ..."` and `dash -c "printf ..."` write.
    #[test]
    fn backslashes_stand_for_bytes() {
        for (text, argument, format) in [
            (r"\a\b\e\f", &b"\x07\x08\x1b\x0c"[..], &b"\x07\x08\x1b\x0c"[..]),
            (r"\n\r\t\v\\", b"\n\r\t\x0b\\", b"\n\r\t\x0b\\"),
            (r"\q\'\", b"\\q\\'\\", b"\\q\\'\\"),
            (r"\0", b"\0", b"\0"),
            (r"\0377", b"\xff", b"\x1f7"),
            (r"\377", b"\xff", b"\xff"),
            (r"\400", b"\0", b"\0"),
            (r"\0400", b"\0", b"\x200"),
            (r"\1012", b"A2", b"A2"),
            (r"\8", b"\\8", b"\\8"),
            (r"\08", b"\x008", b"\x008"),
        ] {
            assert_eq!(escaped(text.as_bytes(), true), (argument.to_vec(), false), "{text}");
            assert_eq!(escaped(text.as_bytes(), false), (format.to_vec(), false), "{text}");
        }
        assert_eq!(escaped(br"a\cb", true), (b"a".to_vec(), true));
        assert_eq!(escaped(br"a\cb", false), (br"a\cb".to_vec(), false));
    }

    /// strtoimax(3) and strtoumax(3), at their bounds.
    #[test]
    fn numbers_have_bounds() {
        let out_of_range = Some("Numerical result out of range");
        for (text, signed, unsigned) in [
            ("9223372036854775807", (i64::MAX, None), (i64::MAX, None)),
            ("9223372036854775808", (i64::MAX, out_of_range), (i64::MIN, None)),
            ("-9223372036854775808", (i64::MIN, None), (i64::MIN, None)),
            ("-9223372036854775809", (i64::MIN, out_of_range), (i64::MAX, None)),
            ("18446744073709551615", (i64::MAX, out_of_range), (-1, None)),
            ("18446744073709551616", (i64::MAX, out_of_range), (-1, out_of_range)),
            ("-18446744073709551615", (i64::MIN, out_of_range), (1, None)),
            ("-18446744073709551616", (i64::MIN, out_of_range), (-1, out_of_range)),
        ] {
            assert_eq!(numeric(text.as_bytes(), true), signed, "{text}");
            assert_eq!(numeric(text.as_bytes(), false), unsigned, "{text}");
        }
        let digits = "9".repeat(100);
        assert_eq!(numeric(digits.as_bytes(), true), (i64::MAX, out_of_range));
        assert_eq!(numeric(b"'", true), (0, None));
        assert_eq!(numeric(b"\"\xff", false), (255, None));
    }
}
