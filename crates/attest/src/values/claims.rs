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
