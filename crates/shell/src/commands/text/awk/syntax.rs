//! What an awk program is made of (XCU `awk`, "Grammar").

use super::lexer::Builtin;

/// A variable: a slot of the program's, or of the function's that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Slot {
    Global(usize),
    Local(usize),
}

/// What can be assigned to.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Variable(Slot),
    Field(Box<Expr>),
    Element(Slot, Vec<Expr>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Debug)]
pub(super) enum Expr {
    Number(f64),
    Text(Vec<u8>),
    /// A regular expression, which the record is held against unless it is an operand of `~`.
    Regex(Vec<u8>),
    Place(Place),
    /// More than one expression in parentheses: what `print` prints, or the index before `in`.
    List(Vec<Expr>),
    /// An expression in parentheses.
    Group(Box<Expr>),
    Assign(Place, Option<Operator>, Box<Expr>),
    /// `++` and `--`: by how much, and whether the value is that before it.
    Step(Place, f64, bool),
    Not(Box<Expr>),
    Negate(Box<Expr>),
    Plus(Box<Expr>),
    Arithmetic(Operator, Box<Expr>, Box<Expr>),
    Compare(Comparison, Box<Expr>, Box<Expr>),
    Concatenate(Box<Expr>, Box<Expr>),
    /// `~`, and `!~` with true.
    Match(bool, Box<Expr>, Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Choose(Box<Expr>, Box<Expr>, Box<Expr>),
    In(Vec<Expr>, Slot),
    Call(usize, Vec<Expr>),
    Builtin(Builtin, Vec<Expr>),
}

/// Where something is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    Standard,
    Errors,
}

#[derive(Clone, Debug)]
pub(super) enum Statement {
    Block(Vec<Statement>),
    Expr(Expr),
    If(Expr, Box<Statement>, Option<Box<Statement>>),
    While(Expr, Box<Statement>),
    Do(Box<Statement>, Expr),
    For(Option<Box<Statement>>, Option<Expr>, Option<Box<Statement>>, Box<Statement>),
    ForIn(Place, Slot, Box<Statement>),
    Print(Vec<Expr>, Output),
    Printf(Vec<Expr>, Output),
    /// An element, or all of them.
    Delete(Slot, Option<Vec<Expr>>),
    Next,
    Exit(Option<Expr>),
    Return(Option<Expr>),
    Break,
    Continue,
}

/// Which records a rule is for.
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    Begin,
    End,
    All,
    Expr(Expr),
    /// From one that matches the first to one that matches the second; the number of the range.
    Range(Expr, Expr, usize),
}

/// A pattern and what is done; without an action the record is printed.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) pattern: Pattern,
    pub(super) action: Option<Vec<Statement>>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Function {
    /// For each parameter whether it is an array.
    pub(super) parameters: Vec<bool>,
    pub(super) body: Vec<Statement>,
}

/// The variables that the language knows, in the order of their slots.
pub(super) const SPECIAL: [&str; 16] = [
    "NF", "NR", "FNR", "FS", "OFS", "ORS", "RS", "SUBSEP", "CONVFMT", "OFMT", "FILENAME", "RSTART",
    "RLENGTH", "ENVIRON", "ARGV", "ARGC",
];

// The slots of these.
pub(super) const NF: usize = 0;
pub(super) const NR: usize = 1;
pub(super) const FNR: usize = 2;
pub(super) const FS: usize = 3;
pub(super) const OFS: usize = 4;
pub(super) const ORS: usize = 5;
pub(super) const RS: usize = 6;
pub(super) const SUBSEP: usize = 7;
pub(super) const CONVFMT: usize = 8;
pub(super) const OFMT: usize = 9;
pub(super) const FILENAME: usize = 10;
pub(super) const RSTART: usize = 11;
pub(super) const RLENGTH: usize = 12;
pub(super) const ENVIRON: usize = 13;
pub(super) const ARGV: usize = 14;
pub(super) const ARGC: usize = 15;

/// A program.
#[derive(Clone, Debug, Default)]
pub(super) struct Program {
    pub(super) rules: Vec<Rule>,
    pub(super) functions: Vec<Function>,
    /// The names of the global variables, and whether each is an array.
    pub(super) globals: Vec<(String, bool)>,
    /// How many ranges there are.
    pub(super) ranges: usize,
}
