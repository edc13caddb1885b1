//! What JavaScript and TypeScript offer to others.

use super::all;

#[test]
fn what_is_exported_is_seen_in_either_way_of_doing_so() {
    all(
        "a.ts",
        &[
            (
                "export function a(x: { y: 1 }) {\n  return 1;\n}\n",
                "export function a(x: { y: 1 }) {\n  return 2;\n}\n",
                "",
            ),
            ("function a() {}\n", "export function a() {}\n", "+export function a()"),
            (
                "export const f: (a: 1) => void = x;\n",
                "export const f: (a: 2) => void = x;\n",
                "+export const f: (a: 2) => void|-export const f: (a: 1) => void",
            ),
            (
                "export interface A {\n  b: 1\n}\n",
                "export interface A {\n  b?: 1\n}\n",
                "+export interface A { b?: 1 }|-export interface A { b: 1 }",
            ),
            (
                "export type A =\n  | 1\n\nlet x = 1\n",
                "export type A =\n  | 1\n\nlet x = 2\n",
                "",
            ),
            (
                "export class A {\n  b() { return 1 }\n  private c() {}\n  d = 1;\n}\n",
                "export class A {\n  b() { return 2 }\n  private e() {}\n  d = 2;\n}\n",
                "",
            ),
            (
                "export class A {\n  b() {}\n}\n",
                "export class A {\n  b(x) {}\n}\n",
                "+A: b(x)|-A: b()",
            ),
            (
                "export {\n  a,\n} from './x'\nlet y = 1\n",
                "export {\n  a,\n} from './y'\nlet y = 2\n",
                "+export { a } from './y'|-export { a } from './x'",
            ),
            ("export const a = 1;\n", "export const a = 2;\n", ""),
            (
                "module.exports = {\n  a,\n};\n",
                "module.exports = {\n  a,\n  b,\n};\n",
                "+module.exports = { a, b }|-module.exports = { a }",
            ),
            ("exportedThing()\n", "exportsOfOurs()\n", ""),
            ("const a=1;\n", "const a=1; export { a };\n", "+const a|+export { a }"),
            (
                "",
                "if (x) { export_(1) } ; export function a() {}\n",
                "+export function a()",
            ),
            (
                "",
                "Object.defineProperty(exports, \"a\", { enumerable: true, get: function () { return 1 } });\n",
                "+Object.defineProperty(exports, \"a\", { enumerable: true, get: function () })",
            ),
            (
                "Object.defineProperty(exports, \"a\", { get() { return 1 } });\n",
                "Object.defineProperty(exports, \"a\", { get() { return 2 } });\n",
                "",
            ),
            (
                "Object.assign(module.exports, { a });\n",
                "Object.assign(module.exports, { a, b });\n",
                "+Object.assign(module.exports, { a, b })|-Object.assign(module.exports, { a })",
            ),
            (
                "Object.defineProperty(a, \"b\", {})\n",
                "Object.defineProperty(a, \"c\", {})\n",
                "",
            ),
            (
                "exports[\"a\"] = 1;\n",
                "exports[\"b\"] = 1;\n",
                "+exports[\"b\"] = 1|-exports[\"a\"] = 1",
            ),
            (
                "exports.a = function (x) { return 1 }\n",
                "exports.a = function (x) { return 2 }\n",
                "",
            ),
            (
                "exports.a = (x) => x + 1;\n",
                "exports.a = (x, y) => x + 2;\n",
                "+exports.a = (x, y)|-exports.a = (x)",
            ),
            ("exports.a(1)\nb.exports = 1\n", "exports.a(2)\nb.exports = 2\n", ""),
            (
                "module.exports = { a, b() { return 1 } };\n",
                "module.exports = { a, b() { return 2 } };\n",
                "",
            ),
            (
                "function a(x) { return 1 }\nmodule.exports = { a };\n",
                "function a(x, y) { return 2 }\nmodule.exports = { a };\n",
                "+function a(x, y)|-function a(x)",
            ),
            (
                "class A { b(x) {} }\nexport default A\n",
                "class A { b() {} }\nexport default A\n",
                "+A: b()|-A: b(x)",
            ),
            (
                "module.exports = class { a() {} }\n",
                "module.exports = class { b() {} }\n",
                "+class: b()|-class: a()",
            ),
            (
                "export const a = (x: 1): 2 => { return 1 }, b = 1;\n",
                "export const a = (x: 2): 2 => { return 2 }, c = 2;\n",
                "+export const a = (x: 2): 2, c|-export const a = (x: 1): 2, b",
            ),
            (
                "export default function a() { return 1 }\n",
                "export default function a() { return 2 }\n",
                "",
            ),
            (
                "export default { a: 1, b() { return 1 } }\n",
                "export default { c: 1, b() { return 2 } }\n",
                "+export default { c: 1, b() }|-export default { a: 1, b() }",
            ),
            (
                "export class A {\n  @Input() a = 1;\n  static async b<T>(x: T): Promise<T> { return 1 }\n  private c = 1; protected d() {} #e = 1\n}\n",
                "export class A {\n  @Input({ x: 1 })\n  a = 2;\n  static async b<T>(x: T): Promise<U> { return 2 }\n  private f = 1; protected g() {} #h = 1\n}\n",
                "+A: static async b<T>(x: T): Promise<U>|-A: static async b<T>(x: T): Promise<T>",
            ),
            (
                "export class A { c = (x) => { return 1 } }\n",
                "export class A { c = (x, y) => { return 2 } }\n",
                "+A: c = (x, y)|-A: c = (x)",
            ),
            (
                "@A() export class B {}\n",
                "@A() export class C {}\n",
                "+export class C|-export class B",
            ),
            ("export const a = 1; // why\n", "/* what */ export   const a = 2\n", ""),
            (
                "export type A =\n  | 1\n  // why\n  | 2\nlet x = 1\n",
                "export type A = | 1 | 3\nlet x = 2\n",
                "+export type A = | 1 | 3|-export type A = | 1 | 2",
            ),
            (
                "a.export = 1; b({ export: 1 })\n",
                "a.export = 2; b({ export: 2 })\n",
                "",
            ),
            (
                "const a = `\nexport const b = 1\n`\n",
                "const a = `\nexport const c = 1\n`\n",
                "",
            ),
            (
                "export { a as b } from './x'\n",
                "export { a } from './x'\n",
                "+export { a } from './x'|-export { a as b } from './x'",
            ),
        ],
    );
}
