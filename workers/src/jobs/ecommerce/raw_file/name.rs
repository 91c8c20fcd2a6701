//! Names of raw files, of what lies beside them, and of the folders of their rows.

use sha2::{Digest, Sha256};

use super::super::table::SOURCE_FILE;

const SIDE: &str = ".status.json";
/// The longest name of a file or folder on Linux, in bytes.
const LOCAL_NAME_BYTES_MAX: usize = 255;
/// The longest name that leaves room for a side file's, and for what the store puts behind a name while it writes.
const KEPT_NAME_BYTES_MAX: usize = LOCAL_NAME_BYTES_MAX - SIDE.len() - 8;

/// Why a file cannot be the value of a partition in a file system.
pub(super) fn fault(name: &str) -> Option<String> {
    let bytes = SOURCE_FILE.len() + "=".len() + partition_bytes(name);
    (bytes > LOCAL_NAME_BYTES_MAX).then(|| {
        format!(
            "its name is too long: the folder of its rows would have a name of {bytes} bytes, {LOCAL_NAME_BYTES_MAX} are \
             possible; deliver it by a shorter name"
        )
    })
}

/// Bytes of a value in the name of a partition's folder: what is no letter, digit or one of `-._~` is escaped.
fn partition_bytes(value: &str) -> usize {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    value.bytes().map(|byte| if is_plain(byte) { 1 } else { 3 }).sum()
}

/// The name of a file's side file.
pub(super) fn side_file(name: &str) -> String {
    format!("{name}{SIDE}")
}

/// Whether this is the name of a side file whose file is not there.
pub(super) fn is_alone(name: &str, is_there: impl Fn(&str) -> bool) -> bool {
    name.strip_suffix(SIDE).is_some_and(|file| !is_there(file))
}

/// The name, or the beginning of one that is too long to be kept with a side file, and a mark that tells it from others.
pub(super) fn kept(name: &str) -> String {
    let file = name.rsplit('/').next().unwrap_or(name);
    if file.len() <= KEPT_NAME_BYTES_MAX {
        return name.to_owned();
    }
    let mark = format!("~{}", hex::encode(&Sha256::digest(name)[..8]));
    let end = name.len() - file.len() + KEPT_NAME_BYTES_MAX - mark.len();
    format!("{}{mark}", &name[..name.floor_char_boundary(end)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_as_far_as_there_is_room_for_a_side_file() {
        let nested = format!("{}/{}.csv", "d".repeat(200), "x".repeat(100));
        for name in ["a.csv".to_owned(), "x".repeat(235), nested] {
            assert_eq!(kept(&name), name);
        }
        let long = |end: &str| format!("d/{}{end}", "ü".repeat(120));
        for name in [long("1.csv"), long("2.csv"), "x".repeat(255)] {
            let kept = kept(&name);
            let file = side_file(&kept).rsplit('/').next().unwrap().len();
            assert!((LOCAL_NAME_BYTES_MAX - 9..LOCAL_NAME_BYTES_MAX - 7).contains(&file), "{kept}: {file}");
            assert!(name.starts_with(kept.split_once('~').unwrap().0));
        }
        assert_ne!(kept(&long("1.csv")), kept(&long("2.csv")));
    }

    #[test]
    fn a_value_takes_three_bytes_for_each_that_is_escaped() {
        assert_eq!(["a-b.csv", "a b", "ü", "a/b"].map(partition_bytes), [7, 5, 6, 5]);
    }
}
