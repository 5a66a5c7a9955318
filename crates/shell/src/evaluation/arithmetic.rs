//! Arithmetic expansion (XCU 2.6.4): signed integers of 64 bits, with C's operators.

/// The variables that an expression reads and assigns.
pub(super) trait Variables {
    /// The value of a variable; none if it is not set.
    fn get(&self, name: &str) -> Option<Vec<u8>>;

    /// Assigns a value.
    ///
    /// # Errors
    /// Why it can't be assigned.
    fn set(&mut self, name: &str, value: i64) -> Result<(), String>;
}

/// The value of an expression.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn evaluate(expression: &[u8], variables: &mut dyn Variables) -> Result<i64, String> {
    let mut parser = Expression { bytes: expression, at: 0, variables, depth: 0 };
    let value = parser.assignment(true)?;
    parser.blanks();
    match parser.bytes.get(parser.at) {
        None => Ok(value),
        Some(_) => Err(parser.refuse("an operator")),
    }
}

/// An integer as the shell spells it: decimal, octal with `0`, hexadecimal with `0x`.
pub(super) fn number(text: &[u8]) -> Option<i64> {
    let text = str::from_utf8(text).ok()?.trim_matches([' ', '\t', '\n']);
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (digits, radix) = match digits.strip_prefix("0x").or(digits.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None if digits.len() > 1 && digits.starts_with('0') => (&digits[1..], 8),
        None => (digits, 10),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let value = i64::from_str_radix(digits, radix).ok()?;
    Some(if negative { -value } else { value })
}

/// Operators of two operands, by how tightly they bind, the loosest first.
const BINARY: [&[&str]; 10] = [
    &["||"],
    &["&&"],
    &["|"],
    &["^"],
    &["&"],
    &["==", "!="],
    &["<=", ">=", "<", ">"],
    &["<<", ">>"],
    &["+", "-"],
    &["*", "/", "%"],
];

const ASSIGNMENTS: [&str; 11] = ["=", "*=", "/=", "%=", "+=", "-=", "<<=", ">>=", "&=", "^=", "|="];

const DEPTH_MAX: u32 = 100;

struct Expression<'a> {
    bytes: &'a [u8],
    at: usize,
    variables: &'a mut dyn Variables,
    depth: u32,
}

