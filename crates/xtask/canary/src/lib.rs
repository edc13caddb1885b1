//! Everything that a pure crate must not do, once each. It is linted and never run: `cargo xtask purity` fails unless Clippy
//! reports every marked line with exactly the paths that its mark names.
#![allow(dead_code, unused_must_use, deprecated, clippy::all)]
#![warn(clippy::disallowed_methods, clippy::disallowed_types)]

fn method_1() { std::fs::canonicalize("a"); } //~ std::fs::canonicalize
fn method_2() { std::fs::copy("a", "b"); } //~ std::fs::copy
fn method_3() { std::fs::create_dir("a"); } //~ std::fs::create_dir
fn method_4() { std::fs::create_dir_all("a"); } //~ std::fs::create_dir_all
fn method_5() { std::fs::exists("a"); } //~ std::fs::exists
fn method_6() { std::fs::hard_link("a", "b"); } //~ std::fs::hard_link
fn method_7() { std::fs::metadata("a"); } //~ std::fs::metadata
fn method_8() { std::fs::read("a"); } //~ std::fs::read
fn method_9() { std::fs::read_dir("a"); } //~ std::fs::read_dir
fn method_10() { std::fs::read_link("a"); } //~ std::fs::read_link
fn method_11() { std::fs::read_to_string("a"); } //~ std::fs::read_to_string
fn method_12() { std::fs::remove_dir("a"); } //~ std::fs::remove_dir
fn method_13() { std::fs::remove_dir_all("a"); } //~ std::fs::remove_dir_all
fn method_14() { std::fs::remove_file("a"); } //~ std::fs::remove_file
fn method_15() { std::fs::rename("a", "b"); } //~ std::fs::rename
fn method_16(permissions: std::fs::Permissions) { std::fs::set_permissions("a", permissions); } //~ std::fs::set_permissions
fn method_17() { std::fs::symlink_metadata("a"); } //~ std::fs::symlink_metadata
fn method_18() { std::fs::write("a", "b"); } //~ std::fs::write
fn method_19() { std::os::unix::fs::symlink("a", "b"); } //~ std::os::unix::fs::symlink
fn method_20() { std::os::unix::fs::chown("a", None, None); } //~ std::os::unix::fs::chown
fn method_21(path: &std::path::Path) { path.canonicalize(); } //~ std::path::Path::canonicalize
fn method_22(path: &std::path::Path) { path.exists(); } //~ std::path::Path::exists
fn method_23(path: &std::path::Path) { path.is_dir(); } //~ std::path::Path::is_dir
fn method_24(path: &std::path::Path) { path.is_file(); } //~ std::path::Path::is_file
fn method_25(path: &std::path::Path) { path.is_symlink(); } //~ std::path::Path::is_symlink
fn method_26(path: &std::path::Path) { path.metadata(); } //~ std::path::Path::metadata
fn method_27(path: &std::path::Path) { path.read_dir(); } //~ std::path::Path::read_dir
fn method_28(path: &std::path::Path) { path.read_link(); } //~ std::path::Path::read_link
fn method_29(path: &std::path::Path) { path.symlink_metadata(); } //~ std::path::Path::symlink_metadata
fn method_30(path: &std::path::Path) { path.try_exists(); } //~ std::path::Path::try_exists
fn method_31() { std::env::args(); } //~ std::env::args
fn method_32() { std::env::args_os(); } //~ std::env::args_os
fn method_33() { std::env::current_dir(); } //~ std::env::current_dir
fn method_34() { std::env::current_exe(); } //~ std::env::current_exe
fn method_35() { std::env::home_dir(); } //~ std::env::home_dir
fn method_36() { std::env::set_current_dir("a"); } //~ std::env::set_current_dir
fn method_37() { std::env::temp_dir(); } //~ std::env::temp_dir
fn method_38() { std::env::var("A"); } //~ std::env::var
fn method_39() { std::env::var_os("A"); } //~ std::env::var_os
fn method_40() { std::env::vars(); } //~ std::env::vars
fn method_41() { std::env::vars_os(); } //~ std::env::vars_os
fn method_42() { std::process::abort(); } //~ std::process::abort
fn method_43() { std::process::exit(0); } //~ std::process::exit
fn method_44() { std::process::id(); } //~ std::process::id
fn method_45() { std::thread::available_parallelism(); } //~ std::thread::available_parallelism
fn method_46() { std::thread::current(); } //~ std::thread::current
fn method_47() { std::thread::park(); } //~ std::thread::park
fn method_48() { std::thread::scope(|_| ()); } //~ std::thread::scope
fn method_49() { std::thread::sleep(std::time::Duration::ZERO); } //~ std::thread::sleep
fn method_50() { std::thread::spawn(|| ()); } //~ std::thread::spawn
fn method_51() { std::thread::yield_now(); } //~ std::thread::yield_now
fn method_52() { std::time::Instant::now(); } //~ std::time::Instant::now, std::time::Instant
fn method_53() { std::time::SystemTime::now(); } //~ std::time::SystemTime::now, std::time::SystemTime
fn method_54(start: std::time::SystemTime) { start.elapsed(); } //~ std::time::SystemTime::elapsed, std::time::SystemTime
fn method_55(start: std::time::Instant) { start.elapsed(); } //~ std::time::Instant::elapsed, std::time::Instant
fn method_56() { jiff::Timestamp::now(); } //~ jiff::Timestamp::now
fn method_57() { jiff::Zoned::now(); } //~ jiff::Zoned::now
fn method_58() { jiff::tz::TimeZone::system(); } //~ jiff::tz::TimeZone::system
fn method_59() { std::io::stdin(); } //~ std::io::stdin
fn method_60() { std::io::stdout(); } //~ std::io::stdout
fn method_61() { std::io::stderr(); } //~ std::io::stderr
fn method_62() { std::io::read_to_string(&b"a"[..]); } //~ std::io::read_to_string
fn method_63() { std::panic::set_hook(Box::new(|_| ())); } //~ std::panic::set_hook

