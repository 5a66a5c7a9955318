//! find(1): paths with tests, and what is done with them.

use std::cmp::Ordering;

use super::super::accounts;
use super::super::call::{Call, number, shown};
use super::super::date::seconds;
use super::super::process::replaced;
use super::super::text::{Dialect, Regex};
use super::find_printf::Format;
use super::occupied::Names;
use super::paths::{below, last};
use crate::pattern;
use crate::stop::Stop;
use crate::world::{FileType, Files, Status, World};

/// A part of the expression.
#[derive(Debug)]
enum Test {
    And(Vec<Test>),
    Or(Vec<Test>),
    Not(Box<Test>),
    Always(bool),
    Type(Vec<FileType>),
    Name(Vec<u8>),
    Path(Vec<u8>),
    /// `-iname` and `-ipath`: of small letters, and whether of the whole path.
    Caseless(Vec<u8>, bool),
    Regex(Regex),
    Empty,
    Owner(u32),
    Group(u32),
    Mode {
        bits: u16,
        how: Bits,
    },
    Newer(i64),
    /// `-mtime` and `-mmin`: an age in full units of so many seconds.
    Age(Number, i64),
    /// `-size`: in units of so many bytes, of which one that is begun counts.
    Size(Number, u64),
    Links(Number),
    /// `-samefile` and `-inum`.
    Inode(u64),
    Nobody,
    NoGroup,
    Quit,
    Print(u8),
    Printf(Format),
    Delete,
    Prune,
    Exec {
        words: Vec<Vec<u8>>,
        at_once: bool,
    },
}

/// `+N`, `-N` or `N`.
#[derive(Clone, Copy, Debug)]
struct Number {
    order: Ordering,
    value: i64,
}

impl Number {
    fn of(word: &[u8]) -> Option<Self> {
        let (order, digits) = match word {
            [b'+', digits @ ..] => (Ordering::Greater, digits),
            [b'-', digits @ ..] => (Ordering::Less, digits),
            digits => (Ordering::Equal, digits),
        };
        Some(Self { order, value: i64::try_from(number(digits)?).ok()? })
    }

    fn is(self, found: i64) -> bool {
        found.cmp(&self.value) == self.order
    }
}

/// How the permissions are compared.
#[derive(Clone, Copy, Debug)]
enum Bits {
    Exactly,
    All,
    Any,
}

/// What holds for the whole walk.
#[derive(Debug, Default)]
struct Walk {
    follow: bool,
    /// The operand that the walk is below.
    start: Vec<u8>,
    depth_min: u64,
    depth_max: Option<u64>,
    children_first: bool,
    /// How `-regex` is read; not given, as Emacs does.
    dialect: Option<Dialect>,
    is_over: bool,
    /// What `-exec ... +` is given when the walk is over.
    collected: Vec<Vec<u8>>,
    /// How many names each file has, if a test has asked.
    names: Option<Names>,
    status: u8,
}

impl Walk {
    /// How many names a file has. Counting them is a walk through all files: one is enough.
    fn links(&mut self, files: &impl Files, at: &Status) -> i64 {
        let names = self.names.get_or_insert_with(|| Names::of(files));
        i64::try_from(names.count(at)).unwrap_or(i64::MAX)
    }
}

/// find(1).
pub(in super::super) fn find<W: World>(world: &mut W, call: &mut Call<'_>) -> Result<u8, Stop> {
    let mut words = call.arguments();
    let mut walk = Walk::default();
    while let [word, rest @ ..] = words
        && matches!(word.as_slice(), b"-H" | b"-L" | b"-P")
    {
        walk.follow = word == b"-L";
        words = rest;
    }
    let is_expression = |word: &Vec<u8>| word.starts_with(b"-") || word == b"(" || word == b"!";
    let end = words.iter().position(is_expression).unwrap_or(words.len());
    let (starts, expression) = words.split_at(end);
    let mut parser = Parser { world, call, words: expression, walk: &mut walk, acts: false };
    let mut test = match expression {
        [] => Test::Always(true),
        _ => parser.alternatives()?,
    };
    if !parser.words.is_empty() {
        return Err(call.unsupported(format!("`{}`", shown(&parser.words[0]))));
    }
    if !parser.acts {
        test = Test::And(vec![test, Test::Print(b'\n')]);
    }
    let here = [b".".to_vec()];
    for start in if starts.is_empty() { &here } else { starts } {
        walk.start.clone_from(start);
        visit(world, call, &mut walk, &test, start, 0)?;
    }
    finish(world, call, &mut walk, &test)?;
    Ok(walk.status)
}

