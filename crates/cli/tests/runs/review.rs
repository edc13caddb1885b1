//! `foil review`

use crate::seen;
use crate::world::{TICKET, done, is_harmless, json};

#[test]
fn the_packet_is_markdown_that_no_terminal_obeys() {
    let world = done();
    let said = world.foil(&["review", TICKET]);
    assert!(is_harmless(&said.stdout), "{said}");
    seen!("review_markdown", said);
    assert_eq!(world.foil(&["review", TICKET, "--markdown"]).stdout, said.stdout);
}

#[test]
fn the_page_holds_no_script_and_loads_nothing() {
    let world = done();
    let page = world.foil(&["review", TICKET, "--html"]).stdout;
    assert!(is_harmless(&page));
    for tag in ["<script", "<b>", "<img", "<link", "<iframe", "src=", "href="] {
        assert!(!page.contains(tag), "{tag}");
    }
    assert!(page.contains("said &lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(page.contains("good &amp; &lt;b&gt;bold&lt;/b&gt;"));
    assert!(page.contains("default-src 'none'"));
    assert_eq!(
        page.matches("<blockquote>").count(),
        page.matches("</blockquote>").count()
    );
}

#[test]
fn the_packet_is_one_json_document() {
    let world = done();
    let said = world.foil(&["review", TICKET, "--json"]);
    assert!(json(&said).is_object() && is_harmless(&said.stdout), "{said}");
    seen!("review_json", said);
    assert_eq!(world.foil(&["review", TICKET, "--json", "--html"]).code, Some(2));
}

#[test]
fn the_prompt_quotes_the_packet_as_material() {
    let world = done();
    seen!("review_prompt", world.foil(&["review", TICKET, "--prompt"]));
}

#[test]
fn nothing_is_overwritten() {
    let world = done();
    let path = world.folder().join("packet.md");
    let name = path.to_str().unwrap();
    assert_eq!(world.foil(&["review", TICKET, "--write", name]).code, Some(0));
    let written = std::fs::read_to_string(&path).unwrap();
    assert_eq!(written, world.foil(&["review", TICKET]).stdout);
    let again = world.foil(&["review", TICKET, "--html", "--write", name]);
    assert_eq!(again.code, Some(1));
    assert!(again.stderr.contains("nothing is overwritten"), "{again}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), written);
}