impl Expression<'_> {
    fn blanks(&mut self) {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    fn refuse(&self, expected: &str) -> String {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let found =
            if rest.is_empty() { "the end".into() } else { format!("`{}`", rest.escape_ascii()) };
        format!("arithmetic: expected {expected}, found {found}")
    }

    /// Takes one of these operators, unless it is the start of a longer one.
    fn operator(&mut self, wanted: &[&'static str]) -> Option<&'static str> {
        self.blanks();
        let rest = self.bytes.get(self.at..)?;
        let all = BINARY.iter().flat_map(|level| level.iter()).chain(&ASSIGNMENTS);
        let longest =
            all.filter(|one| rest.starts_with(one.as_bytes())).max_by_key(|one| one.len())?;
        let found = wanted.iter().find(|one| *one == longest)?;
        self.at += found.len();
        Some(found)
    }

    fn name(&mut self) -> Option<String> {
        self.blanks();
        let rest = self.bytes.get(self.at..)?;
        let is_of_name = |(at, byte): (usize, &u8)| {
            *byte == b'_' || byte.is_ascii_alphabetic() || (at > 0 && byte.is_ascii_digit())
        };
        let len = rest.iter().enumerate().take_while(|pair| is_of_name(*pair)).count();
        let name = String::from_utf8(rest.get(..len)?.to_vec()).ok()?;
        self.at += len;
        (!name.is_empty()).then_some(name)
    }

    /// `live` is false in a branch that is not taken: nothing is assigned there.
    fn assignment(&mut self, live: bool) -> Result<i64, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("arithmetic: nested too deep".into());
        }
        let start = self.at;
        let target = self.name().and_then(|name| Some((name, self.operator(&ASSIGNMENTS)?)));
        let value = match target {
            Some((name, operator)) => {
                let right = self.assignment(live)?;
                let value = match operator.strip_suffix('=').unwrap_or_default() {
                    "" => right,
                    operator => {
                        let left = self.value(&name)?;
                        binary(operator, left, right, live)?
                    }
                };
                if live {
                    self.variables.set(&name, value)?;
                }
                value
            }
            None => {
                self.at = start;
                self.conditional(live)?
            }
        };
        self.depth -= 1;
        Ok(value)
    }

    fn conditional(&mut self, live: bool) -> Result<i64, String> {
        let condition = self.level(0, live)?;
        self.blanks();
        if self.bytes.get(self.at) != Some(&b'?') {
            return Ok(condition);
        }
        self.at += 1;
        let yes = self.assignment(live && condition != 0)?;
        self.blanks();
        if self.bytes.get(self.at) != Some(&b':') {
            return Err(self.refuse("`:`"));
        }
        self.at += 1;
        let no = self.assignment(live && condition == 0)?;
        Ok(if condition != 0 { yes } else { no })
    }

    fn level(&mut self, level: usize, live: bool) -> Result<i64, String> {
        let Some(operators) = BINARY.get(level) else { return self.unary(live) };
        let mut left = self.level(level + 1, live)?;
        while let Some(operator) = self.operator(operators) {
            let live_right = live
                && match operator {
                    "||" => left == 0,
                    "&&" => left != 0,
                    _ => true,
                };
            let right = self.level(level + 1, live_right)?;
            left = binary(operator, left, right, live_right)?;
        }
        Ok(left)
    }

    fn unary(&mut self, live: bool) -> Result<i64, String> {
        self.blanks();
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("arithmetic: nested too deep".into());
        }
        let value = match self.bytes.get(self.at) {
            Some(operator @ (b'-' | b'+' | b'!' | b'~')) => {
                self.at += 1;
                let value = self.unary(live)?;
                match operator {
                    b'-' => value.wrapping_neg(),
                    b'+' => value,
                    b'!' => i64::from(value == 0),
                    _ => !value,
                }
            }
            Some(b'(') => {
                self.at += 1;
                let value = self.assignment(live)?;
                self.blanks();
                if self.bytes.get(self.at) != Some(&b')') {
                    return Err(self.refuse("`)`"));
                }
                self.at += 1;
                value
            }
            Some(byte) if byte.is_ascii_digit() => {
                let rest = self.bytes.get(self.at..).unwrap_or_default();
                let len = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
                let value = rest.get(..len).and_then(number);
                let value = value.ok_or_else(|| self.refuse("a number"))?;
                self.at += len;
                value
            }
            _ => match self.name() {
                Some(name) => self.value(&name)?,
                None => return Err(self.refuse("a number or a variable")),
            },
        };
        self.depth -= 1;
        Ok(value)
    }

    /// The value of a variable; 0 if it is not set or empty.
    fn value(&self, name: &str) -> Result<i64, String> {
        match self.variables.get(name) {
            None => Ok(0),
            Some(text) if text.is_empty() => Ok(0),
            Some(text) => number(&text).ok_or_else(|| {
                format!("arithmetic: `{name}` is `{}`, expected a number", text.escape_ascii())
            }),
        }
    }
}

