//! What Rust offers to others.

use super::all;

#[test]
fn whatever_is_pub_and_what_is_implemented_is_seen_wherever_it_stands() {
    all(
        "a.rs",
        &[
            ("pub fn a() { 1 }\n", "pub fn a() { 2 }\n", ""),
            (
                "pub fn a(\n    x: u8,\n) {}\n",
                "pub fn a(\n    x: u16,\n) {}\n",
                "+pub fn a(x: u16)|-pub fn a(x: u8)",
            ),
            (
                "fn a() {}\n",
                "pub async unsafe fn a() -> [u8; 4] {}\n",
                "+pub async unsafe fn a() -> [u8; 4]",
            ),
            ("pub const A: u8 = 1;\n", "pub const A: u8 = 2;\n", ""),
            (
                "pub use a::{b};\n",
                "pub use a::{b, c};\n",
                "+pub use a::{b, c}|-pub use a::{b}",
            ),
            (
                "pub enum A {\n    B, // one\n}\n",
                "pub enum A {\n    B, // two\n}\n",
                "",
            ),
            (
                "pub enum A {\n    B,\n}\n",
                "pub enum A {\n    B,\n    C,\n}\n",
                "+pub enum A { B, C }|-pub enum A { B }",
            ),
            (
                "pub trait T {\n    fn a() {\n        1\n    }\n}\n",
                "pub trait T {\n    fn a() {\n        2\n    }\n}\n",
                "",
            ),
            (
                "pub trait T {\n    fn a();\n}\n",
                "pub trait T {\n    fn a(x: u8);\n}\n",
                "+T: fn a(x: u8);|-T: fn a();",
            ),
            (
                "struct S {\n    a: u8,\n}\n",
                "struct S {\n    pub a: u8,\n}\n",
                "+pub a: u8",
            ),
            (
                "impl A {\n    pub fn new() {}\n}\nimpl B {\n    pub fn new() {}\n}\n",
                "impl A {\n    pub fn new() {}\n}\n",
                "-pub fn new()",
            ),
            ("", "#[macro_export]\n// why\nmacro_rules! m {\n}\n", "+macro_rules! m"),
            ("", "macro_rules! m {\n}\n", ""),
            ("", "// pub fn a() {}\nlet pub_fn = 1;\n", ""),
            ("", "#[inline] pub fn a() {}\n", "+pub fn a()"),
            (
                "struct A;\n",
                "struct A;\nimpl A { pub fn evil(&self) {} }\n",
                "+pub fn evil(&self)",
            ),
            ("", "mod a { fn b() {} /* x */ pub fn c() {} }\n", "+pub fn c()"),
            ("", "pub\nfn a() {}\n", "+pub fn a()"),
            (
                "pub fn a(x: u8) {}\n",
                "pub fn a(\n    // why\n    x: u8, // what\n) {\n}\n",
                "",
            ),
            (
                "fn a() { b(\"; pub fn c() {}\") }\n",
                "fn a() { b(\"; pub fn d() {}\") /* pub fn e() */ }\n",
                "",
            ),
            (
                "",
                "pub(crate) fn a() {}\npub(in crate::a) fn b() {}\npub (super) fn c() {}\n",
                "",
            ),
            ("struct A(u8);\n", "struct A(pub (u8, u8));\n", "+pub (u8, u8)"),
            (
                "pub struct A;\nimpl Clone for A { fn clone(&self) -> A { A } }\n",
                "pub struct A;\nimpl Clone for A { fn clone(&self) -> Self { A } }\n",
                "",
            ),
            (
                "pub struct A;\nimpl Clone for A {}\n",
                "pub struct A;\n",
                "-impl Clone for A",
            ),
            (
                "impl<T> From<T> for b::A where T: Copy {}\n",
                "",
                "-impl<T> From<T> for b::A where T: Copy",
            ),
            (
                "",
                "struct A;\ntrait B {}\nimpl Clone for A {}\nimpl B for u8 {}\nfn c() -> impl for<'a> D<'a> { 1 }\n",
                "",
            ),
            (
                "#[derive(Clone, Debug)]\npub struct A;\n",
                "#[derive(Debug)]\n/// A.\n#[must_use]\npub struct A;\n",
                "-impl Clone for A",
            ),
            (
                "#[derive(Clone, Debug)]\npub struct A;\n",
                "#[derive(\n    Debug, // why\n    Clone,\n)]\npub struct A;\n",
                "",
            ),
            (
                "pub enum A {}\n",
                "#[cfg_attr(feature = \"x\", derive(serde::Serialize))] pub enum A {}\n",
                "+impl Serialize for A",
            ),
            (
                "#[derive(Clone)]\nstruct A;\npub struct B;\n",
                "struct A;\npub struct B;\n",
                "",
            ),
            ("#[derive(Clone)]\npub(crate) struct A;\n", "pub(crate) struct A;\n", ""),
            (
                "pub trait T {\n    fn a() {}\n}\n",
                "pub trait T {\n    fn a();\n}\n",
                "+T: fn a();|-T: fn a()",
            ),
            (
                "pub trait T {\n    fn a(); fn b();\n}\n",
                "pub trait T {\n    fn b();\n    #[must_use] fn a();\n}\n",
                "",
            ),
            (
                "pub trait T { type A: Copy; const B: u8 = 1; }\n",
                "pub trait T { type A: Clone; const B: u8 = 2; }\n",
                "+T: type A: Clone;|-T: type A: Copy;",
            ),
            (
                "struct A { pub a: Map<u8, u8>, b: u8 }\n",
                "struct A { pub a: Map<u8, u16>, c: u8 }\n",
                "+pub a: Map<u8, u16>|-pub a: Map<u8, u8>",
            ),
            (
                "",
                "lazy_static! { pub static ref A: u8 = 1; }\n",
                "+pub static ref A: u8",
            ),
            (
                "",
                "extern \"C\" { pub fn a(); }\npub unsafe extern \"C\" fn b() {}\n",
                "+pub fn a()|+pub unsafe extern \"C\" fn b()",
            ),
            (
                "#[macro_export] macro_rules! a { () => {}; }\n",
                "macro_rules! a { () => {}; }\n",
                "-macro_rules! a",
            ),
        ],
    );
}

#[test]
fn what_is_private_hides_nothing_that_only_shares_its_name() {
    all(
        "a.rs",
        &[
            (
                "pub unsafe trait Raw {}\n",
                "pub unsafe trait Raw {}\nunsafe impl Raw for Foo {}\n",
                "+impl Raw for Foo",
            ),
            (
                "",
                "mod m { struct Display; impl Clone for Display {} }\nimpl fmt::Display for Thing {}\nimpl Display for Other {}\n",
                "+impl Display for Other|+impl fmt::Display for Thing",
            ),
            (
                "struct T;\n",
                "struct T;\nimpl<T: Copy> From<T> for b::A {}\nimpl<T> Clone for T {}\nimpl Clone for T {}\n",
                "+impl<T: Copy> From<T> for b::A|+impl<T> Clone for T",
            ),
            (
                "struct Display;\n",
                "struct Display;\nimpl fmt::Display for A where Display: Copy {}\n",
                "+impl fmt::Display for A where Display: Copy",
            ),
            (
                "struct A<T>(T);\n",
                "struct A<T>(T);\nimpl<T> Clone for A<T> {}\nimpl<'a> Clone for &'a A<u8> {}\n",
                "",
            ),
        ],
    );
}
