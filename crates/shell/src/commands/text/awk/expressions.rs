//! Expressions of awk, by precedence (XCU `awk`, table "Expressions in Decreasing Precedence").

use super::cursor::Parser;
use super::lexer::{Builtin, Keyword, Token};
use super::syntax::{Comparison, Expr, Operator, Place};

/// What an expression may have where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope {
    /// `>` compares: behind `print` it says where to.
    greater: bool,
}

impl Scope {
    pub(super) const WHOLE: Self = Self { greater: true };
    /// What `print` prints.
    pub(super) const PRINTED: Self = Self { greater: false };
}

impl Parser<'_> {
    /// An assignment, or a choice.
    pub(super) fn expr(&mut self, scope: Scope) -> Result<Expr, String> {
        self.deeper(|parser| {
            let left = parser.choice(scope)?;
            let Some(Token::Symbol(symbol)) = parser.peek() else { return Ok(left) };
            let operator = match *symbol {
                "=" => None,
                "+=" => Some(Operator::Add),
                "-=" => Some(Operator::Subtract),
                "*=" => Some(Operator::Multiply),
                "/=" => Some(Operator::Divide),
                "%=" => Some(Operator::Remainder),
                "^=" => Some(Operator::Power),
                _ => return Ok(left),
            };
            let Expr::Place(place) = left else {
                return Err(parser.wrong("an assignment to what is no variable"));
            };
            parser.next();
            parser.skip_newlines();
            Ok(Expr::Assign(place, operator, Box::new(parser.expr(scope)?)))
        })
    }

    fn choice(&mut self, scope: Scope) -> Result<Expr, String> {
        let condition = self.either(scope)?;
        if !self.take("?") {
            return Ok(condition);
        }
        let then = self.expr(scope)?;
        self.expect(":")?;
        let otherwise = self.expr(scope)?;
        Ok(Expr::Choose(Box::new(condition), Box::new(then), Box::new(otherwise)))
    }

    fn either(&mut self, scope: Scope) -> Result<Expr, String> {
        let mut left = self.both(scope)?;
        while self.take("||") {
            self.link()?;
            self.skip_newlines();
            left = Expr::Or(Box::new(left), Box::new(self.both(scope)?));
        }
        Ok(left)
    }

    fn both(&mut self, scope: Scope) -> Result<Expr, String> {
        let mut left = self.membership(scope)?;
        while self.take("&&") {
            self.link()?;
            self.skip_newlines();
            left = Expr::And(Box::new(left), Box::new(self.membership(scope)?));
        }
        Ok(left)
    }

    fn membership(&mut self, scope: Scope) -> Result<Expr, String> {
        let mut left = self.matching(scope)?;
        while self.peek() == Some(&Token::Keyword(Keyword::In)) {
            self.link()?;
            self.next();
            let Some(Token::Name(name)) = self.next() else {
                return Err(self.wrong("`in` without an array"));
            };
            let array = self.variable(name);
            self.set_array(array);
            let index = match left {
                Expr::List(index) => index,
                one => vec![one],
            };
            left = Expr::In(index, array);
        }
        Ok(left)
    }

    fn matching(&mut self, scope: Scope) -> Result<Expr, String> {
        let left = self.comparison(scope)?;
        let negated = match self.peek() {
            Some(Token::Symbol("~")) => false,
            Some(Token::Symbol("!~")) => true,
            _ => return Ok(left),
        };
        self.next();
        Ok(Expr::Match(negated, Box::new(left), Box::new(self.comparison(scope)?)))
    }

    fn comparison(&mut self, scope: Scope) -> Result<Expr, String> {
        let left = self.concatenation()?;
        let Some(Token::Symbol(symbol)) = self.peek() else { return Ok(left) };
        let comparison = match *symbol {
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            "==" => Comparison::Equal,
            "!=" => Comparison::NotEqual,
            ">" if scope.greater => Comparison::Greater,
            ">=" => Comparison::GreaterOrEqual,
            _ => return Ok(left),
        };
        self.next();
        let right = self.concatenation()?;
        Ok(Expr::Compare(comparison, Box::new(left), Box::new(right)))
    }

    /// Expressions one behind the other, whose strings are joined.
    fn concatenation(&mut self) -> Result<Expr, String> {
        let mut left = self.sum()?;
        while self.starts_operand() {
            self.link()?;
            let right = self.sum()?;
            left = Expr::Concatenate(Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn starts_operand(&self) -> bool {
        matches!(
            self.peek(),
            Some(
                Token::Number(_)
                    | Token::Text(_)
                    | Token::Name(_)
                    | Token::Call(_)
                    | Token::Builtin(_)
                    | Token::Symbol("$" | "(" | "++" | "--")
            )
        )
    }

    fn sum(&mut self) -> Result<Expr, String> {
        let mut left = self.product()?;
        loop {
            let operator = match self.peek() {
                Some(Token::Symbol("+")) => Operator::Add,
                Some(Token::Symbol("-")) => Operator::Subtract,
                _ => return Ok(left),
            };
            self.link()?;
            self.next();
            left = Expr::Arithmetic(operator, Box::new(left), Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> Result<Expr, String> {
        let mut left = self.signed()?;
        loop {
            let operator = match self.peek() {
                Some(Token::Symbol("*")) => Operator::Multiply,
                Some(Token::Symbol("/")) => Operator::Divide,
                Some(Token::Symbol("%")) => Operator::Remainder,
                _ => return Ok(left),
            };
            self.link()?;
            self.next();
            left = Expr::Arithmetic(operator, Box::new(left), Box::new(self.signed()?));
        }
    }

    fn signed(&mut self) -> Result<Expr, String> {
        let Some(Token::Symbol(symbol @ ("!" | "-" | "+"))) = self.peek() else {
            return self.power();
        };
        self.next();
        let operand = Box::new(self.deeper(Self::signed)?);
        Ok(match *symbol {
            "!" => Expr::Not(operand),
            "-" => Expr::Negate(operand),
            _ => Expr::Plus(operand),
        })
    }

    fn power(&mut self) -> Result<Expr, String> {
        let base = self.stepped()?;
        if !self.take("^") {
            return Ok(base);
        }
        // To the right first, and a sign may stand there.
        let exponent = self.deeper(Self::signed)?;
        Ok(Expr::Arithmetic(Operator::Power, Box::new(base), Box::new(exponent)))
    }

    /// `++` and `--`, before a place or behind it.
    fn stepped(&mut self) -> Result<Expr, String> {
        for (symbol, by) in [("++", 1.0), ("--", -1.0)] {
            if self.take(symbol) {
                return match self.primary()? {
                    Expr::Place(place) => Ok(Expr::Step(place, by, false)),
                    _ => Err(self.wrong(&format!("`{symbol}` of what is no variable"))),
                };
            }
        }
        let operand = self.primary()?;
        for (symbol, by) in [("++", 1.0), ("--", -1.0)] {
            if self.is(symbol)
                && let Expr::Place(place) = &operand
            {
                self.next();
                return Ok(Expr::Step(place.clone(), by, true));
            }
        }
        Ok(operand)
    }

    fn primary(&mut self) -> Result<Expr, String> {
        let Some(token) = self.next() else {
            return Err(self.wrong("an expression without its end"));
        };
        Ok(match token {
            Token::Number(number) => Expr::Number(*number),
            Token::Text(text) => Expr::Text(text.clone()),
            Token::Regex(regex) => Expr::Regex(regex.clone()),
            Token::Name(name) => {
                let slot = self.variable(name);
                if !self.take("[") {
                    return Ok(Expr::Place(Place::Variable(slot)));
                }
                self.set_array(slot);
                Expr::Place(Place::Element(slot, self.list("]")?))
            }
            Token::Call(name) => self.call(name)?,
            Token::Builtin(builtin) => self.builtin(*builtin)?,
            Token::Symbol("$") => {
                // `$i++` steps the field, `$++i` the index.
                let index = match self.peek() {
                    Some(Token::Symbol("-" | "+" | "!")) => self.deeper(Self::signed)?,
                    Some(Token::Symbol("++" | "--")) => self.deeper(Self::stepped)?,
                    _ => self.deeper(Self::primary)?,
                };
                Expr::Place(Place::Field(Box::new(index)))
            }
            Token::Symbol("(") => {
                let mut inner = self.list(")")?;
                match (inner.len(), inner.pop()) {
                    (1, Some(one)) => Expr::Group(Box::new(one)),
                    (_, Some(last)) => {
                        inner.push(last);
                        Expr::List(inner)
                    }
                    (_, None) => return Err(self.wrong("nothing in parentheses")),
                }
            }
            _ => return Err(self.wrong("what is no expression")),
        })
    }

    /// Expressions with commas between them, up to what closes them.
    pub(super) fn list(&mut self, close: &str) -> Result<Vec<Expr>, String> {
        self.deeper(|parser| {
            let mut all = vec![parser.expr(Scope::WHOLE)?];
            while parser.take(",") {
                parser.skip_newlines();
                all.push(parser.expr(Scope::WHOLE)?);
            }
            parser.expect(close)?;
            Ok(all)
        })
    }

    /// The arguments of a call, behind the parenthesis.
    fn arguments(&mut self) -> Result<Vec<Expr>, String> {
        if self.take(")") { Ok(Vec::new()) } else { self.list(")") }
    }

    fn call(&mut self, name: &str) -> Result<Expr, String> {
        let number = self.function_number(name)?;
        self.expect("(")?;
        let arguments = self.arguments()?;
        for (at, argument) in arguments.iter().enumerate() {
            if let Expr::Place(Place::Variable(slot)) = argument {
                self.hand_on(*slot, number, at);
            }
        }
        Ok(Expr::Call(number, arguments))
    }

    fn builtin(&mut self, builtin: Builtin) -> Result<Expr, String> {
        if !self.take("(") {
            return match builtin {
                Builtin::Length => Ok(Expr::Builtin(builtin, Vec::new())),
                _ => Err(self.wrong("a function without its arguments")),
            };
        }
        let arguments = self.arguments()?;
        let wanted = match builtin {
            Builtin::Length => 0..=1,
            Builtin::Int | Builtin::Tolower | Builtin::Toupper => 1..=1,
            Builtin::Index | Builtin::Match => 2..=2,
            Builtin::Gsub | Builtin::Split | Builtin::Sub | Builtin::Substr => 2..=3,
            Builtin::Sprintf => 1..=usize::MAX,
        };
        if !wanted.contains(&arguments.len()) {
            return Err(self.wrong("a function with other arguments"));
        }
        match (builtin, arguments.get(1), arguments.get(2)) {
            (Builtin::Split, Some(Expr::Place(Place::Variable(slot))), _) => self.set_array(*slot),
            (Builtin::Split, _, _) => return Err(self.wrong("`split` without an array")),
            (Builtin::Sub | Builtin::Gsub, _, None | Some(Expr::Place(_))) => {}
            (Builtin::Sub | Builtin::Gsub, ..) => {
                return Err(self.wrong("a substitution in what is no variable"));
            }
            _ => {}
        }
        Ok(Expr::Builtin(builtin, arguments))
    }
}
