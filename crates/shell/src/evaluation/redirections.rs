//! Redirections (XCU 2.7), and what is read from and written to descriptors.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::descriptors::{Descriptor, OpenFile};
use super::{Fault, Shell};
use crate::syntax::{Redirection, RedirectionKind, Word};
use crate::world::{FileError, FileType, World};

/// The mode of a new file before the umask (XCU 2.7.2, open(2)).
const NEW_FILE: u16 = 0o666;

/// What descriptors were before a command's redirections; nothing for one that was closed.
pub(super) struct Replaced(BTreeMap<u32, Option<Descriptor>>);

impl<W: World> Shell<'_, W> {
    /// Applies redirections; answers what the descriptors that they change were, or nothing if one failed,
    /// which is said.
    pub(super) fn redirect(
        &mut self,
        redirections: &[Redirection],
    ) -> Result<Option<Replaced>, Fault> {
        let mut replaced = Replaced(BTreeMap::new());
        for redirection in redirections {
            let both = matches!(redirection.kind, RedirectionKind::WriteBoth { .. });
            for number in std::iter::once(redirection.descriptor).chain(both.then_some(2)) {
                let before = || self.state.descriptors.0.get(&number).cloned();
                replaced.0.entry(number).or_insert_with(before);
            }
            self.line = redirection.line;
            if let Err(message) = self.redirect_one(redirection)? {
                // The message goes where the messages of the command itself would have gone.
                self.complain(&message)?;
                self.put_back(replaced);
                self.state.status = if self.is_bash() { 1 } else { 2 };
                return Ok(None);
            }
        }
        Ok(Some(replaced))
    }

    /// Puts descriptors back. Others stay as the command has left them: `exec` in a function or a file that
    /// `.` reads is the shell's.
    pub(super) fn put_back(&mut self, replaced: Replaced) {
        for (number, descriptor) in replaced.0 {
            match descriptor {
                Some(descriptor) => self.state.descriptors.0.insert(number, descriptor),
                None => self.state.descriptors.0.remove(&number),
            };
        }
    }

    /// The inner error is the script's: a message.
    fn redirect_one(&mut self, redirection: &Redirection) -> Result<Result<(), String>, Fault> {
        let number = redirection.descriptor;
        let opened = match &redirection.kind {
            RedirectionKind::Here(text) => match text.get() {
                Some(word) => Ok(Descriptor::text(self.expand_document(word)?)),
                None => return Err(self.unsupported("a here-document without its text")),
            },
            RedirectionKind::Duplicate(word) => return self.duplicate(number, word),
            RedirectionKind::HereString(word) => {
                let mut text = self.expand_one(word)?;
                text.push(b'\n');
                Ok(Descriptor::text(text))
            }
            RedirectionKind::WriteBoth { file, append } => {
                let path = self.target(file)?;
                let keep = self.state.options.no_clobber && !append;
                let opened = self.open_to_write(&path, *append, keep);
                return Ok(opened.map(|descriptor| {
                    self.state.descriptors.0.insert(1, descriptor.clone());
                    self.state.descriptors.0.insert(2, descriptor);
                }));
            }
            RedirectionKind::Read(word) => {
                let path = self.target(word)?;
                self.open_to_read(&path)
            }
            RedirectionKind::Write(word) => {
                let (path, keep) = (self.target(word)?, self.state.options.no_clobber);
                self.open_to_write(&path, false, keep)
            }
            RedirectionKind::Clobber(word) => {
                let path = self.target(word)?;
                self.open_to_write(&path, false, false)
            }
            RedirectionKind::Append(word) => {
                let path = self.target(word)?;
                self.open_to_write(&path, true, false)
            }
            RedirectionKind::ReadWrite(word) => {
                let path = self.expand_one(word)?;
                if number == 0 || self.is_bash() {
                    let shown = String::from_utf8_lossy(&path).into_owned();
                    return Err(self.unsupported(format!("redirection `<> {shown}`")));
                }
                let opened = self.open_to_write(&path, true, false);
                if let Ok(Descriptor::File(file)) = &opened {
                    let mut file = file.borrow_mut();
                    (file.append, file.is_read) = (false, true);
                }
                opened
            }
        };
        Ok(opened.map(|descriptor| {
            self.state.descriptors.0.insert(number, descriptor);
        }))
    }

    /// The name of a file: dash does not split it; bash does, and wants one word.
    fn target(&mut self, word: &Word) -> Result<Vec<u8>, Fault> {
        if !self.is_bash() {
            return self.expand_one(word);
        }
        match <[Vec<u8>; 1]>::try_from(self.expand_all(std::slice::from_ref(word))?) {
            Ok([path]) => Ok(path),
            Err(_) => Err(self.unsupported("an ambiguous redirection in bash")),
        }
    }

    fn duplicate(&mut self, number: u32, word: &Word) -> Result<Result<(), String>, Fault> {
        let source = self.target(word)?;
        if source == b"-" {
            self.state.descriptors.0.remove(&number);
            return Ok(Ok(()));
        }
        let shown = String::from_utf8_lossy(&source).into_owned();
        if self.is_bash() && !source.iter().all(u8::is_ascii_digit) {
            return Err(self.unsupported(format!("the redirection `>&{shown}` in bash")));
        }
        let Ok(from) = shown.parse::<u32>() else {
            return Ok(Err(format!("Bad fd number: {shown}")));
        };
        if let (0, Some(Descriptor::File(file))) = (number, self.state.descriptors.0.get(&from))
            && file.borrow().is_read
        {
            return Err(self.unsupported("reading from a file that is open to write"));
        }
        Ok(match self.state.descriptors.0.get(&from).cloned() {
            Some(descriptor) => {
                self.state.descriptors.0.insert(number, descriptor);
                Ok(())
            }
            None => Err(format!("{from}: Bad file descriptor")),
        })
    }

    fn open_to_read(&self, path: &[u8]) -> Result<Descriptor, String> {
        let absolute = self.state.absolute(path);
        if absolute == b"/dev/null" {
            return Ok(Descriptor::Null);
        }
        match self.world.read(&absolute) {
            Ok(bytes) => Ok(Descriptor::text(bytes)),
            Err(error) => Err(format!("cannot open {}: {}", shown(path), words(error))),
        }
    }

    fn open_to_write(
        &mut self,
        path: &[u8],
        append: bool,
        keep: bool,
    ) -> Result<Descriptor, String> {
        let absolute = self.state.absolute(path);
        if absolute == b"/dev/null" {
            return Ok(Descriptor::Null);
        }
        if let Some(copied) = self.descriptor_of_path(&absolute) {
            return Ok(copied);
        }
        let mode = NEW_FILE & !self.state.umask;
        let status = self.world.status(&absolute, true);
        if keep && status.is_ok_and(|status| status.file_type == FileType::Regular) {
            return Err(format!("cannot create {}: File exists", shown(path)));
        }
        let made = match (status, append) {
            (Ok(status), true) if status.file_type == FileType::Regular => Ok(()),
            (Ok(status), _) if status.file_type == FileType::Directory => {
                Err(FileError::IsADirectory)
            }
            _ => self.world.write(&absolute, b"", mode),
        };
        if let Err(error) = made {
            return Err(format!("cannot create {}: {}", shown(path), created(error)));
        }
        let file = OpenFile { path: absolute, at: 0, append, mode, is_read: false };
        Ok(Descriptor::File(Rc::new(RefCell::new(file))))
    }

    /// `/dev/stdout`, `/dev/fd/3` and their like.
    fn descriptor_of_path(&self, path: &[u8]) -> Option<Descriptor> {
        let number = match path {
            b"/dev/stdin" => 0,
            b"/dev/stdout" => 1,
            b"/dev/stderr" => 2,
            path => str::from_utf8(path.strip_prefix(b"/dev/fd/")?).ok()?.parse().ok()?,
        };
        self.state.descriptors.0.get(&number).cloned()
    }

    /// Writes to a descriptor. What descriptor 1 can't take is an error of the command that runs.
    pub(super) fn write(&mut self, number: u32, bytes: &[u8]) -> Result<(), Fault> {
        self.written += bytes.len() as u64;
        if self.written > self.limits.output {
            return Err(self.limit(self.limits.output, "bytes of output"));
        }
        let is_written = match self.state.descriptors.0.get(&number).cloned() {
            None | Some(Descriptor::Text(_)) => bytes.is_empty(),
            Some(Descriptor::Null) => true,
            Some(Descriptor::Sink(sink) | Descriptor::Terminal(sink)) => {
                sink.borrow_mut().extend_from_slice(bytes);
                true
            }
            Some(Descriptor::File(file)) => {
                let mut file = file.borrow_mut();
                if self.world.status(&file.path, true) == Err(FileError::NotFound) {
                    // A file without a name is nobody's who opens one (unlink(2)).
                    return Ok(());
                }
                let mut contents = self.world.read(&file.path).unwrap_or_default();
                self.copied(contents.len() as u64)?;
                let at = if file.append { contents.len() } else { file.at };
                contents.resize(contents.len().max(at + bytes.len()), 0);
                contents[at..at + bytes.len()].copy_from_slice(bytes);
                file.at = at + bytes.len();
                self.world.write(&file.path, &contents, file.mode).is_ok()
            }
        };
        self.is_output_lost |= number == 1 && !is_written;
        Ok(())
    }

    /// What a descriptor has left to read.
    pub(super) fn rest(&self, number: u32) -> Vec<u8> {
        match self.state.descriptors.0.get(&number) {
            Some(Descriptor::Text(text)) => text.borrow().rest().to_vec(),
            _ => Vec::new(),
        }
    }

    /// Goes on behind bytes that were read.
    pub(super) fn consume(&self, number: u32, len: usize) {
        if let Some(Descriptor::Text(text)) = self.state.descriptors.0.get(&number) {
            let mut text = text.borrow_mut();
            text.at = (text.at + len).min(text.bytes.len());
        }
    }

    /// The next byte of a descriptor.
    pub(super) fn next_byte(&self, number: u32) -> Option<u8> {
        let Some(Descriptor::Text(text)) = self.state.descriptors.0.get(&number) else {
            return None;
        };
        let mut text = text.borrow_mut();
        let byte = text.bytes.get(text.at).copied()?;
        text.at += 1;
        Some(byte)
    }
}

fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

/// dash shortens these two.
fn words(error: FileError) -> &'static str {
    match error {
        FileError::NotFound => "No such file",
        error => error.words(),
    }
}

fn created(error: FileError) -> &'static str {
    match error {
        FileError::NotFound => "Directory nonexistent",
        error => error.words(),
    }
}

#[cfg(test)]
mod tests {
    use crate::tests::{check, check_in_world};

    /// XCU 2.7.5 and 2.7.6.
    #[test]
    fn descriptors_are_copied_and_closed() {
        check(
            r#"
$ echo a >&2; echo b 1>&2; echo c 2>&1; { echo d; echo e >&2; } 2>&1; { echo f; } >&2 2>/dev/null; echo g >/dev/null
c
d
e
stderr: a
stderr: b
stderr: f
$ { echo out; echo err >&2; } 3>&1 1>&2 2>&3; { echo x >&3; } 3>&1; echo y >&3; echo $?
err
x
2
stderr: out
stderr: script: 1: 3: Bad file descriptor
$ echo a >&-; echo $?; echo a >&9; echo $?; echo a 2>&1 >/dev/null; x=1; echo b >&$x; echo c >&2 2>&1
1
2
b
stderr: script: 1: echo: echo: I/O error
stderr: script: 1: 9: Bad file descriptor
stderr: c
$ : >&9; echo no
stderr: script: 1: 9: Bad file descriptor
exit: 2
$ exec 9>&8; echo no
stderr: script: 1: 8: Bad file descriptor
exit: 2
$ x=1 >&9; echo $? "<$x>"; { echo no; } >&9; echo $?; (echo no) >&9; echo $?; if true; then echo no; fi >&9; echo $?; f() { echo no; }; f >&9; echo $?
2 <>
2
2
2
2
stderr: script: 1: 9: Bad file descriptor
stderr: script: 1: 9: Bad file descriptor
stderr: script: 1: 9: Bad file descriptor
stderr: script: 1: 9: Bad file descriptor
stderr: script: 1: 9: Bad file descriptor
$ </dev/null read x; echo $? "<$x>"; echo >&2 a b >/dev/null c; 2>&1 echo first; >/dev/null
> echo $?
1 <>
first
0
$ for x in 1 2; do echo $x; done >&2; while read x; do echo "<$x>"; done </dev/null; { read x; echo $?; } <&-
1
stderr: 1
stderr: 2
"#,
        );
    }

