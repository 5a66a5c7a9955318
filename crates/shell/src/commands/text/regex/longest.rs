//! All matches of an expression at once: where the longest ends (XBD 9.1), and what its groups may be.

use std::collections::BTreeSet;
use std::ops::Range;

use regex::bytes;

use super::translation::Node;

/// The most steps of an expression, far beyond any real one.
const STEPS_MAX: usize = 1 << 14;

/// The most ways to match that are followed at once.
const WAYS_MAX: usize = 1 << 12;

/// What a match goes through.
#[derive(Debug)]
enum Step {
    /// One of these bytes, and the next step.
    Bytes(Box<[bool; 256]>),
    /// A place, and the next step.
    Place(&'static str),
    /// The start of a group, or with `true` its end.
    Mark(usize, bool),
    /// Either of two steps.
    Split(usize, usize),
    Jump(usize),
    End,
}

/// The groups of a way to match: where each starts and ends.
type Marks = Vec<(Option<usize>, Option<usize>)>;

/// An expression as steps.
#[derive(Debug)]
pub(super) struct Longest {
    steps: Vec<Step>,
    groups: usize,
    /// A group lies in a group that repeats: what it keeps of an earlier turn is not told.
    has_inner: bool,
}

impl Longest {
    /// The steps of an expression; `build` compiles what matches one byte.
    pub(super) fn of(
        node: &Node,
        build: impl Fn(&str) -> Result<bytes::Regex, String>,
    ) -> Result<Self, String> {
        let mut longest = Self { steps: Vec::new(), groups: 0, has_inner: false };
        longest.add(node, &build)?;
        longest.steps.push(Step::End);
        Ok(longest)
    }

    fn push(&mut self, step: Step) -> Result<usize, String> {
        if self.steps.len() >= STEPS_MAX {
            return Err("more repetitions than any real one has".to_owned());
        }
        self.steps.push(step);
        Ok(self.steps.len() - 1)
    }

    fn add(
        &mut self,
        node: &Node,
        build: &impl Fn(&str) -> Result<bytes::Regex, String>,
    ) -> Result<(), String> {
        match node {
            Node::Atom(text) => {
                let regex = build(text)?;
                let mut set = Box::new([false; 256]);
                for (byte, is_in) in (0..=255).zip(set.iter_mut()) {
                    *is_in = regex.is_match(&[byte]);
                }
                self.push(Step::Bytes(set))?;
            }
            Node::Place(place) => drop(self.push(Step::Place(place))?),
            Node::Group(number, inner) => {
                self.groups = self.groups.max(*number);
                self.push(Step::Mark(*number, false))?;
                self.add(inner, build)?;
                self.push(Step::Mark(*number, true))?;
            }
            Node::Or(all) => {
                let mut ends = Vec::new();
                for (at, parts) in all.iter().enumerate() {
                    let split = self.push(Step::Split(0, 0))?;
                    for part in parts {
                        self.add(part, build)?;
                    }
                    ends.push(self.push(Step::Jump(0))?);
                    let (next, is_last) = (self.steps.len(), at + 1 == all.len());
                    self.steps[split] =
                        Step::Split(split + 1, if is_last { split + 1 } else { next });
                }
                let next = self.steps.len();
                ends.into_iter().for_each(|end| self.steps[end] = Step::Jump(next));
            }
            Node::Repeat(inner, _, least, most) => self.repeat(inner, *least, *most, build)?,
        }
        Ok(())
    }

    fn repeat(
        &mut self,
        inner: &Node,
        least: u16,
        most: Option<u16>,
        build: &impl Fn(&str) -> Result<bytes::Regex, String>,
    ) -> Result<(), String> {
        self.has_inner |= groups(inner) > 1;
        for _ in 0..least {
            self.add(inner, build)?;
        }
        let Some(most) = most else {
            let split = self.push(Step::Split(0, 0))?;
            self.add(inner, build)?;
            self.push(Step::Jump(split))?;
            self.steps[split] = Step::Split(split + 1, self.steps.len());
            return Ok(());
        };
        let mut splits = Vec::new();
        for _ in least..most {
            splits.push(self.push(Step::Split(0, 0))?);
            self.add(inner, build)?;
        }
        let next = self.steps.len();
        splits.into_iter().for_each(|split| self.steps[split] = Step::Split(split + 1, next));
        Ok(())
    }