fn binary(operator: &str, left: i64, right: i64, live: bool) -> Result<i64, String> {
    let shift = u32::try_from(right & 63).unwrap_or_default();
    Ok(match operator {
        "||" => i64::from(left != 0 || right != 0),
        "&&" => i64::from(left != 0 && right != 0),
        "|" => left | right,
        "^" => left ^ right,
        "&" => left & right,
        "==" => i64::from(left == right),
        "!=" => i64::from(left != right),
        "<=" => i64::from(left <= right),
        ">=" => i64::from(left >= right),
        "<" => i64::from(left < right),
        ">" => i64::from(left > right),
        "<<" => left.wrapping_shl(shift),
        ">>" => left.wrapping_shr(shift),
        "+" => left.wrapping_add(right),
        "-" => left.wrapping_sub(right),
        "*" => left.wrapping_mul(right),
        "/" | "%" if right == 0 => match live {
            true => return Err("arithmetic: division by zero".into()),
            false => 0,
        },
        "/" => left.wrapping_div(right),
        _ => left.wrapping_rem(right),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::tests::check;

    /// XCU 2.6.4; ISO C, 6.5.
    #[test]
    fn operators_bind_as_in_c() {
        check(
            r#"
$ echo $((1+2*3)) $(((1+2)*3)) $((10-3-2)) $((100/10/2)) $((17%5)) $((2*3%4)) $((-7/2)) $((-7%3)) $((7%-3))
7 9 5 5 2 2 -3 -1 1
$ echo $((1<<4)) $((256>>4)) $((1<<2+1)) $((-16>>2)) $((1<<63)) $((1<<62)) $((5&3)) $((5|3)) $((5^3)) $((~5)) $((6&3|8^1))
16 16 8 -4 -9223372036854775808 4611686018427387904 1 7 6 -6 11
$ echo $((1<2)) $((2<1)) $((1<1)) $((1<=1)) $((2<=1)) $((2>1)) $((1>1)) $((1>=1)) $((1>=2)) $((1==1)) $((1==2)) $((1!=2)) $((1!=1))
1 0 0 1 0 1 0 1 0 1 0 1 0
$ echo $((1&&2)) $((1&&0)) $((0&&1)) $((0||0)) $((0||5)) $((5||0)) $((1||0&&0)) $((0==0&&1)) $((1|0&&0)) $((1+1==2))
1 0 0 0 1 1 1 1 0 1
$ echo $((!0)) $((!5)) $((!!5)) $((-5)) $((- -5)) $((+5)) $((-+5)) $((~-1)) $((-(2+3))) $((!0+1)) $((1- -1))
1 0 1 -5 5 5 -5 0 -5 2 2
$ echo $((1?2:3)) $((0?2:3)) $((1?0?1:2:3)) $((0?1:0?2:3))
2 3 2 3
$ echo $((1==1==1)) $((3>2>1)) $((1&3==3)) $((2|1==1)) $((4&4<<1)) $((1<<1<<1)) $((64>>1>>1))
1 0 1 3 0 4 16
"#,
        );
    }

    /// Signed integers of 64 bits, as dash has them.
    #[test]
    fn the_bounds_wrap() {
        check(
            r#"
$ echo $((9223372036854775807)) $((9223372036854775807+1)) $((-9223372036854775807-1)) $((-9223372036854775807-2)) $((9223372036854775807*2))
9223372036854775807 -9223372036854775808 -9223372036854775808 9223372036854775807 -2
$ echo $((0x7fffffffffffffff)) $((0xffff)) $((0XFf)) $((0777)) $((00)) $((0)) $((0x0))
9223372036854775807 65535 255 511 0 0 0
$ echo $((1<<64)) $((1<<65)) $((1<<-1)) $((8>>64)) $((8>>66))
1 2 -9223372036854775808 8 2
"#,
        );
    }

    /// XCU 2.6.4.
    #[test]
    fn variables_are_read_and_assigned() {
        check(
            r#"
$ x=5; echo $((x)) $((x+1)) $((u)) $((u+1)) $(( x * x )); y=; echo $((y+2)); z=0x10; echo $((z))
> z=010; echo $((z)); z=' 7 '; echo $((z)); z=-3; echo $((z)) $((-z)); z=+3; echo $((z))
5 6 0 1 25
2
16
8
7
-3 3
3
$ echo $((x=3)) $x $((x+=2)) $x $((x-=1)) $x $((x*=6)) $x $((x/=5)) $x $((x%=3)) $x
3 3 5 5 4 4 24 24 4 4 1 1
$ x=6; echo $((x<<=2)) $((x>>=1)) $((x&=9)) $((x|=4)) $((x^=5)) $x
24 12 8 12 9 9
$ echo $((x=y=4)) $x $y $((x=1?2:3)) $x $((x == 2)) $x $((_a1=7)) $_a1
4 4 4 2 2 1 2 7 7
$ echo $((0&&(x=1))) "<$x>" $((1||(x=1))) "<$x>" $((1&&(x=1))) "<$x>" $((0||(x=2))) "<$x>" $((1?0:(x=9))) "<$x>" $((0?(x=9):0)) "<$x>" $((1?(x=7):0)) $x
0 <> 1 <> 1 <1> 1 <2> 0 <2> 0 <2> 7 7
$ echo $((0&&1/0)) $((1||1/0)) $((1?2:1/0)) $((0?1%0:3))
0 1 2 3
"#,
        );
    }

    /// XCU 2.8.1; the words are ours.
    #[test]
    fn errors_end_the_shell() {
        check(
            r#"
$ echo $((1/0)); echo no
stderr: script: 1: arithmetic: division by zero
exit: 2
$ echo $((1%0)); echo no
stderr: script: 1: arithmetic: division by zero
exit: 2
$ echo $((1&&1/0)); echo no
stderr: script: 1: arithmetic: division by zero
exit: 2
$ x=0; echo $((x/=0)); echo no
stderr: script: 1: arithmetic: division by zero
exit: 2
$ x=abc; echo $((x)); echo no
stderr: script: 1: arithmetic: `x` is `abc`, expected a number
exit: 2
$ x='1 2'; echo $((x)); echo no
stderr: script: 1: arithmetic: `x` is `1 2`, expected a number
exit: 2
$ echo $((1 2)); echo no
stderr: script: 1: arithmetic: expected an operator, found `2`
exit: 2
$ echo $((1+)); echo no
stderr: script: 1: arithmetic: expected a number or a variable, found the end
exit: 2
$ echo $(()); echo no
stderr: script: 1: arithmetic: expected a number or a variable, found the end
exit: 2
$ echo $((1?2)); echo no
stderr: script: 1: arithmetic: expected `:`, found the end
exit: 2
$ echo $((1?2:)); echo no
stderr: script: 1: arithmetic: expected a number or a variable, found the end
exit: 2
$ echo $((1,2)); echo no
stderr: script: 1: arithmetic: expected an operator, found `,2`
exit: 2
$ echo $((1=2)); echo no
stderr: script: 1: arithmetic: expected an operator, found `=2`
exit: 2
$ echo $((x+1=2)); echo no
stderr: script: 1: arithmetic: expected an operator, found `=2`
exit: 2
$ echo $((09)); echo no
stderr: script: 1: arithmetic: expected a number, found `09`
exit: 2
$ echo $((0x)); echo no
stderr: script: 1: arithmetic: expected a number, found `0x`
exit: 2
$ echo $((1a)); echo no
stderr: script: 1: arithmetic: expected a number, found `1a`
exit: 2
$ echo $((@)); echo no
stderr: script: 1: arithmetic: expected a number or a variable, found `@`
exit: 2
$ echo $((*2)); echo no
stderr: script: 1: arithmetic: expected a number or a variable, found `*2`
exit: 2
$ echo $((1 && )); echo no
stderr: script: 1: arithmetic: expected a number or a variable, found the end
exit: 2
$ readonly r=1; echo $((r)) $((r=2)); echo no
stderr: script: 1: r: is read only
exit: 2
$ (echo $((1/0))); echo $?
2
stderr: script: 1: arithmetic: division by zero
"#,
        );
    }

    impl Variables for BTreeMap<String, i64> {
        fn get(&self, name: &str) -> Option<Vec<u8>> {
            BTreeMap::get(self, name).map(|value| value.to_string().into_bytes())
        }

        fn set(&mut self, name: &str, value: i64) -> Result<(), String> {
            self.insert(name.to_owned(), value);
            Ok(())
        }
    }

    fn value(expression: &str) -> Result<i64, String> {
        evaluate(expression.as_bytes(), &mut BTreeMap::new())
    }

    /// dash ends with a signal here.
    #[test]
    fn the_least_number_is_divided_by_minus_one() {
        let least = "(-9223372036854775807-1)";
        assert_eq!(value(&format!("{least} % -1")), Ok(0));
        assert_eq!(value(&format!("{least} / -1")), Ok(i64::MIN));
        assert_eq!(value(&format!("-{least}")), Ok(i64::MIN));
    }

    #[test]
    fn expressions_are_nested_so_deep() {
        let parentheses = |depth| format!("{}1{}", "(".repeat(depth), ")".repeat(depth));
        let signs = |depth| format!("{}1", "-".repeat(depth));
        let too_deep = Err("arithmetic: nested too deep".to_owned());
        // Each level of parentheses is a value and an assignment.
        assert_eq!(value(&parentheses(49)), Ok(1));
        assert_eq!(value(&parentheses(50)), too_deep);
        assert_eq!(value(&signs(98)), Ok(1));
        assert_eq!(value(&signs(99)), too_deep);
        // What lies side by side is not nested.
        assert_eq!(value(&vec!["1"; 500].join("+")), Ok(500));
        assert_eq!(value(&vec!["(1)"; 500].join("+")), Ok(500));
    }

    #[test]
    fn numbers_are_spelt_in_three_ways() {
        for (text, expected) in [
            ("0", Some(0)),
            ("-0", Some(0)),
            (" 12\t\n", Some(12)),
            ("+12", Some(12)),
            ("-0x10", Some(-16)),
            ("0X1f", Some(31)),
            ("017", Some(15)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("", None),
            ("-", None),
            ("+-1", None),
            ("0x-1", None),
            ("08", None),
            ("0x", None),
            ("1 2", None),
            ("x", None),
            ("1.0", None),
        ] {
            assert_eq!(number(text.as_bytes()), expected, "{text:?}");
        }
        assert_eq!(number(b"1\xff"), None);
    }
}
