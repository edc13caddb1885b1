//! Where compilers, interpreters and their caches live below a home, named one by one so that nothing else is shown.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Folders below the home that hold programs and downloaded packages and, by their tools' own layout, no credentials.
/// What lies beside them (`~/.cargo/credentials.toml`, `~/.m2/settings.xml`, `~/.gem/credentials`, `~/.npmrc`) stays hidden.
const BELOW_HOME: &[&str] = &[
    // Rust
    ".cargo/bin",
    ".cargo/registry",
    ".cargo/git",
    ".rustup",
    // Python
    ".pyenv",
    ".local/pipx",
    ".local/share/pipx",
    ".local/share/uv/python",
    ".local/share/uv/tools",
    ".local/share/virtualenvs",
    ".local/lib",
    ".cache/pip",
    ".cache/uv",
    ".cache/pypoetry/cache",
    ".cache/pypoetry/virtualenvs",
    // JavaScript
    ".nvm",
    ".volta/bin",
    ".volta/tools",
    ".fnm",
    ".local/share/fnm",
    ".local/share/pnpm",
    ".local/share/nvm",
    ".npm/_cacache",
    ".cache/yarn",
    ".cache/ms-playwright",
    ".bun/bin",
    ".bun/install/cache",
    ".deno/bin",
    ".cache/deno",
    // Go
    "go/bin",
    "go/pkg",
    "sdk",
    // JVM
    ".sdkman/candidates",
    ".jenv",
    ".jdks",
    ".m2/repository",
    ".m2/wrapper",
    ".gradle/caches",
    ".gradle/wrapper",
    ".ivy2/cache",
    ".cache/coursier",
    ".local/share/coursier/bin",
    // Ruby, PHP, .NET, Dart, Elixir, Haskell, OCaml, Julia, Swift, Lean
    ".rbenv",
    ".rvm",
    ".gem/ruby",
    ".local/share/gem",
    ".cache/composer",
    ".dotnet/dotnet",
    ".dotnet/host",
    ".dotnet/packs",
    ".dotnet/sdk",
    ".dotnet/shared",
    ".dotnet/store",
    ".dotnet/tools",
    ".nuget/packages",
    ".pub-cache/hosted",
    ".pub-cache/bin",
    ".mix/archives",
    ".mix/elixir",
    ".hex/packages",
    ".ghcup",
    ".cabal/bin",
    ".cabal/packages",
    ".cabal/store",
    ".stack/programs",
    ".stack/pantry",
    ".stack/snapshots",
    ".opam",
    ".julia/artifacts",
    ".julia/packages",
    ".julia/registries",
    ".juliaup",
    ".swiftpm/cache",
    ".elan",
    // Managers of several
    ".asdf",
    ".local/share/mise",
    ".local/bin",
    ".nix-profile",
];

/// Private keys of certificates, in a folder that is often in `PATH` and then shown.
const KEYS: &str = ".dotnet/corefx";

/// Variables that name a folder of programs as a whole.
const WHOLE_FOLDERS: &[&str] = &[
    "RUSTUP_HOME",
    "PYENV_ROOT",
    "NVM_DIR",
    "VOLTA_HOME",
    "FNM_DIR",
    "PNPM_HOME",
    "GOROOT",
    "GOMODCACHE",
    "JAVA_HOME",
    "RBENV_ROOT",
    "ASDF_DATA_DIR",
    "MISE_DATA_DIR",
    "ANDROID_HOME",
    "ANDROID_SDK_ROOT",
    "VIRTUAL_ENV",
];

/// Variables that name a folder of which only parts hold programs and packages, and these parts.
const PARTS_OF_FOLDERS: &[(&str, &[&str])] = &[
    ("CARGO_HOME", &["bin", "registry", "git"]),
    ("GOPATH", &["bin", "pkg"]),
    ("BUN_INSTALL", &["bin", "install/cache"]),
    ("GRADLE_USER_HOME", &["caches", "wrapper"]),
    ("SDKMAN_DIR", &["candidates"]),
    (
        "DOTNET_ROOT",
        &[
            "dotnet",
            "host",
            "packs",
            "sdk",
            "sdk-manifests",
            "shared",
            "store",
            "templates",
        ],
    ),
];

/// Variables that tell tools where they are, and choose among them. They hold no secrets.
const CHOICES: &[&str] = &[
    "RUSTUP_TOOLCHAIN",
    "PYENV_VERSION",
    "NODE_VERSION",
    "GOFLAGS",
    "GOTOOLCHAIN",
];

/// The variables by which toolchains are found: a check gets them where the runner has them.
pub(crate) fn variables() -> impl Iterator<Item = &'static str> {
    WHOLE_FOLDERS
        .iter()
        .chain(PARTS_OF_FOLDERS.iter().map(|(name, _)| name))
        .chain(CHOICES)
        .copied()
}

/// What is shown of the home, and of folders that credentials share with programs.
#[derive(Debug, Default)]
pub(crate) struct Toolchains {
    /// Shown read-only.
    pub(crate) shown: Vec<PathBuf>,
    /// Replaced by an empty folder, in which some of `shown` may lie.
    pub(crate) emptied: Vec<PathBuf>,
}

impl Toolchains {
    /// The toolchains that exist below this home or are named by these variables.
    pub(crate) fn find(home: &Path, environment: &[(OsString, OsString)]) -> Self {
        let mut toolchains = Self {
            shown: Vec::new(),
            emptied: vec![home.join(KEYS)],
        };
        for below in BELOW_HOME {
            toolchains.show(home, home.join(below));
        }
        let value = |name: &str| {
            let (_, value) = environment.iter().find(|(known, _)| known == OsStr::new(name))?;
            let path = PathBuf::from(value);
            path.is_absolute().then_some(path)
        };
        for folder in WHOLE_FOLDERS.iter().filter_map(|name| value(name)) {
            toolchains.show(home, folder);
        }
        for (name, parts) in PARTS_OF_FOLDERS {
            let Some(folder) = value(name) else { continue };
            if !is_too_wide(home, &folder) && folder.is_dir() {
                toolchains.emptied.push(folder.clone());
                for part in *parts {
                    toolchains.show(home, folder.join(part));
                }
            }
        }
        let path = environment.iter().find(|(name, _)| name == "PATH");
        for folder in path.iter().flat_map(|(_, value)| std::env::split_paths(value)) {
            if folder.starts_with(home) {
                toolchains.show(home, folder);
            }
        }
        toolchains
    }

    fn show(&mut self, home: &Path, folder: PathBuf) {
        if folder.is_absolute() && !is_too_wide(home, &folder) && folder.exists() {
            self.shown.push(folder);
        }
    }
}

/// Whether showing a folder would show the home as a whole.
fn is_too_wide(home: &Path, folder: &Path) -> bool {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    home.starts_with(&folder)
}
