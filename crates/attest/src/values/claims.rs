//! The JSON Schemas of conditions and reasons, which `measure` has without one.

use std::borrow::Cow;

use cvmkit_measure::claim::{ConditionCode, EvidenceCode, ReasonCode};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// Stands for [`cvmkit_measure::claim::Condition`].
pub(super) struct ConditionSchema;

/// Stands for [`cvmkit_measure::claim::Evidence`].
pub(super) struct EvidenceSchema;

/// Stands for [`cvmkit_measure::claim::Reason`].
pub(super) struct ReasonSchema;

/// A word: [`cvmkit_measure::claim::Word`].
const WORD: &str = "^[A-Za-z0-9._+:~/-]+$";

fn words() -> Schema {
    json_schema!({
        "description": "Of what, where the code alone does not say.",
        "type": "array",
        "items": { "type": "string", "pattern": WORD }
    })
}

impl JsonSchema for ConditionSchema {
    fn schema_name() -> Cow<'static, str> {
        "Condition".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let codes: Vec<_> = ConditionCode::ALL.iter().map(|code| code.code()).collect();
        json_schema!({
            "description": "What a value rests on.",
            "type": "object",
            "properties": { "code": { "type": "string", "enum": codes }, "values": words() },
            "required": ["code"],
            "additionalProperties": false
        })
    }
}

impl JsonSchema for EvidenceSchema {
    fn schema_name() -> Cow<'static, str> {
        "Evidence".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let codes: Vec<_> = EvidenceCode::ALL.iter().map(|code| code.code()).collect();
        json_schema!({
            "description": "What the rules of values were compared with.",
            "type": "object",
            "properties": { "code": { "type": "string", "enum": codes }, "values": words() },
            "required": ["code"],
            "additionalProperties": false
        })
    }
}

impl JsonSchema for ReasonSchema {
    fn schema_name() -> Cow<'static, str> {
        "Reason".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let codes: Vec<_> = ReasonCode::ALL.iter().map(|code| code.code()).collect();
        json_schema!({
            "description": "Why a register has no value.",
            "type": "object",
            "properties": {
                "code": { "type": "string", "enum": codes },
                "values": words(),
                "candidates": {
                    "description": "The values that it can have, where they are few.",
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "when": {
                                "description": "How the machine is then, by key.",
                                "type": "object",
                                "additionalProperties": { "type": "string", "pattern": WORD }
                            },
                            "value": { "type": "string", "pattern": "^[0-9a-f]+$" }
                        },
                        "required": ["when", "value"],
                        "additionalProperties": false
                    }
                }
            },
            "required": ["code"],
            "additionalProperties": false
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use cvmkit_measure::claim::{Condition, Evidence, Reason, Word};
    use schemars::schema_for;
    use serde_json::{Value, json};

    use super::*;

    fn schema<T: JsonSchema>() -> Value {
        schema_for!(T).to_value()
    }

    fn codes(schema: &Value) -> BTreeSet<String> {
        let codes = schema["properties"]["code"]["enum"].as_array().unwrap();
        codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect()
    }

    /// Names under `$defs`, which programs that are generated from a schema give their types.
    #[test]
    fn schemas_have_names() {
        let named =
            [schema::<ConditionSchema>(), schema::<EvidenceSchema>(), schema::<ReasonSchema>()]
                .map(|schema| schema["title"].clone());
        assert_eq!(named, ["Condition", "Evidence", "Reason"]);
        let of_list = schema::<Vec<ConditionSchema>>();
        assert_eq!(of_list["items"]["$ref"], "#/$defs/Condition");
    }

