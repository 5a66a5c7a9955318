//! What expressions of awk come to.

use super::lexer::Builtin;
use super::machine::{Cell, Machine};
use super::syntax::{Comparison, Expr, Operator, Place, SUBSEP};
use super::value::Value;
use crate::stop::Stop;
use crate::world::Files;

impl<F: Files> Machine<'_, '_, F> {
    pub(super) fn eval(&mut self, expr: &Expr) -> Result<Value, Stop> {
        self.count(0)?;
        self.deeper(|machine| machine.value(expr))
    }

    fn value(&mut self, expr: &Expr) -> Result<Value, Stop> {
        Ok(match expr {
            Expr::Number(number) => Value::Number(*number),
            Expr::Text(text) => Value::text_of(text),
            Expr::Regex(pattern) => {
                let record = self.field(&Value::Number(0.0))?;
                Value::of_bool(self.matches(&record, pattern)?)
            }
            Expr::Place(place) => self.read_place(place)?,
            Expr::List(_) => return Err(self.unsupported("a list where a value stands")),
            Expr::Group(inner) => self.eval(inner)?,
            Expr::Assign(place, operator, value) => self.assignment(place, *operator, value)?,
            Expr::Step(place, by, is_behind) => {
                let old = self.read_place(place)?;
                let old = self.number(&old)?;
                self.write_place(place, Value::Number(old + by))?;
                Value::Number(if *is_behind { old } else { old + by })
            }
            Expr::Not(operand) => Value::of_bool(!self.holds(operand)?),
            Expr::Negate(operand) => Value::Number(-self.eval_number(operand)?),
            Expr::Plus(operand) => Value::Number(self.eval_number(operand)?),
            Expr::Arithmetic(operator, left, right) => {
                let (left, right) = (self.eval_number(left)?, self.eval_number(right)?);
                Value::Number(self.told(calculate(*operator, left, right))?)
            }
            Expr::Compare(comparison, left, right) => {
                let (left, right) = (self.eval(left)?, self.eval(right)?);
                Value::of_bool(self.compare(*comparison, &left, &right)?)
            }
            Expr::Concatenate(left, right) => {
                let left = self.eval(left)?;
                let left = self.text(&left)?;
                let right = self.eval(right)?;
                let right = self.text(&right)?;
                self.count(left.len() + right.len())?;
                Value::text_of(&[&left[..], &right[..]].concat())
            }
            Expr::Match(negated, text, pattern) => {
                let text = self.eval(text)?;
                let pattern = self.pattern(pattern)?;
                Value::of_bool(self.matches(&text, &pattern)? != *negated)
            }
            Expr::And(left, right) => Value::of_bool(self.holds(left)? && self.holds(right)?),
            Expr::Or(left, right) => Value::of_bool(self.holds(left)? || self.holds(right)?),
            Expr::Choose(condition, then, otherwise) => match self.holds(condition)? {
                true => self.eval(then)?,
                false => self.eval(otherwise)?,
            },
            Expr::In(index, array) => {
                let index = self.element_index(index)?;
                Value::of_bool(self.array(*array)?.borrow().contains_key(&index))
            }
            Expr::Call(function, arguments) => self.call_function(*function, arguments)?,
            Expr::Builtin(builtin, arguments) => self.builtin(*builtin, arguments)?,
        })
    }

    pub(super) fn eval_number(&mut self, expr: &Expr) -> Result<f64, Stop> {
        let value = self.eval(expr)?;
        self.number(&value)
    }

    /// Whether a value is true.
    pub(super) fn holds(&mut self, expr: &Expr) -> Result<bool, Stop> {
        let value = self.eval(expr)?;
        self.told(value.is_true())
    }

    fn compare(
        &mut self,
        comparison: Comparison,
        left: &Value,
        right: &Value,
    ) -> Result<bool, Stop> {
        let conversion = self.special(super::syntax::CONVFMT)?;
        let order = self.told(left.compare(right, &conversion))?;
        Ok(match comparison {
            Comparison::Less => order.is_lt(),
            Comparison::LessOrEqual => order.is_le(),
            Comparison::Equal => order.is_eq(),
            Comparison::NotEqual => order.is_ne(),
            Comparison::Greater => order.is_gt(),
            Comparison::GreaterOrEqual => order.is_ge(),
        })
    }

    /// The regular expression that an operand of `~` is.
    pub(super) fn pattern(&mut self, expr: &Expr) -> Result<Vec<u8>, Stop> {
        if let Expr::Regex(pattern) = expr {
            return Ok(pattern.clone());
        }
        let value = self.eval(expr)?;
        Ok(self.text(&value)?.to_vec())
    }

    fn matches(&mut self, value: &Value, pattern: &[u8]) -> Result<bool, Stop> {
        let text = self.text(value)?;
        Ok(self.regex(pattern)?.is_match(&text))
    }