    /// Where the longest match that starts here ends.
    pub(super) fn end(&self, text: &[u8], start: usize) -> Option<usize> {
        let (mut ended, mut next) = (None, vec![0]);
        for at in start..=text.len() {
            let mut seen = vec![false; self.steps.len()];
            let mut pending = std::mem::take(&mut next);
            while let Some(number) = pending.pop() {
                if std::mem::replace(&mut seen[number], true) {
                    continue;
                }
                match &self.steps[number] {
                    Step::Bytes(set) => {
                        let is_in = text.get(at).is_some_and(|byte| set[usize::from(*byte)]);
                        next.extend(is_in.then_some(number + 1));
                    }
                    Step::Place(place) if !is_at(place, text, at) => {}
                    Step::Place(_) | Step::Mark(..) => pending.push(number + 1),
                    Step::Split(one, other) => pending.extend([*other, *one]),
                    Step::Jump(to) => pending.push(*to),
                    Step::End => ended = Some(at),
                }
            }
            if next.is_empty() {
                break;
            }
        }
        ended
    }

    /// Whether a match is the longest, and has the groups that POSIX gives it: those of no other way to match
    /// as much are longer, from the left to the right (XBD 9.1). False if that can't be told.
    pub(super) fn has_groups(
        &self,
        text: &[u8],
        whole: &Range<usize>,
        found: &[Option<Range<usize>>],
    ) -> bool {
        if self.end(text, whole.start) != Some(whole.end) || self.has_inner {
            return false;
        }
        let Some(ways) = self.ways(text, whole) else { return false };
        ways.iter().all(|way| {
            let groups = way.iter().map(|group| match group {
                (Some(start), Some(end)) => Some(*start..*end),
                _ => None,
            });
            let differs = found.iter().zip(groups).find(|(one, other)| **one != *other);
            match differs {
                None => true,
                // A later start leaves more to what comes before it.
                Some((Some(one), Some(other))) => (one.start, one.end) > (other.start, other.end),
                Some(_) => false,
            }
        })
    }

    /// The groups of all ways to match a part of a text; nothing if there are more than can be followed.
    fn ways(&self, text: &[u8], whole: &Range<usize>) -> Option<BTreeSet<Marks>> {
        let mut ended = BTreeSet::new();
        let mut next: Vec<(usize, Marks)> = vec![(0, vec![(None, None); self.groups])];
        for at in whole.start..=whole.end {
            let mut seen: BTreeSet<(usize, Marks)> = BTreeSet::new();
            let mut pending = std::mem::take(&mut next);
            while let Some(way) = pending.pop() {
                if !seen.insert(way.clone()) {
                    continue;
                }
                if seen.len() > WAYS_MAX {
                    return None;
                }
                let (number, mut marks) = way;
                match &self.steps[number] {
                    Step::Bytes(set) => {
                        if at < whole.end && set[usize::from(text[at])] {
                            next.push((number + 1, marks));
                        }
                    }
                    Step::Place(place) if !is_at(place, text, at) => {}
                    Step::Place(_) => pending.push((number + 1, marks)),
                    Step::Mark(group, is_end) => {
                        let mark = marks.get_mut(group - 1)?;
                        *mark = if *is_end { (mark.0, Some(at)) } else { (Some(at), None) };
                        pending.push((number + 1, marks));
                    }
                    Step::Split(one, other) => {
                        pending.push((*other, marks.clone()));
                        pending.push((*one, marks));
                    }
                    Step::Jump(to) => pending.push((*to, marks)),
                    Step::End if at == whole.end => drop(ended.insert(marks)),
                    Step::End => {}
                }
            }
        }
        Some(ended)
    }
}

/// How many groups an expression has.
fn groups(node: &Node) -> usize {
    match node {
        Node::Atom(_) | Node::Place(_) => 0,
        Node::Group(_, inner) => 1 + groups(inner),
        Node::Or(all) => all.iter().flatten().map(groups).sum(),
        Node::Repeat(inner, ..) => groups(inner),
    }
}

/// Whether a place of an expression is here; those of words are as GNU has them, in the locale `C`.
fn is_at(place: &str, text: &[u8], at: usize) -> bool {
    let is_of_word =
        |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let before = is_of_word(at.checked_sub(1).and_then(|at| text.get(at)));
    let behind = is_of_word(text.get(at));
    match place {
        "^" | "\\A" => at == 0,
        "$" | "\\z" => at == text.len(),
        "\\b{start}" => !before && behind,
        "\\b{end}" => before && !behind,
        "\\b" => before != behind,
        _ => before == behind,
    }
}
