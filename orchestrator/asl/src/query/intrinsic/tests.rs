//! Tables of calls.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::query::testing::Scene;

fn evaluate(text: &str, scene: &Scene) -> Result<Value, EvalError> {
    Call::parse(text).unwrap_or_else(|why| panic!("{text}: {why}")).evaluate(text, &scene.data())
}

#[test]
fn calls_have_these_values() {
    let mut scene = Scene::on(json!({
        "n": 3, "f": 2.5, "s": "a b", "list": [1, 2, 2, 1.0, "x"], "o": {"k": [1, null]}, "t": "n={}", "nul": null,
    }));
    scene.context = json!({"Execution": {"Name": "e-1"}});
    scene.set("bias", json!(10));
    for (text, expected) in [
        ("States.Format('plain')", json!("plain")),
        ("States.Format('{} and {}', $.s, $.f)", json!("a b and 2.5")),
        ("States.Format($.t, $.n)", json!("n=3")),
        (r"States.Format('it\'s \{\} {} \\', true)", json!(r"it's {} true \")),
        ("States.Format('{}', $.nul)", json!("null")),
        ("States.Format('{}', $.o)", json!("{k=[1, null]}")),
        ("States.Format('{}, ({})', 'a,)', $$.Execution.Name)", json!("a,), (e-1)")),
        ("States.MathAdd( $.n ,$bias )", json!(13)),
        ("States.MathAdd(-1.5, 2147483647)", json!(2147483646)),
        ("States.Array()", json!([])),
        ("States.Array(1, 1.0, null, 'x', $.list[?(@ == 'x')])", json!([1, 1.0, null, "x", ["x"]])),
        ("States.ArrayPartition($.list, 1.6)", json!([[1, 2], [2, 1.0], ["x"]])),
        ("States.ArrayContains($.list, 'x')", json!(true)),
        ("States.ArrayContains($.list, 3)", json!(false)),
        ("States.ArrayRange(1, 9, 2)", json!([1, 3, 5, 7, 9])),
        ("States.ArrayRange(3, -3, -3)", json!([3, 0, -3])),
        ("States.ArrayRange(3, 9, -1)", json!([])),
        ("States.ArrayRange(0.5, 2.4, 1)", json!([1, 2])),
        ("States.ArrayGetItem($.list, 4)", json!("x")),
        ("States.ArrayLength($.no[*])", json!(0)),
        ("States.ArrayUnique($.list)", json!([1, 2, 1.0, "x"])),
        (
            "States.ArrayUnique(States.StringToJson('[{\"a\":1,\"b\":2},{\"b\":2,\"a\":1},{\"a\":1}]'))",
            json!([{"a": 1, "b": 2}, {"a": 1}]),
        ),
        ("States.StringToJson('')", json!(null)),
        ("States.StringToJson('{\"a\":1.50}')", json!({"a": 1.5})),
        ("States.JsonToString($.o)", json!(r#"{"k":[1,null]}"#)),
        ("States.JsonMerge($.o, States.StringToJson('{\"k\":1,\"l\":2}'), false)", json!({"k": 1, "l": 2})),
        ("States.Base64Decode(States.Base64Encode('ü'))", json!("ü")),
        ("States.Hash('input data', 'MD5')", json!("812f45842bc6d66ee14572ce20db8e86")),
        ("States.Hash($.o, 'SHA-1')", json!(encoding::digest(r#"{"k":[1,null]}"#, "SHA-1"))),
        ("States.StringSplit('This.is+a,test=string', '.+,=')", json!(["This", "is", "a", "test", "string"])),
        ("States.StringSplit('ab', '')", json!(["ab"])),
    ] {
        assert_eq!(evaluate(text, &scene), Ok(expected), "{text}");
    }
}

#[test]
fn random_numbers_stay_in_their_range_and_follow_their_seed() {
    let scene = Scene::on(json!({}));
    for _ in 0..200 {
        let number = evaluate("States.MathRandom(-2, 3)", &scene).unwrap().as_i64().unwrap();
        assert!((-2..3).contains(&number), "{number}");
    }
    let seeded = |text| evaluate(text, &scene).unwrap();
    assert_eq!(seeded("States.MathRandom(0, 1000000, 5)"), seeded("States.MathRandom(0, 1000000, 5)"));
    assert_ne!(seeded("States.MathRandom(0, 1000000, 5)"), seeded("States.MathRandom(0, 1000000, 6)"));
    assert_ne!(seeded("States.UUID()"), seeded("States.UUID()"));
}

#[test]
fn bad_arguments_name_the_function_and_the_whole_expression() {
    let scene = Scene::on(json!({"s": "x", "a": [1]}));
    for (text, function) in [
        ("States.MathAdd($.s, 1)", "States.MathAdd"),
        ("States.MathAdd(2147483647, 1)", "States.MathAdd"),
        ("States.MathAdd(3000000000, 1)", "States.MathAdd"),
        ("States.Format('{}')", "States.Format"),
        ("States.Format('{', 1)", "States.Format"),
        ("States.Format('', 1)", "States.Format"),
        ("States.Format(1)", "States.Format"),
        ("States.ArrayPartition($.a, 0)", "States.ArrayPartition"),
        ("States.ArrayPartition($.a, -1)", "States.ArrayPartition"),
        ("States.ArrayPartition($.s, 1)", "States.ArrayPartition"),
        ("States.ArrayRange(1, 2, 0)", "States.ArrayRange"),
        ("States.ArrayRange(1, 1001, 1)", "States.ArrayRange"),
        ("States.ArrayRange(-9223372036854775808, 9223372036854775807, 1)", "States.ArrayRange"),
        ("States.ArrayGetItem($.a, 1)", "States.ArrayGetItem"),
        ("States.ArrayGetItem($.a, -1)", "States.ArrayGetItem"),
        ("States.StringToJson('{')", "States.StringToJson"),
        ("States.Base64Decode('*')", "States.Base64Decode"),
        ("States.Hash('x', 'sha-1')", "States.Hash"),
        ("States.JsonMerge($, $, true)", "States.JsonMerge"),
        ("States.JsonMerge($, $.a, false)", "States.JsonMerge"),
        ("States.MathRandom(5, 5)", "States.MathRandom"),
        ("States.StringSplit($.a, ',')", "States.StringSplit"),
        ("States.Array(States.ArrayLength($.s))", "States.ArrayLength"),
    ] {
        let error = evaluate(text, &scene).unwrap_err();
        assert_eq!(error.error, "States.Runtime", "{text}");
        let start = format!("The function '{text}' had the following error: Invalid arguments in {function}");
        assert!(error.cause.starts_with(&start), "{text}: {}", error.cause);
    }
}

#[test]
fn long_texts_are_refused() {
    let scene = Scene::on(json!({"ok": "ü".repeat(10_000), "long": "ü".repeat(10_001)}));
    assert!(evaluate("States.Hash($.ok, 'MD5')", &scene).is_ok());
    for text in ["States.Hash($.long, 'MD5')", "States.Base64Encode($.long)", "States.Base64Decode($.long)"] {
        assert!(evaluate(text, &scene).is_err(), "{text}");
    }
}

#[test]
fn missing_argument_is_named_with_the_input() {
    let scene = Scene::on(json!({"other": 1}));
    for (text, path) in [
        ("States.Format('{}', $.nope)", "$.nope"),
        ("States.Format('{}',States.Format('{}',  $.nope.x))", "$.nope.x"),
        ("States.Format($.nope, 1)", "$.nope"),
        ("States.Format('{}', $$.Nope.Deep)", "$.Nope.Deep"),
    ] {
        let error = evaluate(text, &scene).unwrap_err();
        assert_eq!(error.error, "States.Runtime");
        assert_eq!(
            error.cause,
            format!(
                "The function '{text}' had the following error: The JsonPath argument for the field '{path}' could \
                 not be found in the input '{{\"other\":1}}'"
            )
        );
    }
}

#[test]
fn malformed_calls_are_refused() {
    for text in [
        "",
        "States",
        "States.Nope()",
        "States.UUID",
        "States.UUID(",
        "States.UUID(1)",
        "States.UUID() ,",
        "states.UUID()",
        "States.Format()",
        "States.Format(",
        "States.Format('a",
        "States.Format('a' 'b')",
        "States.Format(,)",
        "States.Format('a',)",
        "States.MathAdd(1)",
        "States.MathAdd(1, 2, 3)",
        "States.MathAdd(+1, 2)",
        "States.MathAdd(1 2)",
        r"States.Format('\n')",
        r"States.StringToJson('{\x}')",
        "States.Format(\"a\")",
        "States.Array($.a b)",
        "States.Array($.a[)",
        "States.Array(undefined)",
    ] {
        assert!(Call::parse(text).is_err(), "{text}");
    }
}

#[test]
fn at_most_ten_calls_are_nested() {
    let nested = |inner: usize| "States.Array(".repeat(inner) + "States.UUID()" + &")".repeat(inner);
    assert!(Call::parse(&nested(10)).is_ok());
    assert!(Call::parse(&nested(11)).is_err());
    assert!(Call::parse(&nested(100_000)).is_err());
}

proptest! {
    #[test]
    fn parsing_never_panics(text in r"(States\.(Format|Array|MathAdd)\()?[-$'{}\\(),.\[\] a-z0-9]{0,30}\)?") {
        let _ = Call::parse(&text);
    }

    #[test]
    fn quoted_text_comes_back(text in "[^'\\\\{}]{0,20}") {
        let scene = Scene::on(json!({}));
        prop_assert_eq!(evaluate(&format!("States.Format('{text}')"), &scene), Ok(json!(text)));
    }
}