struct Parser<'p, 'w, 'c, W> {
    world: &'p W,
    call: &'p Call<'c>,
    words: &'w [Vec<u8>],
    walk: &'p mut Walk,
    /// Whether something is done with what is found.
    acts: bool,
}

impl<W: World> Parser<'_, '_, '_, W> {
    fn next(&mut self) -> Result<Vec<u8>, Stop> {
        let [word, rest @ ..] = self.words else {
            return Err(self.call.unsupported("an expression without its end"));
        };
        self.words = rest;
        Ok(word.clone())
    }

    fn alternatives(&mut self) -> Result<Test, Stop> {
        let mut tests = vec![self.conjunction()?];
        while matches!(self.words.first().map(Vec::as_slice), Some(b"-o" | b"-or")) {
            self.next()?;
            tests.push(self.conjunction()?);
        }
        Ok(Test::Or(tests))
    }

    fn conjunction(&mut self) -> Result<Test, Stop> {
        let mut tests = Vec::new();
        while let Some(word) = self.words.first() {
            match word.as_slice() {
                b"-o" | b"-or" | b")" => break,
                b"-a" | b"-and" => drop(self.next()?),
                _ => tests.push(self.primary()?),
            }
        }
        Ok(Test::And(tests))
    }

    fn primary(&mut self) -> Result<Test, Stop> {
        let word = self.next()?;
        Ok(match word.as_slice() {
            b"!" | b"-not" => Test::Not(Box::new(self.primary()?)),
            b"(" => {
                let inner = self.alternatives()?;
                if self.next()? != b")" {
                    return Err(self.call.unsupported("a parenthesis without its end"));
                }
                inner
            }
            b"-false" => Test::Always(false),
            b"-true" | b"-xdev" | b"-mount" | b"-noleaf" => Test::Always(true),
            b"-depth" => {
                self.walk.children_first = true;
                Test::Always(true)
            }
            b"-mindepth" => {
                self.walk.depth_min = self.number()?;
                Test::Always(true)
            }
            b"-maxdepth" => {
                self.walk.depth_max = Some(self.number()?);
                Test::Always(true)
            }
            b"-print" => self.action(Test::Print(b'\n')),
            b"-print0" => self.action(Test::Print(0)),
            b"-printf" => {
                let format = Format::of(self.call, &self.next()?)?;
                self.action(Test::Printf(format))
            }
            // An option wherever it stands, as -L is.
            b"-follow" => {
                self.walk.follow = true;
                Test::Always(true)
            }
            b"-prune" => Test::Prune,
            b"-quit" => self.action(Test::Quit),
            b"-regextype" => {
                let name = self.next()?;
                self.walk.dialect = Some(match name.as_slice() {
                    b"posix-extended" | b"posix-egrep" | b"egrep" => Dialect::Extended,
                    b"posix-basic" | b"sed" | b"grep" => Dialect::Basic,
                    name => {
                        return Err(self.call.unsupported(format!("-regextype {}", shown(name))));
                    }
                });
                Test::Always(true)
            }
            b"-delete" => {
                self.walk.children_first = true;
                self.action(Test::Delete)
            }
            b"-exec" => self.exec()?,
            word => self.property(word)?,
        })
    }

    /// A test of what a file is.
    fn property(&mut self, word: &[u8]) -> Result<Test, Stop> {
        Ok(match word {
            b"-type" => {
                let letters = self.next()?;
                let kinds = letters.split(|byte| *byte == b',').map(kind).collect::<Option<_>>();
                let unknown = || self.call.unsupported(format!("-type {}", shown(&letters)));
                Test::Type(kinds.ok_or_else(unknown)?)
            }
            b"-name" => Test::Name(self.next()?),
            b"-path" | b"-wholename" => Test::Path(self.next()?),
            b"-iname" => Test::Caseless(self.next()?.to_ascii_lowercase(), false),
            b"-ipath" | b"-iwholename" => Test::Caseless(self.next()?.to_ascii_lowercase(), true),
            b"-regex" | b"-iregex" => {
                let pattern = self.next()?;
                let (pattern, dialect) = match self.walk.dialect {
                    Some(dialect) => (pattern, dialect),
                    None => (self.of_emacs(&pattern)?, Dialect::Basic),
                };
                let regex = Regex::new(self.call, &pattern, dialect, word == b"-iregex")?;
                Test::Regex(regex.only(self.call, true, false)?)
            }
            b"-mtime" => Test::Age(self.count()?, 86_400),
            b"-mmin" => Test::Age(self.count()?, 60),
            b"-links" => Test::Links(self.count()?),
            b"-size" => self.size()?,
            b"-inum" => Test::Inode(self.number()?),
            b"-samefile" => {
                let path = self.call.path(&self.next()?);
                let at = self.world.status(&path, self.walk.follow);
                Test::Inode(at.map_err(|_| self.call.unsupported("-samefile of no file"))?.inode)
            }
            b"-nouser" => Test::Nobody,
            b"-nogroup" => Test::NoGroup,
            b"-empty" => Test::Empty,
            b"-user" | b"-uid" => {
                let id = accounts::uid(self.world, &self.next()?);
                Test::Owner(id.ok_or_else(|| self.call.unsupported("an unknown user"))?)
            }
            b"-group" | b"-gid" => {
                let id = accounts::gid(self.world, &self.next()?);
                Test::Group(id.ok_or_else(|| self.call.unsupported("an unknown group"))?)
            }
            b"-perm" => self.mode()?,
            b"-newer" => {
                let path = self.call.path(&self.next()?);
                let at = self.world.status(&path, true);
                Test::Newer(at.map_err(|_| self.call.unsupported("-newer of no file"))?.mtime)
            }
            b"-newermt" => {
                let text = self.next()?;
                let unknown = || self.call.unsupported(format!("the time `{}`", shown(&text)));
                Test::Newer(seconds(&text, self.world.now()).ok_or_else(unknown)?)
            }
            other => return Err(self.call.unsupported(format!("`{}`", shown(other)))),
        })
    }

    /// An expression of Emacs as a basic one of GNU's: it repeats by `+` and `?`, and has no intervals.
    fn of_emacs(&self, pattern: &[u8]) -> Result<Vec<u8>, Stop> {
        let mut basic = Vec::new();
        let mut bytes = pattern.iter();
        while let Some(byte) = bytes.next() {
            match byte {
                b'+' | b'?' => basic.extend([b'\\', *byte]),
                b'\\' => match bytes.next() {
                    Some(byte @ (b'+' | b'?')) => basic.push(*byte),
                    Some(byte @ (b'(' | b')' | b'|' | b'.' | b'*' | b'[' | b']' | b'\\')) => {
                        basic.extend([b'\\', *byte]);
                    }
                    Some(byte @ (b'-' | b'/' | b'_')) => basic.push(*byte),
                    _ => {
                        let shown = shown(pattern);
                        return Err(self
                            .call
                            .unsupported(format!("-regex {shown} as Emacs has it")));
                    }
                },
                b'[' => {
                    let shown = shown(pattern);
                    let rest = bytes.as_slice();
                    let start = rest.iter().take_while(|byte| matches!(byte, b'^' | b']')).count();
                    let end = rest[start..].iter().position(|byte| *byte == b']');
                    let end = end.map(|end| start + end).filter(|_| !rest.starts_with(b"[:"));
                    let Some(end) = end.filter(|end| !rest[..*end].contains(&b'[')) else {
                        return Err(self
                            .call
                            .unsupported(format!("-regex {shown} as Emacs has it")));
                    };
                    basic.push(b'[');
                    basic.extend_from_slice(&rest[..=end]);
                    bytes = rest[end + 1..].iter();
                }
                byte => basic.push(*byte),
            }
        }
        Ok(basic)
    }

    fn count(&mut self) -> Result<Number, Stop> {
        let word = self.next()?;
        let unknown = || self.call.unsupported(format!("the number `{}`", shown(&word)));
        Number::of(&word).ok_or_else(unknown)
    }

    fn size(&mut self) -> Result<Test, Stop> {
        let word = self.next()?;
        let (unit, digits) = match word.split_last() {
            Some((b'c', digits)) => (1, digits),
            Some((b'w', digits)) => (2, digits),
            Some((b'b', digits)) => (512, digits),
            Some((b'k', digits)) => (1 << 10, digits),
            Some((b'M', digits)) => (1 << 20, digits),
            Some((b'G', digits)) => (1 << 30, digits),
            _ => (512, word.as_slice()),
        };
        let unknown = || self.call.unsupported(format!("-size {}", shown(&word)));
        Ok(Test::Size(Number::of(digits).ok_or_else(unknown)?, unit))
    }

    fn action(&mut self, test: Test) -> Test {
        self.acts = true;
        test
    }

    fn number(&mut self) -> Result<u64, Stop> {
        let word = self.next()?;
        number(&word).ok_or_else(|| self.call.unsupported(format!("`{}`", shown(&word))))
    }

    fn mode(&mut self) -> Result<Test, Stop> {
        let word = self.next()?;
        let (how, digits) = match word.split_first() {
            Some((b'-', rest)) => (Bits::All, rest),
            Some((b'/', rest)) => (Bits::Any, rest),
            _ => (Bits::Exactly, word.as_slice()),
        };
        let bits = crate::mode::apply(digits, 0, false, 0);
        let unknown = || self.call.unsupported(format!("-perm {}", shown(&word)));
        Ok(Test::Mode { bits: bits.ok_or_else(unknown)?, how })
    }

    fn exec(&mut self) -> Result<Test, Stop> {
        self.acts = true;
        let mut words = Vec::new();
        loop {
            match self.next()?.as_slice() {
                b";" => return Ok(Test::Exec { words, at_once: false }),
                b"+" if words.last().is_some_and(|word: &Vec<u8>| word == b"{}") => {
                    words.pop();
                    return Ok(Test::Exec { words, at_once: true });
                }
                word => words.push(word.to_vec()),
            }
        }
    }
}

