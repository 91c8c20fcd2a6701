//! Recorded behaviour: the histories of the real service. They are right, the interpreter adapts.
//!
//! Every case is driven step by step, and before every stimulus the execution is rebuilt from its serialised events; both
//! must decide the same. See `cases/README.md` for where the recordings come from.

mod support;

use std::path::{Path, PathBuf};

use support::case::Case;

fn cases(folder: &Path) -> Vec<PathBuf> {
    let mut cases = Vec::new();
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("a folder of cases can be listed").path();
        if path.is_dir() {
            cases.extend(self::cases(&path));
        } else if path.extension().is_some_and(|extension| extension == "json") {
            cases.push(path);
        }
    }
    cases.sort();
    cases
}

#[test]
fn executions_go_as_the_service_recorded_them() {
    let paths = cases(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/recorded"));
    assert!(paths.len() >= 60, "only {} recordings were found", paths.len());
    let mut differences = Vec::new();
    for path in &paths {
        let case = Case::load(path);
        let agreement = case.run();
        for difference in [agreement.outcome, agreement.types, agreement.events].into_iter().flatten() {
            differences.push(format!("{}: {difference}", case.name));
        }
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}
