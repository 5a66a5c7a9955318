//! `[[files]]`: what one is, and what it can't be.

use cvmkit_formats::digest::Sha256;

use super::*;
use crate::definition::sample;

fn parsed(keys: &str) -> Result<FileEntry, DefinitionError> {
    let tables = format!("[[files]]\npath = \"/usr/x\"\n{keys}");
    let definition = sample::project(&sample::text("", &tables)).unwrap().definition(None)?;
    Ok(definition.files.into_iter().next().unwrap())
}

#[track_caller]
fn refused(keys: &str, place: &str, found: &str, expected: &str) {
    let error = parsed(keys).map(|_| ()).unwrap_err();
    let DefinitionError::Invalid { key, found: held, expected: rule, .. } = &error else {
        panic!("{keys}: {error:?}")
    };
    assert_eq!(*key, format!("files.`/usr/x`{place}"), "{keys}");
    assert_eq!((held.as_str(), rule.as_str()), (found, expected), "{keys}");
}

#[test]
fn a_file_is_one_of_five_things() {
    let digest = "0a".repeat(32);
    let local = |sha256| FileKind::Local("a/b".into(), sha256);
    for (keys, kind) in [
        ("content = \"\"", FileKind::Text(String::new())),
        ("content = \"a\"", FileKind::Text("a".into())),
        ("source = \"a/b\"", local(None)),
        (&*format!("source = \"a/b\"\nsha256 = \"{digest}\""), local(Some(Sha256([0x0a; 32])))),
        ("symlink = \"../y\"", FileKind::Symlink("../y".into())),
        ("folder = true", FileKind::Folder),
        ("mode = \"0700\"", FileKind::Existing),
        ("owner = \"a\"", FileKind::Existing),
        ("group = \"a\"", FileKind::Existing),
        ("capabilities = \"cap_kill+ep\"", FileKind::Existing),
        ("xattrs = { \"user.a\" = \"\" }", FileKind::Existing),
    ] {
        let file = parsed(keys).unwrap();
        assert_eq!((file.path.as_str(), file.kind), ("usr/x", kind), "{keys}");
    }
    let one = "exactly one of `content`, `source`, `symlink` and `folder = true`";
    for keys in [
        "folder = false",
        "content = \"\"\nsource = \"a\"",
        "content = \"\"\nsymlink = \"a\"",
        "content = \"\"\nfolder = true",
        "content = \"\"\nfolder = false",
        "source = \"a\"\nsymlink = \"a\"",
        "source = \"a\"\nfolder = true",
        "symlink = \"a\"\nfolder = true",
    ] {
        refused(keys, "", "as it is", one);
    }
    for keys in ["content = \"\"", "symlink = \"a\"", "folder = true", "mode = \"0700\""] {
        let keys = format!("{keys}\nsha256 = \"{digest}\"");
        refused(&keys, "", "sha256", "a digest only with `source`");
    }
}

#[test]
fn what_is_there_already_is_changed_in_something() {
    let error = parsed("").map(|_| ()).unwrap_err();
    let DefinitionError::Invalid { key, found, expected, .. } = &error else { panic!("{error:?}") };
    assert_eq!((key.as_str(), found.as_str()), ("files.`/usr/x`", "as it is"));
    assert!(expected.ends_with("`mode`, `owner`, `group`, `capabilities`, `xattrs`"), "{expected}");
    let file = parsed("mode = \"0700\"\nowner = \"a\"\ngroup = \"7\"").unwrap();
    assert_eq!(file.mode, Some(0o700));
    assert_eq!((file.owner.as_deref(), file.group.as_deref()), (Some("a"), Some("7")));
}

/// inode(7): permission bits, set-user-ID, set-group-ID and sticky.
#[test]
fn a_mode_is_octal_digits_up_to_7777() {
    for (text, mode) in
        [("0", 0), ("7", 7), ("755", 0o755), ("0755", 0o755), ("4755", 0o4755), ("7777", 0o7777)]
    {
        let keys = format!("content = \"\"\nmode = \"{text}\"");
        assert_eq!(parsed(&keys).unwrap().mode, Some(mode), "{text}");
    }
    // chmod(1) takes `+755` for a change of what is there.
    for text in ["", "8", "0788", "10000", "0o755", "u+x", "-1", "+755", " 755", "777777777"] {
        let keys = format!("content = \"\"\nmode = \"{text}\"");
        refused(&keys, ".mode", text, "an octal mode up to 7777");
    }
}

/// symlink(7): the permissions of a link are not used; capabilities(7): only regular files have some.
#[test]
fn a_link_has_an_owner_and_no_mode() {
    let rule = "a link without `mode` and `capabilities`: Linux has none of links";
    refused("symlink = \"a\"\nmode = \"0777\"", "", "as it is", rule);
    refused("symlink = \"a\"\ncapabilities = \"cap_kill+ep\"", "", "as it is", rule);
    let link = parsed("symlink = \"a\"\nowner = \"b\"").unwrap();
    assert_eq!((link.mode, link.owner.as_deref()), (None, Some("b")));
}

