//! `stepwell validate` over what the repository ships, and over what it should find.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::{STEPWELL, root};

fn files(folder: &Path, suffix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.to_str().unwrap().ends_with(suffix)).collect();
    found.sort();
    found
}

fn validate(files: &[PathBuf]) -> (Output, String) {
    let output = Command::new(STEPWELL).arg("validate").args(files).output().unwrap();
    let told = String::from_utf8(output.stdout.clone()).unwrap();
    (output, told)
}

#[test]
fn every_state_machine_and_sheet_of_the_repository_is_valid() {
    let folder = root().join("state-machines");
    let (machines, sheets) = (files(&folder, ".asl.json"), files(&folder, ".toml"));
    assert!(machines.len() >= 7, "{machines:?}");
    let (output, told) = validate(&machines);
    assert!(output.status.success(), "{told}{}", String::from_utf8_lossy(&output.stderr));
    // A warning would be a line of its own.
    let expected = machines.len() + sheets.len();
    assert_eq!(told.lines().filter(|line| line.ends_with(": valid")).count(), expected, "{told}");
    assert_eq!(told.lines().count(), expected, "{told}");
    for sheet in sheets {
        let machine = PathBuf::from(sheet.to_str().unwrap().replace(".toml", ".asl.json"));
        assert!(machines.contains(&machine), "{} has no state machine {}", sheet.display(), machine.display());
    }
}

#[test]
fn a_machine_or_sheet_with_a_fault_is_named_and_the_command_fails() {
    let place = tempfile::tempdir().unwrap();
    let machine = place.path().join("broken.asl.json");
    std::fs::write(&machine, r#"{"StartAt": "A", "States": {"B": {"Type": "Pass", "Next": "C"}}}"#).unwrap();
    let (output, told) = validate(std::slice::from_ref(&machine));
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("broken.asl.json: ") && told.contains("/States/B/Next"), "{told}");

    std::fs::write(&machine, r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}"#).unwrap();
    std::fs::write(place.path().join("broken.toml"), "description = 5\n").unwrap();
    let (output, told) = validate(&[machine]);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("broken.toml") && told.contains("description"), "{told}");
}