    /// A code that the program writes is one that the schema allows, and no other is read.
    #[test]
    fn schemas_list_the_codes_that_are_read() {
        let rows = [
            (schema::<ConditionSchema>(), ConditionCode::ALL.len()),
            (schema::<EvidenceSchema>(), EvidenceCode::ALL.len()),
            (schema::<ReasonSchema>(), ReasonCode::ALL.len()),
        ];
        for (schema, count) in &rows {
            assert_eq!(codes(schema).len(), *count, "{schema}");
            assert_eq!(schema["required"], json!(["code"]));
            assert_eq!(schema["additionalProperties"], json!(false));
        }
        let [conditions, evidence, reasons] = rows.map(|(schema, _)| codes(&schema));
        let read = |code: &String| json!({ "code": code }).to_string();
        let all = conditions.iter().chain(&evidence).chain(&reasons);
        for code in all {
            let text = read(code);
            let is_condition = serde_json::from_str::<Condition>(&text).is_ok();
            let is_evidence = serde_json::from_str::<Evidence>(&text).is_ok();
            let is_reason = serde_json::from_str::<Reason>(&text).is_ok();
            assert_eq!(is_condition, conditions.contains(code), "{code}");
            assert_eq!(is_evidence, evidence.contains(code), "{code}");
            assert_eq!(is_reason, reasons.contains(code), "{code}");
        }
    }

    /// The keys of each schema are those that the program writes.
    #[test]
    fn schemas_have_the_keys_that_are_written() {
        let keys = |value: &Value| {
            value.as_object().unwrap().keys().cloned().collect::<BTreeSet<String>>()
        };
        let words = || [Word::of("a")];
        let condition = Condition::with(ConditionCode::NotBooted, words());
        let condition = serde_json::to_value(condition).unwrap();
        assert_eq!(keys(&schema::<ConditionSchema>()["properties"]), keys(&condition));
        let evidence = Evidence::with(EvidenceCode::Boot, words());
        let evidence = serde_json::to_value(evidence).unwrap();
        assert_eq!(keys(&schema::<EvidenceSchema>()["properties"]), keys(&evidence));
        let candidate = cvmkit_measure::claim::Candidate {
            when: [("memory".to_owned(), Word::of("2G"))].into(),
            value: "00".to_owned(),
        };
        let reason = Reason {
            candidates: vec![candidate],
            ..Reason::with(ReasonCode::KernelHeader, words())
        };
        let reason = serde_json::to_value(reason).unwrap();
        let of_reason = schema::<ReasonSchema>();
        assert_eq!(keys(&of_reason["properties"]), keys(&reason));
        let candidates = &of_reason["properties"]["candidates"]["items"];
        assert_eq!(keys(&candidates["properties"]), keys(&reason["candidates"][0]));
        assert_eq!(candidates["required"], json!(["when", "value"]));
        assert_eq!(candidates["additionalProperties"], json!(false));
    }

    /// The characters of the pattern `^[...]+$`, ranges written out.
    fn of_pattern(pattern: &str) -> BTreeSet<char> {
        let class = pattern.strip_prefix("^[").and_then(|rest| rest.strip_suffix("]+$")).unwrap();
        let class: Vec<char> = class.chars().collect();
        let mut allowed = BTreeSet::new();
        let mut at = 0;
        while let Some(first) = class.get(at) {
            match class.get(at + 1..at + 3) {
                Some(['-', last]) => {
                    allowed.extend(*first..=*last);
                    at += 3;
                }
                _ => {
                    allowed.insert(*first);
                    at += 1;
                }
            }
        }
        allowed
    }

    #[test]
    fn the_pattern_allows_what_a_word_has() {
        let pattern = schema::<ConditionSchema>();
        let pattern = pattern["properties"]["values"]["items"]["pattern"].as_str().unwrap();
        let allowed = of_pattern(pattern);
        for letter in (0..0x100_u32).filter_map(char::from_u32) {
            let text = serde_json::to_string(&letter.to_string()).unwrap();
            let is_word = serde_json::from_str::<Word>(&text).is_ok();
            assert_eq!(is_word, allowed.contains(&letter), "{letter:?}");
        }
        let hex = schema::<ReasonSchema>();
        let hex = &hex["properties"]["candidates"]["items"]["properties"]["value"]["pattern"];
        let digits = of_pattern(hex.as_str().unwrap());
        assert_eq!(digits.into_iter().collect::<String>(), "0123456789abcdef");
    }
}
