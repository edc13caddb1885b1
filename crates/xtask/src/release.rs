//! A release: the program, built in two places to the same bytes, with a bill of all that it is made of.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use ledger_core::Digest;

use crate::command::{capture, cargo, has_subcommand, program, succeed, told};
use crate::error::{TaskError, nothing_found};
use crate::workspace::{Workspace, published};

/// The package of the program, and its folder.
const PACKAGE: &str = "counterfoil";
const FOLDER: &str = "crates/cli";
const PROGRAM: &str = "foil";
const BILL: &str = "foil.cdx";

/// What the folder of a checkout is called in a bill.
const ANYWHERE: &str = "/counterfoil";

/// Builds the commit that is checked out twice, in folders of other names and lengths, and fails where program or bill differ in a byte or name a path
/// of this machine. What a release consists of is then in `target/release-of-<commit>`.
pub(crate) fn run(workspace: &Workspace) -> Result<(), TaskError> {
    semver(workspace)?;
    let git = |arguments: &[&str]| told(program("git", arguments, workspace.root()));
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let committed = git(&["log", "-1", "--format=%ct", "HEAD"])?;
    if !git(&["status", "--porcelain"])?.is_empty() {
        println!("what is not committed is no part of it");
    }
    let folder = workspace.target_folder().join(format!("release-of-{commit}"));
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(TaskError::file(&folder))?;
    }
    let from = workspace.root().display().to_string();
    let make = |name: &str| -> Result<Release, TaskError> {
        let clone = folder.join("built").join(name);
        std::fs::create_dir_all(&clone).map_err(TaskError::file(&clone))?;
        succeed(program(
            "git",
            &["clone", "--quiet", "--no-checkout", &from, "."],
            &clone,
        ))?;
        // Somebody may commit while the first one is built.
        succeed(program("git", &["checkout", "--quiet", "--detach", &commit], &clone))?;
        println!("building {commit} in {}", clone.display());
        Ok(Release {
            program: build(&clone, &committed)?,
            bill: bill(workspace, &clone, &committed)?,
        })
    };
    let [one, two] = [make("one")?, make("two/in-a-longer-folder")?];
    let folders = folders_of_machine(workspace, &folder)?;
    let mut findings = not_in_bill(&one.bill, &packages(&folder.join("built/one"))?);
    for (what, one, two) in [
        ("programs", &one.program, &two.program),
        ("bills", &one.bill, &two.bill),
    ] {
        if one != two {
            findings.push(format!(
                "the two {what} differ: {} and {}",
                Digest::of(one),
                Digest::of(two)
            ));
        }
        let paths = machine_paths(one, &folders);
        findings.extend(paths.map(|path| format!("one of the {what} names {}", path.display())));
    }
    nothing_found(
        "the release does not follow from its source alone",
        findings,
        "a build script, a macro or a tool has put something of the machine into it: `diffoscope` on the two shows what",
    )?;
    let mut sums = String::new();
    for (bytes, name) in [(&one.program, PROGRAM), (&one.bill, "foil.cdx.json")] {
        let to = folder.join(name);
        std::fs::write(&to, bytes).map_err(TaskError::file(&to))?;
        sums.push_str(&format!("{}  {name}\n", Digest::of(bytes).hex()));
    }
    // Other tools make other programs.
    let built_by = told(program("rustc", &["--version", "--verbose"], workspace.root()))?;
    for (text, name) in [(&sums, "SHA256SUMS"), (&built_by, "BUILT-BY")] {
        let to = folder.join(name);
        std::fs::write(&to, text).map_err(TaskError::file(&to))?;
    }
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.join(PROGRAM), executable).map_err(TaskError::file(&folder))?;
    print!("two builds of {commit} are the same, and name no path of this machine\n{sums}");
    println!("in {}", folder.display());
    Ok(())
}

/// What is published, as bytes.
struct Release {
    program: Vec<u8>,
    bill: Vec<u8>,
}

