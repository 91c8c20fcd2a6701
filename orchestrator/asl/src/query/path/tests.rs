//! Tables of paths and what they select.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::query::testing::Scene;

#[track_caller]
fn check(input: &Value, cases: &[(&str, Value)]) {
    let scene = Scene::on(input.clone());
    for (text, expected) in cases {
        let path = Path::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        assert_eq!(path.evaluate("InputPath", &scene.data()).as_ref(), Ok(expected), "{text}");
    }
}

#[test]
fn definite_paths_select_one_value() {
    let input = json!({"a": {"b c": [1, 2.0, {"x-y": null}]}, "sub-values": "s"});
    check(
        &input,
        &[
            ("$", input.clone()),
            ("$.a['b c'][0]", json!(1)),
            ("$['a'][\"b c\"][1]", json!(2.0)),
            ("$.a['b c'][-1].x-y", json!(null)),
            ("$.sub-values", json!("s")),
            ("$['a', 'sub-values']", json!({"a": input["a"], "sub-values": "s"})),
        ],
    );
}

#[test]
fn indefinite_paths_select_an_array() {
    let input = json!({"items": [{"n": 1, "t": ["p"]}, {"n": 2, "t": []}, {"m": 3}], "n": 9});
    check(
        &input,
        &[
            ("$.items[*].n", json!([1, 2])),
            ("$.items[:1]", json!([{"n": 1, "t": ["p"]}])),
            ("$.items[1:].n", json!([2])),
            ("$.items[-1:].m", json!([3])),
            ("$.items[1:50].n", json!([2])),
            ("$.items[7:9]", json!([])),
            ("$.items[0:3:2].n", json!([1])),
            ("$.items[0, 1].n", json!([1, 2])),
            ("$..n", json!([9, 1, 2])),
            ("$.items[0]['n', 't']", json!({"n": 1, "t": ["p"]})),
            ("$.items[*]['n', 't'].length", json!([])),
            ("$.items[0].*", json!([1, ["p"]])),
            ("$..t[0]", json!(["p"])),
        ],
    );
}

#[test]
fn filters_select_what_passes() {
    let input = json!({
        "books": [
            {"title": "Sayings", "price": 8.95, "tags": ["a", "b"], "by": {"name": "Rees"}},
            {"title": "Sword", "price": 12, "tags": []},
            {"title": "Moby Dick", "price": 8.95, "isbn": "0-553"},
        ],
        "limit": 10,
        "wanted": ["Sword", "Moby Dick"],
    });
    let titles = |titles: &[&str]| json!(titles);
    check(
        &input,
        &[
            ("$.books[?(@.price < 10)].title", titles(&["Sayings", "Moby Dick"])),
            ("$.books[?(@.price < $.limit && @.isbn)].title", titles(&["Moby Dick"])),
            ("$.books[?(@.price == 12.0 || @.by.name == 'Rees')].title", titles(&["Sayings", "Sword"])),
            ("$.books[?(!(@.isbn))].title", titles(&["Sayings", "Sword"])),
            ("$.books[?(!@.isbn)].title", titles(&["Sayings", "Sword"])),
            ("$.books[?(@.isbn == null)].title", titles(&[])),
            ("$.books[?(@.isbn != '0-553')].title", titles(&["Sayings", "Sword"])),
            ("$.books[?(@.title =~ /S.*/)].title", titles(&["Sayings", "Sword"])),
            ("$.books[?(@.title =~ /moby/i)].title", titles(&[])),
            ("$.books[?(@.title =~ /moby.*/i)].title", titles(&["Moby Dick"])),
            ("$.books[?(@.title in ['Sword', \"x\"])].title", titles(&["Sword"])),
            ("$.books[?(@.title in $.wanted)].title", titles(&["Sword", "Moby Dick"])),
            ("$.books[?(@.title nin $.wanted)].title", titles(&["Sayings"])),
            ("$.books[?(@.tags size 2)].title", titles(&["Sayings"])),
            ("$.books[?(@.tags empty true)].title", titles(&["Sword"])),
            ("$.books[?(@.tags empty false)].title", titles(&["Sayings"])),
            ("$.books[?(@.tags contains 'a')].title", titles(&["Sayings"])),
            ("$.books[?(@.tags subsetof ['a', 'b', 'c'])].title", titles(&["Sayings", "Sword"])),
            ("$.books[?(@.title >= 'Sw')].title", titles(&["Sword"])),
            // An index behind a filter is the index into each match.
            ("$.books[?(@.price > 1)].tags[0]", titles(&["a"])),
            ("$.books[?(@.price > 1)][0]", titles(&[])),
        ],
    );
}