fn type_1(_: std::fs::File) {} //~ std::fs::File
fn type_2(_: std::fs::OpenOptions) {} //~ std::fs::OpenOptions
fn type_3(_: std::fs::DirBuilder) {} //~ std::fs::DirBuilder
fn type_4(_: std::fs::DirEntry) {} //~ std::fs::DirEntry
fn type_5(_: std::fs::ReadDir) {} //~ std::fs::ReadDir
fn type_6(_: std::fs::Metadata) {} //~ std::fs::Metadata
fn type_7(_: std::net::TcpStream) {} //~ std::net::TcpStream
fn type_8(_: std::net::TcpListener) {} //~ std::net::TcpListener
fn type_9(_: std::net::UdpSocket) {} //~ std::net::UdpSocket
fn type_10(_: std::os::unix::net::UnixStream) {} //~ std::os::unix::net::UnixStream
fn type_11(_: std::os::unix::net::UnixListener) {} //~ std::os::unix::net::UnixListener
fn type_12(_: std::os::unix::net::UnixDatagram) {} //~ std::os::unix::net::UnixDatagram
fn type_13(_: std::process::Command) {} //~ std::process::Command
fn type_14(_: std::process::Child) {} //~ std::process::Child
fn type_15(_: std::process::Stdio) {} //~ std::process::Stdio
fn type_16(_: std::thread::JoinHandle<()>) {} //~ std::thread::JoinHandle
fn type_17(_: std::thread::Builder) {} //~ std::thread::Builder
fn type_18(_: std::thread::Thread) {} //~ std::thread::Thread
fn type_19(_: std::time::Instant) {} //~ std::time::Instant
fn type_20(_: std::time::SystemTime) {} //~ std::time::SystemTime
fn type_21(_: std::collections::HashMap<u8, u8>) {} //~ std::collections::HashMap
fn type_22(_: std::collections::HashSet<u8>) {} //~ std::collections::HashSet
fn type_23(_: std::hash::RandomState) {} //~ std::hash::RandomState
fn type_24(_: std::hash::DefaultHasher) {} //~ std::hash::DefaultHasher
fn type_25(_: std::io::Stdin) {} //~ std::io::Stdin
fn type_26(_: std::io::Stdout) {} //~ std::io::Stdout
fn type_27(_: std::io::Stderr) {} //~ std::io::Stderr
