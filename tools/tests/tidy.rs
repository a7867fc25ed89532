//! The rules of the source tree that no compiler checks: who imports whom, what the core may not touch, how long a file may be.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::fs;
use std::path::{Path, PathBuf};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for member in ["protocol", "engine", "journal", "gateway-edge", "tools", "benches"] {
        rust_files(&workspace().join(member), &mut found);
    }
    assert!(found.len() > 50, "the sources are found");
    found
}

/// Names of the normal dependencies in a manifest.
fn dependencies(member: &str) -> Vec<String> {
    let text = fs::read_to_string(workspace().join(member).join("Cargo.toml")).unwrap();
    let section = text.split("[dependencies]").nth(1).unwrap_or_default();
    let lines = section.lines().skip(1).take_while(|line| !line.starts_with('['));
    lines.filter_map(|line| line.split(['.', ' ', '=']).next()).map(str::to_owned).collect()
}

#[test]
fn crates_import_only_what_the_architecture_says() {
    let members = ["protocol", "engine", "journal", "gateway-edge", "tools", "benches"];
    for (member, allowed) in [
        ("protocol", &[][..]),
        ("engine", &["protocol"]),
        ("journal", &["protocol"]),
        ("gateway-edge", &["protocol"]),
        ("tools", &["protocol", "engine", "journal", "gateway-edge", "benches"]),
        ("benches", &["protocol", "engine"]),
    ] {
        for dependency in dependencies(member) {
            let ours = members.contains(&dependency.as_str());
            assert!(!ours || allowed.contains(&dependency.as_str()), "{member} imports {dependency}");
        }
    }
}

#[test]
fn the_core_touches_no_clock_file_socket_or_thread() {
    let mut files = Vec::new();
    rust_files(&workspace().join("engine/src/core"), &mut files);
    assert!(files.len() >= 5);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for banned in [
            "std::time",
            "std::fs",
            "std::net",
            "std::io",
            "std::thread",
            "std::env",
            "HashMap",
            "Instant",
            "SystemTime",
        ] {
            assert!(!text.contains(banned), "{} uses {banned}", file.display());
        }
    }
}

#[test]
fn the_threads_of_the_core_and_of_the_ports_cannot_log() {
    for member in ["protocol", "engine", "gateway-edge"] {
        assert!(!dependencies(member).contains(&"tracing".to_owned()), "{member} hands notes over instead");
    }
}

#[test]
fn each_third_party_crate_lives_where_it_was_put() {
    for (name, home) in [
        ("disruptor::", "engine/src/runtime/pipeline.rs"),
        ("core_affinity::", "engine/src/runtime/topology.rs"),
        ("memmap2::", "journal/src/mmap.rs"),
        ("use parquet::", "tools/src/export_parquet.rs"),
        ("rusqlite::", "journal/src/snapshots"),
    ] {
        for file in sources() {
            let path = file.strip_prefix(workspace()).unwrap().to_owned();
            if path.components().any(|part| part.as_os_str() == "tests") {
                continue;
            }
            let text = fs::read_to_string(&file).unwrap();
            assert!(!text.contains(name) || path.starts_with(home), "{name} outside {home}: {}", path.display());
        }
    }
}

#[test]
fn files_are_small_plain_and_say_what_they_are_for() {
    const LINES_MAX: usize = 800;
    for file in sources() {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.lines().count() <= LINES_MAX, "{}: more than {LINES_MAX} lines", file.display());
        assert!(text.starts_with("//!") || text.starts_with("#!"), "{}: no //! line", file.display());
        assert!(!text.contains('\t'), "{}: a tab", file.display());
    }
}