#[test]
fn messages_of_missing_values_are_jayways() {
    let scene = Scene::on(json!({"a": {"s": "text", "n": null, "items": [1]}}));
    for (text, why) in [
        ("$.no", "No results for path: $['no']"),
        ("$.no.such.path", "Missing property in path $['no']"),
        ("$.a.no.more", "Missing property in path $['a']['no']"),
        ("$.a.items[3]", "No results for path: $['a']['items'][3]"),
        ("$.a.n[0]", "The path $['a']['n'] is null"),
        ("$.a.s[0]", "Filter: [0] can only be applied to arrays. Current context is: text"),
        (
            "$.a.s.t",
            "Expected to find an object with property ['t'] in path $['a']['s'] but found 'java.lang.String'. This is \
             not a json object according to the JsonProvider: 'com.jayway.jsonpath.spi.json.JacksonJsonProvider'.",
        ),
        ("$.no[*]", "Missing property in path $['no']"),
    ] {
        let error = Path::parse(text).unwrap().evaluate("OutputPath", &scene.data()).unwrap_err();
        assert_eq!(error.error, "States.Runtime");
        assert_eq!(error.cause, format!("Invalid path '{text}' : {why}"));
    }
    let error = Path::parse("$.no").unwrap().evaluate("SecondsPath", &scene.data()).unwrap_err();
    assert_eq!(error.cause, "The SecondsPath parameter does not reference an input value: $.no");
}

#[test]
fn templates_are_lenient_with_indefinite_paths_and_indexes() {
    let scene = Scene::on(json!({"items": [1]}));
    for (text, expected) in [
        ("$.no.items[*]", Some(json!([]))),
        ("$.no[1:5].x", Some(json!([]))),
        ("$.items[7]", Some(json!(null))),
        ("$.items[7].x", None),
        ("$.no[0]", None),
        ("$.no", None),
        ("$unset[*]", None),
    ] {
        assert_eq!(Path::parse(text).unwrap().select_in_template(&scene.data()).ok(), expected, "{text}");
    }
}

#[test]
fn roots_are_input_context_and_variables() {
    let mut scene = Scene::on(json!({"a": 1}));
    scene.context = json!({"State": {"Name": "S"}});
    scene.set("x", json!({"y": [5]}));
    for (text, expected) in
        [("$.a", json!(1)), ("$$.State.Name", json!("S")), ("$x.y[0]", json!(5)), ("$x", json!({"y": [5]}))]
    {
        assert_eq!(Path::parse(text).unwrap().evaluate("InputPath", &scene.data()), Ok(expected), "{text}");
    }
    assert!(Path::parse("$unset").unwrap().evaluate("InputPath", &scene.data()).is_err());
    assert_eq!(Path::parse("$x.y").unwrap().variable(), Some("x"));
    assert_eq!(Path::parse("$.x").unwrap().variable(), None);
}

#[test]
fn inner_scope_hides_the_outer() {
    let mut scene = Scene::on(json!({}));
    scene.set("x", json!("inner"));
    scene.outer.insert("x".to_owned(), json!("outer"));
    scene.outer.insert("y".to_owned(), json!("outer"));
    for (text, expected) in [("$x", "inner"), ("$y", "outer")] {
        assert_eq!(Path::parse(text).unwrap().evaluate("InputPath", &scene.data()), Ok(json!(expected)), "{text}");
    }
}

#[test]
fn definiteness_follows_the_steps() {
    for (text, definite) in [
        ("$", true),
        ("$.a.b[0]", true),
        ("$.a[-1]", true),
        ("$['a','b']", true),
        ("$['a','b'].c", false),
        ("$.a[*]", false),
        ("$.a[0,1]", false),
        ("$.a[0:1]", false),
        ("$..a", false),
        ("$.a[?(@.b)]", false),
    ] {
        assert_eq!(Path::parse(text).unwrap().is_definite(), definite, "{text}");
    }
}

#[test]
fn malformed_paths_are_refused() {
    for text in [
        "",
        "a",
        "a.b",
        " $",
        "$.",
        "$..",
        "$.a.",
        "$a b",
        "$.a b",
        "$[",
        "$[]",
        "$['a",
        "$['a'",
        "$[?]",
        "$[?()]",
        "$[?(@.a ==)]",
        "$[?(1)]",
        "$[?(@.a =~ /(/)]",
        "$[0:1:0]",
        "$[0:1:-1]",
        "$.a.length()",
        "$[99999999999999999999]",
        "$.a[?(@.b in [1)]",
        "$.a)",
    ] {
        assert!(Path::parse(text).is_err(), "{text}");
    }
}

#[test]
fn deep_nesting_is_refused_rather_than_overflowing() {
    let open = "$[?(".to_owned() + &"(".repeat(10_000);
    assert!(Path::parse(&open).is_err());
    assert!(Path::parse(&("$[?(".to_owned() + &"!".repeat(10_000))).is_err());
    assert!(Path::parse(&"$[?(@".repeat(10_000)).is_err());
}

#[test]
fn an_exploding_path_is_cut() {
    let row = json!(vec![1; 200]);
    let scene = Scene::on(json!(vec![row; 200]));
    let path = Path::parse("$..[*]..[?(@ == $..[*])]..[*]").unwrap();
    let error = path.evaluate("InputPath", &scene.data()).unwrap_err();
    assert!(error.cause.contains("looks at more than"), "{}", error.cause);
}

proptest! {
    #[test]
    fn parsing_never_panics(text in r"[$@.\[\]()?!&|=~<>*,:'/ a-c0-9\\{}-]{0,40}") {
        let _ = Path::parse(&text);
        let _ = Path::parse(&format!("${text}"));
        let _ = Path::parse(&format!("$[?(@.{text})]"));
    }

    #[test]
    fn parsing_any_text_never_panics(text in ".*") {
        let _ = Path::parse(&text);
    }
}
