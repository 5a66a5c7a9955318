//! A record and its fields: each may be made anew of the other (XCU `awk`, "Variables and Special Variables").

use std::rc::Rc;

use super::value::Value;

/// The most fields of a record.
const FIELDS_MAX: usize = 1 << 16;

#[derive(Debug)]
pub(super) struct Record {
    text: Rc<[u8]>,
    fields: Vec<Value>,
    /// A field was changed since the text was made.
    is_changed: bool,
}

impl Record {
    pub(super) fn new(text: &[u8], fields: Vec<&[u8]>) -> Self {
        let fields = fields.into_iter().map(Value::input).collect();
        Self { text: text.into(), fields, is_changed: false }
    }

    /// `NF`.
    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    /// A field, from 1; behind the last they are empty.
    pub(super) fn field(&self, number: usize) -> Value {
        self.fields.get(number - 1).cloned().unwrap_or_else(|| Value::input(b""))
    }

    /// `$0`, made of the fields if they changed.
    ///
    /// # Errors
    /// A number that implementations write differently.
    pub(super) fn whole(&mut self, separator: &[u8], conversion: &[u8]) -> Result<Value, String> {
        if std::mem::take(&mut self.is_changed) {
            let texts: Result<Vec<Rc<[u8]>>, String> =
                self.fields.iter().map(|field| field.text(conversion)).collect();
            let texts = texts?;
            let parts: Vec<&[u8]> = texts.iter().map(|text| &**text).collect();
            self.text = parts.join(separator).into();
        }
        Ok(Value::Input(self.text.clone()))
    }

    /// Sets a field, from 1; those that are missing before it are empty.
    ///
    /// # Errors
    /// It is too far away.
    pub(super) fn set_field(&mut self, number: usize, value: Value) -> Result<(), String> {
        if number > self.fields.len() {
            self.set_len(number)?;
        }
        self.fields[number - 1] = value;
        self.is_changed = true;
        Ok(())
    }

    /// Sets `NF`.
    ///
    /// # Errors
    /// There would be too many fields.
    pub(super) fn set_len(&mut self, len: usize) -> Result<(), String> {
        if len > FIELDS_MAX {
            return Err(format!("more than {FIELDS_MAX} fields"));
        }
        self.fields.resize(len, Value::input(b""));
        self.is_changed = true;
        Ok(())
    }
}
