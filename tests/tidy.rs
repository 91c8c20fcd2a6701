//! What the layout promises, read from the sources: which way dependencies point, where SQL may stand, how long a file
//! grows, that the two dialects change together, that the documents tell of things that exist.
//!
//! The arrows are those of `docs/architecture.md`. A test here fails with the file and what to do about it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Lines of a source file; beyond that it holds two topics.
const LINES_MAX: usize = 450;

/// Modules of `orchestrator` from the bottom up; a module names its own layer and those below. Modules that are not listed
/// (configuration, the server that ties all together) are on top.
const LAYERS: [&[&str]; 4] =
    [&["store"], &["engine"], &["integration", "pipeline", "alert", "telemetry"], &["api", "dashboard"]];

/// Packages a package must never depend on, besides what it does not list.
const FORBIDDEN: [(&str, &[&str]); 5] = [
    (
        "orchestrator/asl",
        &[
            "tokio",
            "sqlx",
            "axum",
            "reqwest",
            "futures",
            "tracing",
            "object_store",
            "polars",
            "aws-config",
            "aws",
            "protocol",
            "orchestrator",
            "workers",
        ],
    ),
    ("orchestrator/protocol", &["asl", "aws", "orchestrator", "workers", "tokio", "sqlx", "axum"]),
    ("orchestrator/aws", &["asl", "protocol", "orchestrator", "workers", "sqlx", "axum"]),
    ("orchestrator", &["workers", "polars", "object_store"]),
    ("workers", &["asl", "aws", "orchestrator", "sqlx"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

/// The path as it is written in messages and lists: from the repository's root, with slashes.
fn name(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

/// Every file under `folder` with this extension. Hidden folders and build output are not ours.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("a folder being read").path();
            let last = path.file_name().expect("entries have names").to_string_lossy().into_owned();
            if path.is_dir() {
                if !last.starts_with('.') && last != "target" && last != "node_modules" {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The text without comment lines, which may name anything.
fn code(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn identifier(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// The top-level modules of its own crate that a file names: `crate::x`, `use crate::{x, y::z}`.
fn own_modules(code: &str) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    for (at, path) in code.match_indices("crate::") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &code[at + path.len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0_usize;
            let mut first = true;
            for (at, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => first = true,
                    c if depth == 0 && first && !c.is_whitespace() => {
                        found.insert(identifier(&group[at..]));
                        first = false;
                    }
                    _ => {}
                }
            }
        } else if !rest[identifier(rest).len()..].starts_with('!') {
            found.insert(identifier(rest));
        }
    }
    found.retain(|name| name.starts_with(char::is_lowercase));
    found
}

fn layer(module: &str) -> usize {
    LAYERS.iter().position(|layer| layer.contains(&module)).unwrap_or(LAYERS.len())
}

#[test]
fn modules_are_read_from_paths_and_groups() {
    let code =
        "use crate::store::{Commit, Store};\nuse crate::{api, engine::{Clock, Engine}};\ncrate::made!(x); $crate::y";
    assert_eq!(own_modules(code), BTreeSet::from(["api", "engine", "store"]));
}

#[test]
fn no_module_of_the_orchestrator_names_a_layer_above_it() {
    let sources = root().join("orchestrator/src");
    for path in files(&sources, "rs") {
        let inside = name(&path).trim_start_matches("orchestrator/src/").to_owned();
        let module = inside.split(['/', '.']).next().expect("split gives one at least");
        let text = code(&read(&path));
        for named in own_modules(&text).into_iter().filter(|named| *named != module) {
            // Only files and folders are modules; re-exported types of the library's root are not.
            if !sources.join(named).is_dir() && !sources.join(format!("{named}.rs")).is_file() {
                continue;
            }
            assert!(
                layer(named) <= layer(module),
                "{} names `crate::{named}`, which stands above `{module}`: pass the value or a trait down instead",
                name(&path)
            );
            let pair = (module, named);
            assert!(
                pair != ("api", "dashboard") && pair != ("dashboard", "api"),
                "{} names `crate::{named}`: API and pages render what the layers below decide, apart from each other",
                name(&path)
            );
        }
    }
}

#[test]
fn only_the_store_names_sqlx() {
    for folder in ["src", "orchestrator", "workers", "tests"] {
        for path in files(&root().join(folder), "rs") {
            let allowed = name(&path).starts_with("orchestrator/src/store/") || name(&path) == "tests/tidy.rs";
            assert!(
                allowed || !code(&read(&path)).contains("sqlx"),
                "{} names sqlx: add a function to the store instead",
                name(&path)
            );
        }
    }
}

/// The names in the `[dependencies]` of a manifest; development dependencies are the tests' business.
fn dependencies(manifest: &str) -> BTreeSet<&str> {
    let mut inside = false;
    let mut found = BTreeSet::new();
    for line in manifest.lines().map(str::trim) {
        if let Some(table) = line.strip_prefix('[') {
            inside = table.starts_with("dependencies]")
                || (table.starts_with("target.") && table.ends_with(".dependencies]"));
        } else if inside && let Some((name, _)) = line.split_once(['.', '=', ' ']) {
            found.insert(name);
        }
    }
    found
}

#[test]
fn no_package_depends_on_what_it_must_not_see() {
    for (package, forbidden) in FORBIDDEN {
        let manifest = read(&root().join(package).join("Cargo.toml"));
        let found = dependencies(&manifest);
        assert!(!found.is_empty(), "{package}/Cargo.toml: no dependencies read, is the table there?");
        for name in forbidden {
            assert!(
                !found.contains(name),
                "{package}/Cargo.toml depends on `{name}`: see docs/architecture.md, Arrows"
            );
        }
    }
    for path in files(root(), "toml").into_iter().filter(|path| path.ends_with("Cargo.toml")) {
        let manifest = name(&path);
        if manifest != "orchestrator/Cargo.toml" {
            assert!(
                !dependencies(&read(&path)).contains("sqlx"),
                "{manifest} depends on sqlx: the store is orchestrator's"
            );
        }
    }
}

#[test]
fn files_hold_one_topic() {
    for folder in ["src", "orchestrator", "workers", "tests"] {
        for path in files(&root().join(folder), "rs") {
            let lines = read(&path).lines().count();
            assert!(lines <= LINES_MAX, "{} has {lines} lines, more than {LINES_MAX}: split it by topic", name(&path));
        }
    }
}

#[test]
fn both_dialects_have_the_same_migrations_up_and_down() {
    let names = |dialect: &str| -> BTreeSet<String> {
        let paths = files(&root().join("migrations").join(dialect), "sql");
        paths.iter().map(|path| path.file_name().expect("a file").to_string_lossy().into_owned()).collect()
    };
    let (postgres, sqlite) = (names("postgres"), names("sqlite"));
    assert_eq!(postgres, sqlite, "migrations/postgres and migrations/sqlite change together");
    for file in &postgres {
        let twin = match (file.strip_suffix(".up.sql"), file.strip_suffix(".down.sql")) {
            (Some(stem), _) => format!("{stem}.down.sql"),
            (_, Some(stem)) => format!("{stem}.up.sql"),
            _ => panic!("migrations/*/{file} is neither .up.sql nor .down.sql"),
        };
        assert!(postgres.contains(&twin), "migrations/*/{file} has no {twin}");
    }
}

/// The documents a reader is sent to.
fn documents() -> Vec<PathBuf> {
    let mut found = files(&root().join("docs"), "md");
    found.extend(["README.md", "CHANGELOG.md"].map(|file| root().join(file)));
    found
}

#[test]
fn links_of_the_documents_lead_somewhere() {
    for path in documents() {
        let text = read(&path);
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split([')', '#', ' ']).next().unwrap_or_default();
            let linked = path.parent().expect("documents are in folders").join(target);
            assert!(
                target.contains("://") || target.ends_with(".png") || linked.exists(),
                "{} links to `{target}`, which does not exist",
                name(&path)
            );
        }
    }
}

#[test]
fn variables_of_the_documents_are_read_somewhere() {
    // Tests have variables of their own.
    let sources: Vec<String> = ["src", "orchestrator/src", "workers/src", "tests", "workers/tests"]
        .iter()
        .flat_map(|f| files(&root().join(f), "rs"))
        .map(|p| read(&p))
        .collect();
    for path in documents() {
        let text = read(&path);
        for (at, _) in text.match_indices("STEPWELL_") {
            let variable = identifier(&text[at..]);
            assert!(
                sources.iter().any(|source| source.contains(&format!("\"{variable}\""))),
                "{} tells of `{variable}`, which no source reads",
                name(&path)
            );
        }
    }
}
