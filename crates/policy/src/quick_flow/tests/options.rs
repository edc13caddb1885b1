//! What a command line takes.

use super::api;

#[test]
fn what_a_command_line_takes_is_compared_and_what_it_does_is_not() {
    for (name, before, after, expected) in [
        // clap: what an attribute stands on is a part of it, and of a derived type all that people write.
        (
            "a.rs",
            "struct A {\n    #[arg(long)]\n    b: bool,\n}\nfn x() { 1 }\n",
            "struct A {\n    #[arg(long)]\n    b: bool,\n}\nfn x() { 2 }\n",
            "",
        ),
        (
            "a.rs",
            "struct A {\n    #[arg(long)]\n    b: bool,\n}\n",
            "struct A {\n    #[arg(long, help = \"see https://a (b\")]\n    // why\n    b: bool,\n}\nfn x() {}\n",
            "+b: bool with #[arg(long, help = \"see https://a (b\")]|-b: bool with #[arg(long)]",
        ),
        (
            "a.rs",
            "#[arg(\n    short = 'a',\n)]\nb: bool,\n",
            "#[arg(\n    short = 'a',\n)]\nc: bool,\n",
            "+c: bool with #[arg( short = 'a', )]|-b: bool with #[arg( short = 'a', )]",
        ),
        (
            "a.rs",
            "#[derive(Debug, clap::Subcommand)]\n#[command(\n    flatten,\n)]\nenum A {\n    /// One.\n    B,\n}\nfn x() { 1 }\n",
            "#[derive(Debug, clap::Subcommand)]\n#[command(\n    flatten,\n)]\nenum A {\n    /// Two.\n    B,\n    C { d: u8 },\n}\nfn x() { 2 }\n",
            "+enum A { B, C { d: u8 } }|-enum A { B }",
        ),
        (
            "a.rs",
            "#[derive(Debug)]\nenum A {\n    B,\n}\n",
            "#[derive(Debug)]\nenum A {\n    C,\n}\n",
            "",
        ),
        (
            "a.rs",
            "x.arg(Arg::new(\"a\").long(\"all\"))\n",
            "x.arg(Arg::new(\"a\").long(\"every\"))\n",
            "+every: .long(\"every\")|-all: .long(\"all\")",
        ),
        (
            "a.rs",
            "Command::new(\"git\").arg(\"a\")\n",
            "Command::new(\"git\").arg(\"b\")\n",
            "",
        ),
        // JavaScript: a function among the arguments is not looked at.
        (
            "a.js",
            "p.command('serve').option('--port <n>', 'which').action(() => {\n  run(1)\n})\n",
            "p.command('serve').option('--port <n>', 'which').action(() => {\n  run(2)\n})\n",
            "",
        ),
        (
            "a.js",
            "y.command('serve', 'Serve', (y) => {\n  return y\n    .option(\n      'port',\n      { type: 'number' }\n    )\n}, (argv) => { run(1) })\n",
            "y.command('serve', 'Serve', (y) => {\n  return y\n    .option(\n      'port',\n      { type: 'string' }\n    )\n}, (argv) => { run(2) })\n",
            "+port: .option( 'port', { type: 'string' } )|-port: .option( 'port', { type: 'number' } )",
        ),
        (
            "a.js",
            "p.option('--a')\n",
            "p.option('--a')\np.option('--b')\n",
            "+--b: p.option('--b')",
        ),
        (
            "a.js",
            "// p.option('--a')\ndb.command({ a: 1 })\n",
            "// p.option('--b')\ndb.command({ a: 2 })\n",
            "",
        ),
        // Python: argparse, click, typer.
        (
            "a.py",
            "def _a(p):\n    p.add_argument('--b',  # don't\n        type=int)\n    x = 1\n",
            "def _a(p):\n    p.add_argument('--b',  # do\n        type=int)\n    x = 2\n",
            "",
        ),
        (
            "a.py",
            "def _a(p):\n    p.add_argument('--b',\n        type=int)\n",
            "def _a(p):\n    p.add_argument('--b',\n        type=str)\n",
            "+--b: p.add_argument('--b', type=str)|---b: p.add_argument('--b', type=int)",
        ),
        (
            "a.py",
            "@click.command()\n@click.option('--b', default=1)\ndef _a(b):\n    return 1\n",
            "@click.command()\n@click.option('--b', default=2)\ndef _a(b):\n    return 2\n",
            "+def _a(b) with @click.option('--b', default=2)|-def _a(b) with @click.option('--b', default=1)",
        ),
        (
            "a.py",
            "@app.command\ndef _a(b: int = typer.Option(1)): pass\n",
            "@app.command\ndef _a(b: int = typer.Option(2)): pass\n",
            "+def _a(b: int = typer.Option(2)|+def _a(b: int = typer.Option(2)): pass with @app.command|\
             -def _a(b: int = typer.Option(1)|-def _a(b: int = typer.Option(1)): pass with @app.command",
        ),
        (
            "a.py",
            "@app.get('/a')\ndef _a(): pass\n",
            "@app.get('/b')\ndef _a(): pass\n",
            "",
        ),
        // Go: flag, pflag, cobra, urfave/cli.
        (
            "a.go",
            "func main() {\n\tp := flag.Int(\"port\", 1, \"which\")\n\tx(1)\n}\n",
            "func main() {\n\tp := flag.Int(\"port\", 2, \"which\")\n\tx(2)\n}\n",
            "+port: p := flag.Int(\"port\", 2, \"which\")|-port: p := flag.Int(\"port\", 1, \"which\")",
        ),
        (
            "a.go",
            "\tc.Flags().StringVarP(&a, \"a\", \"x\", \"\", \"\")\n\tflag.Parse()\n",
            "\tc.Flags().StringVarP(&a, \"b\", \"x\", \"\", \"\")\n\tif flag.Parsed() {\n\t}\n",
            "+c.Flags().StringVarP(&a, \"b\", \"x\", \"\", \"\")|-c.Flags().StringVarP(&a, \"a\", \"x\", \"\", \"\")",
        ),
        (
            "a.go",
            "\tUse:   \"serve\",\n\tRunE: func() { x(1) },\n",
            "\tUse: \"run\",\n\tRunE: func() { x(2) },\n",
            "+Use: \"run\"|-Use: \"serve\"",
        ),
        (
            "a.go",
            "&cli.BoolFlag{Name: \"a\", Action: func() {\n x(1)\n}},\n",
            "&cli.BoolFlag{Name: \"b\", Action: func() {\n x(2)\n}},\n",
            "+&cli.BoolFlag{Name: \"b\", Action:|-&cli.BoolFlag{Name: \"a\", Action:",
        ),
        // Those that write `public` in front.
        (
            "A.java",
            "  @Option(names = \"-a\")\n  private boolean a;\n  int x = 1;\n",
            "  @Option(names = \"-b\")\n  private boolean a;\n  int x = 2;\n",
            "+private boolean a with @Option(names = \"-b\")|-private boolean a with @Option(names = \"-a\")",
        ),
        (
            "A.cs",
            "var a = new Option<int[]>(\"--a\");\n",
            "var a = new Option<int[]>(\"--b\");\n",
            "+--b: var a = new Option<int[]>(\"--b\")|---a: var a = new Option<int[]>(\"--a\")",
        ),
        (
            "A.php",
            "$this->addOption('a', null, ['x' => 1]);\n$this->run(1);\n",
            "$this->addOption('a', null, ['x' => 2]);\n$this->run(2);\n",
            "+a: $this->addOption('a', null, ['x' => 2])|-a: $this->addOption('a', null, ['x' => 1])",
        ),
        (
            "A.swift",
            "  @Flag var a = false\n",
            "  @Flag var b = false\n",
            "+var b = false with @Flag|-var a = false with @Flag",
        ),
        (
            "A.kt",
            "private class A {\n  val b by option(\"-b\").flag()\n  fun run() { 1 }\n}\n",
            "private class A {\n  val b by option(\"-c\").flag()\n  fun run() { 2 }\n}\n",
            "+-c: val b by option(\"-c\")|--b: val b by option(\"-b\")",
        ),
        (
            "a.rb",
            "opts.on('-a', '--all') do\n  run 1\nend\nx.on(:b) { 1 }\n",
            "opts.on('-a', '--every') do\n  run 2\nend\nx.on(:b) { 2 }\n",
            "+-a: opts.on('-a', '--every')|--a: opts.on('-a', '--all')",
        ),
        (
            "a.rb",
            "method_option :a,\n  type: :boolean\nx 1\n",
            "method_option :a,\n  type: :string\nx 2\n",
            "+method_option :a, type: :string|-method_option :a, type: :boolean",
        ),
    ] {
        assert_eq!(api(name, before, after), expected, "{name}: {before:?} {after:?}");
    }
}

#[test]
fn what_stands_behind_a_comment_in_its_line_is_looked_at() {
    for (name, before, after, expected) in [
        ("a.js", "", "/**/ p.option('--a')\n", "+--a: p.option('--a')"),
        ("a.js", "", "/* x\n * y */ p.option('--a')\n", "+--a: p.option('--a')"),
        (
            "a.js",
            "p.option('--a', /* why */ 1)\n",
            "p.option('--a', /* what */ 2)\n",
            "+--a: p.option('--a', 2)|---a: p.option('--a', 1)",
        ),
        (
            "a.rs",
            "",
            "fn f(slot: &mut Arg) {\n    *slot = Arg::new(\"a\");\n}\n",
            "+a: *slot = Arg::new(\"a\")",
        ),
        ("a.rs", "", "/**\n * Arg::new(\"a\")\n */\nfn f() {}\n", ""),
        (
            "a.rs",
            "",
            "#[arg(long)]\n/** One.\n * Two. */ a: bool,\n",
            "+a: bool with #[arg(long)]",
        ),
    ] {
        assert_eq!(api(name, before, after), expected, "{name}: {before:?} {after:?}");
    }
}