/// xattr(7); `XATTR_NAME_MAX` of `linux/limits.h`.
#[test]
fn an_attribute_is_in_a_space_of_names_that_images_have() {
    let attribute = |name: &str, value: &str| {
        let keys = format!("content = \"\"\nxattrs = {{ \"{name}\" = \"{value}\" }}");
        parsed(&keys).map(|file| file.xattrs)
    };
    let longest = format!("user.{}", "x".repeat(250));
    for name in ["user.a", "trusted.a", "security.a", &longest] {
        let expected = BTreeMap::from([(name.as_bytes().to_vec(), b"v".to_vec())]);
        assert_eq!(attribute(name, "v").unwrap(), expected, "{name}");
    }
    let rule = "a name in `user.`, `trusted.` or `security.` of at most 255 bytes";
    let long = format!("{longest}x");
    for name in ["", "a", "user", "user.", "trusted.", "security.", "xuser.a", "system.a", &long] {
        let keys = format!("content = \"\"\nxattrs = {{ \"{name}\" = \"\" }}");
        refused(&keys, ".xattrs", name, rule);
    }
    let nul = "content = \"\"\nxattrs = { \"user.a\\u0000\" = \"\" }";
    refused(nul, ".xattrs", "user.a\0", rule);
}

#[test]
fn the_value_of_an_attribute_is_text_or_hex() {
    let value = |text: &str| {
        let keys = format!("content = \"\"\nxattrs = {{ \"user.a\" = \"{text}\" }}");
        parsed(&keys).map(|file| file.xattrs[&b"user.a"[..]].clone())
    };
    for (text, bytes) in
        [("", &b""[..]), ("0", b"0"), ("text", b"text"), ("0x", b""), ("0x00fF", b"\x00\xff")]
    {
        assert_eq!(value(text).unwrap(), bytes, "{text}");
    }
    for text in ["0x0", "0xzz", "0x 00"] {
        let keys = format!("content = \"\"\nxattrs = {{ \"user.a\" = \"{text}\" }}");
        refused(&keys, ".xattrs.`user.a`", text, "bytes in hex behind `0x`, or text");
    }
}

#[test]
fn capabilities_are_given_once() {
    let twice = "content = \"\"\ncapabilities = \"cap_kill+ep\"\n\
                 xattrs = { \"security.capability\" = \"0x00\" }";
    let rule = "the capabilities once: here, or as `security.capability` in `xattrs`";
    refused(twice, ".capabilities", "cap_kill+ep", rule);
    let other = "content = \"\"\ncapabilities = \"cap_kill+ep\"\nxattrs = { \"user.a\" = \"\" }";
    let names: Vec<_> = parsed(other).unwrap().xattrs.into_keys().collect();
    assert_eq!(names, [b"security.capability".to_vec(), b"user.a".to_vec()]);
    let error = parsed("content = \"\"\ncapabilities = \"cap_none\"").map(|_| ()).unwrap_err();
    assert!(
        matches!(error, DefinitionError::Invalid { key, .. } if key.ends_with(".capabilities"))
    );
}

/// One list names a path once; a variant may replace a file of the base, and its own list is looked at
/// under its own key.
#[test]
fn a_path_is_given_once_in_each_list() {
    let file =
        |table: &str, path: &str| format!("[[{table}]]\npath = \"{path}\"\ncontent = \"\"\n");
    let project = |tables: String| sample::project(&sample::text("", &tables)).unwrap();
    let key_of = |result: Result<Definition, DefinitionError>| {
        let error = result.map(|_| ()).unwrap_err();
        let DefinitionError::Invalid { key, found, expected, .. } = error else {
            panic!("{error:?}")
        };
        assert_eq!((found.as_str(), expected.as_str()), ("/a", "a path that is given once"));
        key
    };
    let base = project([file("files", "/a"), file("files", "/b"), file("files", "/a")].concat());
    assert_eq!(key_of(base.definition(None)), "files.path");
    let variant = [file("variant.v.files", "/a"), file("variant.v.files", "/a")].concat();
    let project_of_variant = project(variant);
    assert!(project_of_variant.definition(None).is_ok());
    assert_eq!(key_of(project_of_variant.definition(Some("v"))), "variant.v.files.path");
    let replaced = project([file("files", "/a"), file("variant.v.files", "/a")].concat());
    assert_eq!(replaced.definition(Some("v")).unwrap().files.len(), 2);
    // The base is looked at for a variant too.
    let both =
        project([file("files", "/a"), file("files", "/a"), file("variant.v.files", "/b")].concat());
    assert_eq!(key_of(both.definition(Some("v"))), "files.path");
}

#[test]
fn a_path_in_the_image_is_absolute_and_normal() {
    let path = |path: &str| {
        let tables = format!("[[files]]\npath = \"{path}\"\ncontent = \"\"");
        sample::project(&sample::text("", &tables)).unwrap().definition(None)
    };
    // linux/limits.h: NAME_MAX.
    let longest = format!("/{}", "x".repeat(255));
    for good in ["/a", "/a/b", "/...", "/a b", "/\u{e4}", &longest] {
        assert_eq!(path(good).unwrap().files[0].path, good[1..], "{good}");
    }
    for bad in [
        "",
        "/",
        "a",
        "//",
        "//a",
        "/a/",
        "/.",
        "/..",
        "/a/./b",
        "/a/../b",
        "/a//b",
        "/a\\u0000b",
        &format!("{longest}x"),
    ] {
        let error = path(bad).map(|_| ()).unwrap_err();
        let DefinitionError::Invalid { key, expected, .. } = &error else { panic!("{error:?}") };
        assert_eq!(key, "files.path", "{bad}");
        assert_eq!(expected, "an absolute path without `.`, `..` and empty names");
    }
}