    fn assignment(
        &mut self,
        place: &Place,
        operator: Option<Operator>,
        expr: &Expr,
    ) -> Result<Value, Stop> {
        let value = self.eval(expr)?;
        let value = match operator {
            None => value,
            Some(operator) => {
                let old = self.read_place(place)?;
                let (old, right) = (self.number(&old)?, self.number(&value)?);
                Value::Number(self.told(calculate(operator, old, right))?)
            }
        };
        self.write_place(place, value.clone())?;
        Ok(value)
    }

    pub(super) fn read_place(&mut self, place: &Place) -> Result<Value, Stop> {
        match place {
            Place::Variable(slot) => self.get(*slot),
            Place::Field(index) => {
                let index = self.eval(index)?;
                self.field(&index)
            }
            Place::Element(array, index) => {
                let index = self.element_index(index)?;
                self.count(index.len() + 64)?;
                // To read one makes it.
                let array = self.array(*array)?;
                let mut array = array.borrow_mut();
                Ok(array.entry(index).or_insert(Value::Unset).clone())
            }
        }
    }

    pub(super) fn write_place(&mut self, place: &Place, value: Value) -> Result<(), Stop> {
        match place {
            Place::Variable(slot) => self.set(*slot, value),
            Place::Field(index) => {
                let index = self.eval(index)?;
                self.set_field(&index, value)
            }
            Place::Element(array, index) => {
                let index = self.element_index(index)?;
                self.count(index.len() + 64)?;
                self.array(*array)?.borrow_mut().insert(index, value);
                Ok(())
            }
        }
    }

    /// The index of an element: strings, joined by `SUBSEP`.
    pub(super) fn element_index(&mut self, index: &[Expr]) -> Result<Vec<u8>, Stop> {
        let mut parts = Vec::new();
        for expr in index {
            let value = self.eval(expr)?;
            parts.push(self.text(&value)?);
        }
        let separator = self.special(SUBSEP)?;
        let parts: Vec<&[u8]> = parts.iter().map(|part| &**part).collect();
        Ok(parts.join(&separator[..]))
    }

    fn call_function(&mut self, function: usize, arguments: &[Expr]) -> Result<Value, Stop> {
        let program = self.program;
        let function = &program.functions[function];
        if arguments.len() > function.parameters.len() {
            return Err(self.unsupported("a call with more arguments than parameters"));
        }
        let mut frame = Vec::new();
        for (at, is_array) in function.parameters.iter().enumerate() {
            frame.push(match arguments.get(at) {
                None => Cell::new(*is_array),
                Some(Expr::Place(Place::Variable(slot))) => self.handed(*slot, *is_array)?,
                Some(_) if *is_array => {
                    return Err(self.unsupported("a value where an array stands"));
                }
                Some(expr) => Cell::Scalar(self.eval(expr)?),
            });
        }
        self.frames.push(frame);
        let value = self.run_function(&function.body);
        self.frames.pop();
        value
    }

    fn builtin(&mut self, builtin: Builtin, arguments: &[Expr]) -> Result<Value, Stop> {
        match (builtin, arguments) {
            (Builtin::Split | Builtin::Sub | Builtin::Gsub | Builtin::Match, _) => {
                self.with_pattern(builtin, arguments)
            }
            (Builtin::Length, [Expr::Place(Place::Variable(slot))]) if self.is_array(*slot) => {
                let len = self.array(*slot)?.borrow().len();
                Ok(count(len))
            }
            (Builtin::Length, []) => {
                let record = self.field(&Value::Number(0.0))?;
                Ok(count(self.text(&record)?.len()))
            }
            (_, arguments) => {
                let mut values = Vec::new();
                for argument in arguments {
                    values.push(self.eval(argument)?);
                }
                self.of_values(builtin, &values)
            }
        }
    }
}

/// A length as a value.
pub(super) fn count(len: usize) -> Value {
    Value::Number(u32::try_from(len).unwrap_or(u32::MAX).into())
}

/// The exponents that a power is multiplied out for.
const EXPONENT_MAX: f64 = 1024.0;

/// Calculates; what is no number is refused, whatever it would be written as.
fn calculate(operator: Operator, left: f64, right: f64) -> Result<f64, String> {
    let result = match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide | Operator::Remainder if right == 0.0 => {
            return Err("a division by zero".to_owned());
        }
        Operator::Divide => left / right,
        Operator::Remainder => left % right,
        Operator::Power => {
            if right.fract() != 0.0 || right.abs() > EXPONENT_MAX {
                return Err(format!("the power {right}"));
            }
            #[expect(clippy::cast_possible_truncation, reason = "it is in range")]
            let exponent = right as i32;
            let product = (0..exponent.abs()).fold(1.0, |product, _| product * left);
            if exponent < 0 { 1.0 / product } else { product }
        }
    };
    match result.is_finite() {
        true => Ok(result),
        false => Err("a number beyond all bounds".to_owned()),
    }
}
