//! What every result in JSON keeps to, whichever command it is of: keys are in kebab-case, and registers
//! are in the order of their numbers. Every test that asks for JSON checks it.

use serde_json::Value;

/// Whether a command line asks for JSON.
pub(crate) fn asked_for<'a>(mut words: impl Iterator<Item = &'a str>) -> bool {
    let is_option = |word: &str| word == "--format=json";
    let mut before = "";
    words.any(|word| {
        let asks = is_option(word) || before == "--format" && word == "json";
        before = word;
        asks
    })
}

/// Checks what a command said, if it is JSON.
pub(crate) fn check(said: &str) {
    if let Ok(value) = serde_json::from_str::<Value>(said) {
        let mut found = Vec::new();
        match value.get("$schema") {
            Some(_) => collect_properties("", &value, &mut found),
            None => collect("", &value, &mut found),
        }
        assert!(found.is_empty(), "keys that are not in kebab-case: {found:?}");
        let unsorted = out_of_order(said);
        assert!(unsorted.is_empty(), "registers out of order: {unsorted:?}");
    }
}

/// What has the names that others gave it: the policies of HATs, and documents of every shape.
const OF_OTHERS: [&str; 2] = ["measurement", "document"];

/// Of a JSON Schema, which has words of its own, the names that it gives to properties.
fn collect_properties(path: &str, value: &Value, found: &mut Vec<String>) {
    let path = format!("{path}/");
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                if let Some(properties) = value.as_object().filter(|_| key == "properties") {
                    let names = properties.keys().filter(|name| !is_kebab(name));
                    found.extend(names.map(|name| format!("{path}{name}")));
                }
                collect_properties(&format!("{path}{key}"), value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_properties(&path, item, found)),
        _ => {}
    }
}

/// Names of files, of claims such as `se.image_phkh`, and units have a dot, and are no keys.
fn is_kebab(key: &str) -> bool {
    let is_name = key.contains(['.', '/', ':', ' ']);
    is_name || !key.contains('_') && !key.chars().any(char::is_uppercase)
}

fn collect(path: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                let path = format!("{path}/{key}");
                if !is_kebab(key) {
                    found.push(path.clone());
                }
                if !OF_OTHERS.contains(&key.as_str()) {
                    collect(&path, value, found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(path, item, found)),
        _ => {}
    }
}

/// Keys `pcrN` and `rtmrN` of one object that come after a greater one: those that follow each other
/// with the same indent.
fn out_of_order(text: &str) -> Vec<String> {
    let mut greatest: Vec<(usize, String, u32)> = Vec::new();
    let mut found = Vec::new();
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        greatest.retain(|(of, ..)| *of <= indent);
        let Some((name, number)) = register(line.trim_start()) else {
            // Another key or the end of an object at this depth.
            if line.trim_start().starts_with(['}', ']', '{']) {
                greatest.retain(|(of, ..)| *of < indent);
            }
            continue;
        };
        if let Some((.., last)) =
            greatest.iter_mut().find(|(of, known, _)| *of == indent && *known == name)
        {
            if number < *last {
                found.push(format!("{name}{number} after {name}{last}"));
            }
            *last = number;
        } else {
            greatest.push((indent, name, number));
        }
    }
    found
}

fn register(line: &str) -> Option<(String, u32)> {
    let (name, _) = line.strip_prefix('"')?.split_once("\":")?;
    let letters = name.trim_end_matches(|digit: char| digit.is_ascii_digit());
    let is_register = matches!(letters, "pcr" | "rtmr");
    let number = name.get(letters.len()..)?.parse().ok()?;
    is_register.then(|| (letters.to_owned(), number))
}

#[test]
fn keys_that_break_the_rule_are_found() {
    let mut found = Vec::new();
    let value = serde_json::json!({ "a-b": [{ "page_type": 1, "x.y_z": 2 }], "Kind": {}, "document": { "p_q": 1 } });
    collect("", &value, &mut found);
    assert_eq!(found, ["/Kind", "/a-b/page_type"]);
    let text = "{\n  \"pcr11\": 1,\n  \"pcr2\": 2\n}";
    assert_eq!(out_of_order(text), ["pcr2 after pcr11"]);
    let text = "{\n  \"a\": {\n    \"pcr11\": 1\n  },\n  \"b\": {\n    \"pcr2\": 2\n  }\n}";
    assert_eq!(out_of_order(text), Vec::<String>::new());
    assert!(asked_for(["measure", "--format", "json"].into_iter()));
    assert!(!asked_for(["new", "json", "--format", "text"].into_iter()));
}