fn kind(letter: &[u8]) -> Option<FileType> {
    Some(match letter {
        b"f" => FileType::Regular,
        b"d" => FileType::Directory,
        b"l" => FileType::Symlink,
        b"c" => FileType::CharDevice,
        b"b" => FileType::BlockDevice,
        b"p" => FileType::Fifo,
        b"s" => FileType::Socket,
        _ => return None,
    })
}

fn visit<W: World>(
    world: &mut W,
    call: &mut Call<'_>,
    walk: &mut Walk,
    test: &Test,
    word: &[u8],
    depth: u64,
) -> Result<(), Stop> {
    if walk.is_over {
        return Ok(());
    }
    let path = call.path(word);
    let followed = if walk.follow { world.status(&path, true) } else { world.status(&path, false) };
    let at = match followed.or_else(|_| world.status(&path, false)) {
        Ok(at) => at,
        Err(error) => {
            walk.status = call.fail("", word, error);
            return Ok(());
        }
    };
    let is_tested = depth >= walk.depth_min;
    let mut goes_down = true;
    if is_tested && !walk.children_first {
        holds(world, call, walk, test, (word, &at), &mut goes_down)?;
    }
    let is_directory = at.file_type == FileType::Directory;
    if is_directory && goes_down && walk.depth_max.is_none_or(|most| depth < most) {
        let names = world.list(&path);
        for name in names.unwrap_or_default() {
            visit(world, call, walk, test, &below(word, &name), depth + 1)?;
        }
    }
    if is_tested && walk.children_first && !walk.is_over {
        holds(world, call, walk, test, (word, &at), &mut goes_down)?;
    }
    Ok(())
}

