//! Dependencies between our crates point left only.

use std::path::Path;

/// The crates from left to right: each may depend only on those before it. `tests` and `benches` read from all.
const LAYERS: [&str; 12] = [
    "records",
    "datasets",
    "ptxsim",
    "kernels",
    "features",
    "models",
    "dataflows",
    "sql",
    "console",
    "truestream",
    "tests",
    "benches",
];

/// Which of our crates the manifest's sections of this name ask for.
fn ours(manifest: &toml::Table, section: &str) -> Vec<String> {
    let dependencies = manifest.get(section).and_then(toml::Value::as_table);
    dependencies.into_iter().flat_map(|table| table.keys()).filter(|name| layer(name).is_some()).cloned().collect()
}

fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| *layer == name)
}

/// The dependencies of a crate that do not stand to its left.
fn uphill(name: &str, dependencies: &[String]) -> Vec<String> {
    dependencies.iter().filter(|dependency| layer(dependency) >= layer(name)).cloned().collect()
}

#[test]
fn dependencies_point_left_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests lies in the workspace");
    let manifest = |folder: &str| -> toml::Table {
        let path = root.join(folder).join("Cargo.toml");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let workspace = manifest("");
    let members = workspace["workspace"]["members"].as_array().expect("a list of members");
    for member in members.iter().filter_map(toml::Value::as_str) {
        assert!(layer(member).is_some(), "{member} is no room of the house; see ARCHITECTURE.md");
        let manifest = manifest(member);
        for section in ["dependencies", "build-dependencies", "dev-dependencies"] {
            let uphill = uphill(member, &ours(&manifest, section));
            assert!(uphill.is_empty(), "{member} depends uphill on {uphill:?} ({section})");
        }
    }
}

#[test]
fn an_uphill_dependency_is_seen() {
    assert_eq!(uphill("datasets", &["records".into(), "dataflows".into()]), ["dataflows"]);
    assert_eq!(uphill("records", &["records".into()]), ["records"]);
}

/// Columns are known in one room only.
#[test]
fn only_datasets_knows_arrow_and_parquet() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests lies in the workspace");
    for room in ["records", "features", "dataflows", "truestream"] {
        let text = std::fs::read_to_string(root.join(room).join("Cargo.toml")).expect("each room has a manifest");
        let manifest: toml::Table = text.parse().expect("a manifest is TOML");
        let dependencies = manifest["dependencies"].as_table().expect("each room has dependencies");
        for column in ["arrow", "parquet"] {
            assert!(!dependencies.contains_key(column), "{room} depends on {column}; bring it through datasets");
        }
    }
}