/// Whether the public interfaces changed as the version says, against the last release. There has to be one.
pub(crate) fn semver(workspace: &Workspace) -> Result<(), TaskError> {
    let described = capture(program(
        "git",
        &["describe", "--tags", "--abbrev=0", "--match", "v[0-9]*"],
        workspace.root(),
    ))?;
    if !described.status.success() {
        println!("skipped: cargo-semver-checks, because no release is tagged (`v…`) that could be compared with");
        return Ok(());
    }
    let last = String::from_utf8_lossy(&described.stdout).trim().to_owned();
    tool(workspace, "semver-checks", "cargo-semver-checks")?;
    let mut checks = with_tools(workspace, cargo(workspace, &["semver-checks", "--baseline-rev", &last]));
    for package in published(&workspace.metadata()?) {
        let has_library = package.targets.iter().any(cargo_metadata::Target::is_lib);
        if has_library {
            checks.args(["--package", package.name.as_str()]);
        }
    }
    succeed(checks)
}

/// Builds the program as it is released: what the machine calls its folders is not in it.
fn build(clone: &Path, committed: &str) -> Result<Vec<u8>, TaskError> {
    let target = clone.join("target");
    let renamed = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    // The flags have to be the same wherever it is built, because they are a part of every symbol's name; and Cargo names files of the workspace from
    // its root.
    let mut flags = vec![renamed(&cargo_home()?, "/cargo")];
    // Parts of the standard library are compiled into the program, from where the toolchain has its sources.
    flags.push(renamed(&sysroot(clone)?, "/rust"));
    let mut build = program(
        "cargo",
        &["build", "--release", "--locked", "--quiet", "--package", PACKAGE],
        clone,
    );
    build
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_INCREMENTAL", "0")
        .env("SOURCE_DATE_EPOCH", committed);
    succeed(build)?;
    let built = target.join("release").join(PROGRAM);
    std::fs::read(&built).map_err(TaskError::file(&built))
}

/// What the program is made of, as CycloneDX.
fn bill(workspace: &Workspace, clone: &Path, committed: &str) -> Result<Vec<u8>, TaskError> {
    tool(workspace, "cyclonedx", "cargo-cyclonedx")?;
    let mut bill = program("cargo", &["cyclonedx", "--format=json", "--spec-version=1.5"], clone);
    bill.args(["--no-build-deps", "--quiet", "--override-filename", BILL])
        .args(["--manifest-path", &format!("{FOLDER}/Cargo.toml")])
        .env("SOURCE_DATE_EPOCH", committed);
    succeed(with_tools(workspace, bill))?;
    let path = clone.join(FOLDER).join(format!("{BILL}.json"));
    let text = std::fs::read_to_string(&path).map_err(TaskError::file(&path))?;
    // It refers to the crates of the workspace by where they are.
    Ok(text.replace(&clone.display().to_string(), ANYWHERE).into_bytes())
}

/// The packages that Cargo links into the program on this machine, as names and versions.
fn packages(clone: &Path) -> Result<BTreeSet<(String, String)>, TaskError> {
    let tree = [
        "tree",
        "--locked",
        "--edges=normal",
        "--prefix=none",
        "--format={p}",
        "--package",
        PACKAGE,
    ];
    let listed = told(program("cargo", &tree, clone))?;
    let parted = listed.lines().filter_map(|line| line.split_once(" v"));
    let package = |(name, rest): (&str, &str)| {
        let version = rest.split(' ').next().unwrap_or_default();
        (name.to_owned(), version.to_owned())
    };
    let packages: BTreeSet<_> = parted.map(package).collect();
    match packages.is_empty() {
        false => Ok(packages),
        true => Err(TaskError::unreadable("cargo tree", "it lists no package")),
    }
}