fn holds<W: World>(
    world: &mut W,
    call: &mut Call<'_>,
    walk: &mut Walk,
    test: &Test,
    found: (&[u8], &Status),
    goes_down: &mut bool,
) -> Result<bool, Stop> {
    let (word, _) = found;
    Ok(match test {
        Test::And(tests) => {
            for test in tests {
                if !holds(world, call, walk, test, found, goes_down)? {
                    return Ok(false);
                }
            }
            true
        }
        Test::Or(tests) => {
            for test in tests {
                if holds(world, call, walk, test, found, goes_down)? {
                    return Ok(true);
                }
            }
            false
        }
        Test::Not(test) => !holds(world, call, walk, test, found, goes_down)?,
        Test::Always(answer) => *answer,
        Test::Print(end) => {
            call.print(word);
            call.print(&[*end]);
            true
        }
        Test::Printf(format) => {
            let text = format.text(world, call, found, &walk.start)?;
            call.print(&text);
            true
        }
        Test::Prune => {
            *goes_down = false;
            true
        }
        Test::Quit => {
            walk.is_over = true;
            true
        }
        Test::Delete => delete(world, call, walk, word),
        Test::Exec { at_once: true, .. } => {
            walk.collected.push(word.to_vec());
            true
        }
        Test::Exec { words, at_once: false } => {
            let words: Vec<Vec<u8>> =
                words.iter().map(|part| replaced(part, b"{}", word)).collect();
            call.run(world, &words)? == 0
        }
        Test::Links(wanted) => wanted.is(walk.links(world, found.1)),
        test => is(world, call, test, found),
    })
}

