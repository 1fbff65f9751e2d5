use canon_digest::{ChainHead, Digest, ParseDigestError, sha256};

#[test]
fn a_digest_is_written_and_read_as_hexadecimal() {
    let digest = sha256("abc");
    let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(digest.to_string(), text);
    assert_eq!(text.parse(), Ok(digest));
    assert_eq!(serde_json::to_value(digest).unwrap(), text);
    assert_eq!(serde_json::from_value::<Digest>(text.into()).unwrap(), digest);
}

#[test]
fn what_is_no_digest_is_refused() {
    let parse = |text: &str| text.parse::<Digest>().unwrap_err();
    assert_eq!(parse("ba78"), ParseDigestError::Length(4));
    assert_eq!(parse(&"A".repeat(64)), ParseDigestError::Digit(0));
    assert_eq!(parse(&format!("{}g", "0".repeat(63))), ParseDigestError::Digit(63));
    assert_eq!(parse(&"é".repeat(32)), ParseDigestError::Digit(0));
}

#[test]
fn a_head_depends_on_every_record_and_their_order() {
    let (a, b) = (sha256("a"), sha256("b"));
    let head = |records: &[Digest]| {
        records.iter().fold(ChainHead::EMPTY, |head, record| head.extend(*record))
    };
    assert_eq!(head(&[a, b]), head(&[a]).extend(b));
    let all = [head(&[]), head(&[a]), head(&[b]), head(&[a, b]), head(&[b, a]), head(&[a, a])];
    for (at, one) in all.iter().enumerate() {
        assert!(!all[at + 1..].contains(one), "two histories share a head");
    }
    // The form is part of what stored ledgers rely on.
    let mut link = b"canon.chain.v1\0".to_vec();
    link.extend([0; 32]);
    link.extend(a.as_bytes());
    assert_eq!(head(&[a]).digest(), sha256(link));
}
