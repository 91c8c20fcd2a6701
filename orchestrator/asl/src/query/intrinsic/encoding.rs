//! `States.Base64Encode`, `States.Base64Decode`, `States.Hash`.

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;
use sha2::Digest as _;

use super::{Outcome, string};

/// Characters these functions take. Source: Step Functions developer guide, "Intrinsics for data encoding".
const CHARACTERS_MAX: usize = 10_000;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

fn short(text: &str) -> Result<&str, &'static str> {
    match text.chars().nth(CHARACTERS_MAX) {
        None => Ok(text),
        Some(_) => Err("the string must not have more than 10000 characters"),
    }
}

/// `States.Base64Encode`: of the UTF-8 bytes.
pub(super) fn base64_encode(arguments: &[Value]) -> Outcome {
    Ok(Value::String(BASE64.encode(short(string(&arguments[0])?)?)))
}

/// `States.Base64Decode`: bytes that are not UTF-8 become replacement characters.
pub(super) fn base64_decode(arguments: &[Value]) -> Outcome {
    let bytes = BASE64.decode(short(string(&arguments[0])?)?).map_err(|_| "the string is not valid Base64")?;
    Ok(Value::String(String::from_utf8_lossy(&bytes).into_owned()))
}

/// `States.Hash`: of the UTF-8 bytes of a string, of the JSON text of anything else.
pub(super) fn hash(arguments: &[Value]) -> Outcome {
    let json;
    let data = match &arguments[0] {
        Value::String(text) => text,
        other => {
            json = other.to_string();
            &json
        }
    };
    let digest = digest(short(data)?, string(&arguments[1])?);
    digest.map(Value::String).ok_or("the algorithm must be one of MD5, SHA-1, SHA-256, SHA-384, SHA-512")
}

/// The digest in lower-case hexadecimal; `None` for an unknown algorithm.
pub(in crate::query) fn digest(data: &str, algorithm: &str) -> Option<String> {
    Some(match algorithm {
        "MD5" => hex::encode(md5::Md5::digest(data)),
        "SHA-1" => hex::encode(sha1::Sha1::digest(data)),
        "SHA-256" => hex::encode(sha2::Sha256::digest(data)),
        "SHA-384" => hex::encode(sha2::Sha384::digest(data)),
        "SHA-512" => hex::encode(sha2::Sha512::digest(data)),
        _ => return None,
    })
}