/// What of these a bill leaves out.
fn not_in_bill(bill: &[u8], packages: &BTreeSet<(String, String)>) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Bill {
        metadata: Metadata,
        components: Vec<Component>,
    }
    #[derive(serde::Deserialize)]
    struct Metadata {
        component: Component,
    }
    #[derive(serde::Deserialize)]
    struct Component {
        name: String,
        version: String,
    }
    let bill: Bill = match serde_json::from_slice(bill) {
        Ok(bill) => bill,
        Err(error) => return vec![format!("the bill cannot be read: {error}")],
    };
    let all = bill.components.into_iter().chain([bill.metadata.component]);
    let listed: BTreeSet<_> = all.map(|component| (component.name, component.version)).collect();
    let missing = packages.difference(&listed);
    missing
        .map(|(name, version)| format!("the bill leaves out {name} {version}"))
        .collect()
}

/// What nobody else's machine calls its folders.
fn folders_of_machine(workspace: &Workspace, release: &Path) -> Result<Vec<PathBuf>, TaskError> {
    Ok(vec![
        release.to_owned(),
        workspace.root().to_owned(),
        workspace.target_folder(),
        cargo_home()?,
        sysroot(workspace.root())?,
    ])
}

fn sysroot(folder: &Path) -> Result<PathBuf, TaskError> {
    Ok(PathBuf::from(told(program("rustc", &["--print", "sysroot"], folder))?))
}

/// Which of these paths stand in something.
fn machine_paths<'a>(bytes: &'a [u8], paths: &'a [PathBuf]) -> impl Iterator<Item = &'a PathBuf> {
    paths.iter().filter(|path| {
        let path = path.as_os_str().as_encoded_bytes();
        !path.is_empty() && bytes.windows(path.len()).any(|window| window == path)
    })
}

fn cargo_home() -> Result<PathBuf, TaskError> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    home.or_else(|| Some(std::env::home_dir()?.join(".cargo")))
        .ok_or_else(|| TaskError::unreadable("CARGO_HOME", "there is no home folder"))
}

/// Installs a Cargo subcommand below the target folder where it is missing.
fn tool(workspace: &Workspace, subcommand: &str, package: &str) -> Result<(), TaskError> {
    let tools = tools(workspace);
    if tools.join("bin").join(package).is_file() || has_subcommand(workspace, subcommand) {
        return Ok(());
    }
    println!("installing {package}, which takes some minutes once");
    let mut install = cargo(workspace, &["install", "--locked", "--quiet", package, "--root"]);
    install.arg(&tools);
    succeed(install)
}

fn tools(workspace: &Workspace) -> PathBuf {
    workspace.target_folder().join("tools")
}

fn with_tools(workspace: &Workspace, mut command: Command) -> Command {
    let mut folders = vec![tools(workspace).join("bin")];
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    if let Ok(path) = std::env::join_paths(folders) {
        command.env("PATH", path);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_in_a_program_is_found_anywhere() {
        let program = b"\x7fELF /home/ada/.cargo/registry/x.rs\0/counterfoil/src/main.rs\0";
        let paths = ["/home/ada/.cargo", "/home/bob", ""].map(PathBuf::from);
        assert_eq!(machine_paths(program, &paths).collect::<Vec<_>>(), [&paths[0]]);
    }

    #[test]
    fn what_a_bill_leaves_out_is_told() {
        let bill = br#"{"metadata": {"component": {"name": "foil", "version": "1.0.0"}}, "components": [{"name": "gix", "version": "2.0.0"}]}"#;
        let packages = |list: &[(&str, &str)]| {
            let owned = list
                .iter()
                .map(|(name, version)| (name.to_string(), version.to_string()));
            owned.collect()
        };
        assert_eq!(
            not_in_bill(bill, &packages(&[("foil", "1.0.0"), ("gix", "2.0.0")])),
            [""; 0]
        );
        assert_eq!(
            not_in_bill(bill, &packages(&[("gix", "2.1.0")])),
            ["the bill leaves out gix 2.1.0"]
        );
        assert!(not_in_bill(b"{}", &packages(&[]))[0].starts_with("the bill cannot be read"));
    }
}