/// `-delete`: it holds where the file is gone.
fn delete(files: &mut impl Files, call: &mut Call<'_>, walk: &mut Walk, word: &[u8]) -> bool {
    match files.remove(&call.path(word)) {
        Ok(()) => true,
        Err(error) => {
            walk.status = call.fail("cannot delete", word, error);
            false
        }
    }
}

/// Whether a test of what a file is holds.
fn is(files: &impl World, call: &Call<'_>, test: &Test, (word, at): (&[u8], &Status)) -> bool {
    match test {
        Test::Type(kinds) => kinds.contains(&at.file_type),
        Test::Name(glob) => pattern::matches(&pattern::unquoted(glob), last(word)),
        Test::Path(glob) => pattern::matches(&pattern::unquoted(glob), word),
        Test::Empty => match at.file_type {
            FileType::Directory => files.list(&call.path(word)).is_ok_and(|names| names.is_empty()),
            FileType::Regular => at.size == 0,
            _ => false,
        },
        Test::Owner(uid) => at.uid == *uid,
        Test::Group(gid) => at.gid == *gid,
        Test::Mode { bits, how } => match how {
            Bits::Exactly => at.mode == *bits,
            Bits::All => at.mode & bits == *bits,
            Bits::Any => *bits == 0 || at.mode & bits != 0,
        },
        Test::Newer(time) => at.mtime > *time,
        Test::Caseless(glob, is_path) => {
            let text = if *is_path { word } else { last(word) }.to_ascii_lowercase();
            pattern::matches(&pattern::unquoted(glob), &text)
        }
        Test::Regex(regex) => regex.is_match(word),
        Test::Age(wanted, unit) => wanted.is((files.now() - at.mtime).div_euclid(*unit)),
        Test::Size(wanted, unit) => {
            i64::try_from(at.size.div_ceil(*unit)).is_ok_and(|size| wanted.is(size))
        }
        Test::Inode(inode) => at.inode == *inode,
        Test::Nobody => accounts::user_name(files, at.uid).is_none(),
        Test::NoGroup => accounts::group_name(files, at.gid).is_none(),
        _ => false,
    }
}

/// Runs what `-exec ... +` collected; there may be one of it.
fn finish<W: World>(
    world: &mut W,
    call: &mut Call<'_>,
    walk: &mut Walk,
    test: &Test,
) -> Result<(), Stop> {
    let mut commands = Vec::new();
    collect(test, &mut commands);
    let [command] = commands.as_slice() else {
        return match commands.is_empty() {
            true => Ok(()),
            false => Err(call.unsupported("more than one -exec with `+`")),
        };
    };
    if walk.collected.is_empty() {
        return Ok(());
    }
    let found = std::mem::take(&mut walk.collected);
    let words: Vec<Vec<u8>> = command.iter().cloned().chain(found).collect();
    if call.run(world, &words)? != 0 {
        walk.status = 1;
    }
    Ok(())
}

fn collect<'t>(test: &'t Test, commands: &mut Vec<&'t [Vec<u8>]>) {
    match test {
        Test::And(tests) | Test::Or(tests) => {
            tests.iter().for_each(|test| collect(test, commands));
        }
        Test::Not(test) => collect(test, commands),
        Test::Exec { words, at_once: true } => commands.push(words),
        _ => {}
    }
}
