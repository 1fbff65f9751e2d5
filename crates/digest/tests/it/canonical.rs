use canon_digest::{CanonicalError, MAX_DEPTH, canonical};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn text(value: &Value) -> String {
    String::from_utf8(canonical(value).unwrap()).unwrap()
}

/// RFC 8785, §3.2.2 and §3.2.3.
#[test]
fn the_example_of_the_standard() {
    let value: Value = serde_json::from_str(
        r#"{
          "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
          "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
          "literals": [null, true, false]
        }"#,
    )
    .unwrap();
    let expected = r#"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}"#;
    assert_eq!(text(&value), expected);
}

/// RFC 8785, §3.2.3: UTF-16 code units, in which an emoji sorts before U+FB33.
#[test]
fn members_are_sorted_by_utf_16() {
    let keys = ["\u{20ac}", "\r", "\u{fb33}", "1", "\u{1f600}", "\u{80}", "\u{f6}"];
    let value: Value =
        keys.iter().map(|key| ((*key).to_owned(), Value::Null)).collect::<Map<_, _>>().into();
    let sorted = ["\\r", "1", "\u{80}", "\u{f6}", "\u{20ac}", "\u{1f600}", "\u{fb33}"];
    let expected: Vec<_> = sorted.iter().map(|key| format!("\"{key}\":null")).collect();
    assert_eq!(text(&value), format!("{{{}}}", expected.join(",")));
}

/// RFC 8785, appendix B.
#[test]
fn numbers_as_in_the_appendix() {
    for (bits, expected) in [
        (0x0000_0000_0000_0000, "0"),
        (0x8000_0000_0000_0000, "0"),
        (0x0000_0000_0000_0001, "5e-324"),
        (0x8000_0000_0000_0001, "-5e-324"),
        (0x7fef_ffff_ffff_ffff, "1.7976931348623157e+308"),
        (0xffef_ffff_ffff_ffff, "-1.7976931348623157e+308"),
        (0x4340_0000_0000_0000, "9007199254740992"),
        (0xc340_0000_0000_0000, "-9007199254740992"),
        (0x4430_0000_0000_0000, "295147905179352830000"),
        (0x44b5_2d02_c7e1_4af5, "9.999999999999997e+22"),
        (0x44b5_2d02_c7e1_4af6, "1e+23"),
        (0x44b5_2d02_c7e1_4af7, "1.0000000000000001e+23"),
        (0x444b_1ae4_d6e2_ef4e, "999999999999999700000"),
        (0x444b_1ae4_d6e2_ef4f, "999999999999999900000"),
        (0x444b_1ae4_d6e2_ef50, "1e+21"),
        (0x3eb0_c6f7_a0b5_ed8c, "9.999999999999997e-7"),
        (0x3eb0_c6f7_a0b5_ed8d, "0.000001"),
        (0x41b3_de43_5555_5553, "333333333.3333332"),
        (0x41b3_de43_5555_5557, "333333333.33333343"),
        (0xbecb_f647_612f_3696, "-0.0000033333333333333333"),
        (0x4314_3ff3_c1cb_0959, "1424953923781206.2"),
    ] {
        assert_eq!(text(&json!(f64::from_bits(bits))), expected, "{bits:016x}");
    }
}

#[test]
fn integers_that_would_change_are_refused_by_path() {
    let edge = (1_i64 << 53) - 1;
    assert_eq!(text(&json!([edge, -edge])), "[9007199254740991,-9007199254740991]");
    for number in [json!(edge + 1), json!(-edge - 1), json!(u64::MAX), json!(i64::MIN)] {
        let value = json!({"a/b": [0, {"c~": number}]});
        match canonical(&value).unwrap_err() {
            CanonicalError::Number { path, number: shown } => {
                assert_eq!((path.as_str(), shown), ("/a~1b/1/c~0", number.to_string()));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn nesting_ends_in_an_error_and_not_in_a_crash() {
    let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!([inner]));
    assert!(canonical(&nested(MAX_DEPTH)).is_ok());
    assert!(matches!(canonical(&nested(MAX_DEPTH + 1)), Err(CanonicalError::Depth)));
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-(1_i64 << 53) + 1..1_i64 << 53).prop_map(Value::from),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((any::<String>(), inner), 0..8)
                .prop_map(|members| Value::from(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn reversed(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .rev()
            .map(|(key, member)| (key.clone(), reversed(member)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(reversed).collect::<Vec<_>>().into(),
        other => other.clone(),
    }
}

proptest! {
    #[test]
    fn canonical_bytes_are_their_own_canonical_form(value in any_value()) {
        let bytes = canonical(&value).unwrap();
        // A double beyond 2^53 comes back as an integer when it is written without a fraction: then it is refused.
        let back: Value = serde_json::from_slice(&bytes).unwrap();
        match canonical(&back) {
            Ok(again) => prop_assert_eq!(again, bytes),
            Err(error) => prop_assert!(matches!(error, CanonicalError::Number { .. }), "{error}"),
        }
    }

    #[test]
    fn the_order_of_members_does_not_matter(value in any_value()) {
        prop_assert_eq!(canonical(&reversed(&value)).unwrap(), canonical(&value).unwrap());
    }
}