    /// XCU 2.7.4.
    #[test]
    fn here_documents_are_read() {
        check(
            r#"
$ { read x; read y; echo "<$x><$y>"; } <<E
> a $1
> b "$2" '$3' `echo c` $((1+1)) \$ \\ \x "\""
> E
<a one><b "t wo" '' c 2 $  x """>
$ { read -r x; printf '%s\n' "$x"; } <<'E'
> a $1 `b` \$ \\ $((1))
> E
a $1 `b` \$ \\ $((1))
$ { read x; read y; echo "<$x><$y>"; } <<-E
> 		a	b
> 	c
> 	E
<a	b><c>
$ { read x; echo "<$x>"; } <<A; { read y; echo "<$y>"; } <<B
> one
> A
> two
> B
<one>
<two>
$ { read x; read y; echo "<$x><$y>"; } <<E
> a\
> b
> c
> E
<ab><c>
$ { read x <&3; read y; echo $x $y; } 3<<A <<B
> three
> A
> zero
> B
three zero
$ read x <<"E F"
> quoted delimiter
> E F
> echo "$x"
quoted delimiter
$ while read x; do echo "<$x>"; done <<E
> $@
> $*
> E
<one t wo  four>
<one t wo  four>
$ set -- a b; IFS=:; read x <<E
> $@ "$@" $* "$*" ${u-default}
> E
> echo "$x"
a:b "a:b" a:b "a:b" default
"#,
        );
    }

    /// XCU 2.7.1 to 2.7.3.
    #[test]
    fn files_are_read_and_written() {
        check_in_world(
            r#"
$ cat <a.txt; { read x; echo "<$x>"; cat; } <a.txt; read x <b.txt; echo $? "<$x>"
one
two
<one>
two
1 <>
$ echo new >n; cat <n; echo more >>n; cat <n; echo less >n; cat <n; >n; cat <n; echo $?
new
new
more
less
0
$ { echo a; echo b; } >n; cat <n; { echo c; echo d; } >>n; cat <n; echo e >>fresh; cat <fresh
a
b
a
b
c
d
e
$ exec 3>n; echo one >&3; echo two >&3; exec 3>&-; cat <n; { echo out; echo err >&2; } >n 2>&1
> cat <n
one
two
out
err
$ { echo 1234567890; exec 4>n; echo ab >&4; } >n; cat <n
ab
$ cat <missing; echo $?; echo a >missing/x; echo $?; cat <a.txt/x; echo $?; echo a >dir; echo $?; echo a >>dir; echo $?
2
2
2
2
2
stderr: script: 1: cannot open missing: No such file
stderr: script: 1: cannot create missing/x: Directory nonexistent
stderr: script: 1: cannot open a.txt/x: No such file
stderr: script: 1: cannot create dir: Is a directory
stderr: script: 1: cannot create dir: Is a directory
$ set -C; echo a >a.txt; echo $?; cat <a.txt; echo a >|b.txt; cat <b.txt; echo a >>b.txt; cat <b.txt; echo a >n; cat <n; echo a >/dev/null; echo $?
2
one
two
a
a
a
a
0
stderr: script: 1: cannot create a.txt: File exists
$ x='n m'; echo a >$x; cat <"n m"; cat <$x; echo a >"$1"; cat <one; echo b > /w/abs; cat </w/abs
> cd dir; echo c >rel; cat </w/dir/rel
a
a
a
b
c
$ echo a >n >m; echo "<$(cat <n)><$(cat <m)>"; echo b >n 2>missing/x; echo $?; cat <n; echo $?
<><a>
2
0
stderr: script: 1: cannot create missing/x: Directory nonexistent
$ cat <a.txt | { read x; echo $x; }; while read x; do echo "<$x>"; done <a.txt; x=$(cat <a.txt)
> echo $x
one
<one>
<two>
one two
$ exec <a.txt; read x; read y; echo $y $x; read z; echo $?
two one
1
$ echo b >/dev/stderr; { echo c >/dev/fd/3; } 3>&1; read x </dev/null; echo $?; echo d >/dev/fd/1
c
1
d
stderr: b
$ : >missing/x; echo no
stderr: script: 1: cannot create missing/x: Directory nonexistent
exit: 2
$ exec <missing; echo no
stderr: script: 1: cannot open missing: No such file
exit: 2
$ exec 3<a.txt; read x <&3; read y <&3; echo $x $y; exec 3<&-; read z <&3; echo $?
one two
2
stderr: script: 1: 3: Bad file descriptor
"#,
        );
    }
}
