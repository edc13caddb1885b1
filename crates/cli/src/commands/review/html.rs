//! The packet as one HTML page: no script, nothing loaded, everything escaped.

use std::fmt::Write as _;

use ledger_core::Finding;
use runner::redact::printable_lines;
use runner::{BlockerCapsule, ReviewPacket, sentence, strength_name};

const HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
    <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
    <meta name=\"viewport\" content=\"width=device-width\">\n";

const STYLE: &str = "<style>\n\
    body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b }\n\
    h2 { margin-top: 2rem; border-bottom: 1px solid #ccc }\n\
    table { border-collapse: collapse } td, th { text-align: left; padding: .2rem .8rem .2rem 0; vertical-align: top }\n\
    code { background: #f2f2f2; padding: 0 .2rem; overflow-wrap: anywhere }\n\
    blockquote { margin: .5rem 0; padding: .2rem 1rem; border-left: 4px solid #bbb; background: #fafafa; white-space: pre-wrap; \
    overflow-wrap: anywhere }\n\
    .good { color: #14632a } .bad { color: #a11212 } .mind { background: #fff4d6; padding: .4rem .8rem }\n\
    @media (prefers-color-scheme: dark) { body { background: #16181c; color: #e4e4e4 } code, blockquote { background: #24272d } \
    .mind { background: #4a3b0c } .good { color: #7bd88f } .bad { color: #ff8585 } }\n\
    </style>\n";

/// The whole page.
pub(super) fn page(packet: &ReviewPacket) -> String {
    let mut page = Page(String::from(HEAD));
    let title = format!("{}: {}", packet.ticket, packet.title);
    page.raw(&format!("<title>{}</title>\n{STYLE}</head>\n<body>\n", escaped(&title)));
    page.raw(&format!("<h1>{}</h1>\n", escaped(&title)));
    page.raw("<p>Packet role: hand-off for a person, not an approval</p>\n");
    page.facts(packet);
    for warning in packet.stack_in_words().iter().chain(&packet.warnings) {
        page.raw(&format!(
            "<p class=\"mind\"><strong>Mind:</strong> {}</p>\n",
            escaped(warning)
        ));
    }
    if !packet.children.is_empty() {
        page.heading("Children");
        for line in &packet.children {
            page.quote(line);
        }
    }
    if let Some(capsule) = &packet.capsule {
        page.capsule(capsule);
    }
    if !packet.stop_when.is_empty() {
        page.heading("When the worker was to stop");
        for line in &packet.stop_when {
            page.quote(line);
        }
    }
    if let Some(plan) = &packet.plan {
        page.heading("Plan, made before the first edit");
        page.quote(&plan.approach);
        for departure in &packet.departures {
            page.quote(departure);
        }
    }
    if !packet.rounds.is_empty() {
        page.heading("Rounds, each one task that an advisor named");
        for round in &packet.rounds {
            page.quote(&format!("{}: {}; {}", round.n, round.task.what, round.outcome()));
        }
    }
    if !packet.questions.is_empty() {
        page.heading("Questions of the worker's");
        for question in &packet.questions {
            page.quote(&question.line());
        }
    }
    page.change(packet);
    page.checks(packet);
    page.claims(packet);
    page.review(packet);
    if !packet.notes.is_empty() {
        page.heading("Noted for later tickets");
        for note in &packet.notes {
            page.quote(note);
        }
    }
    if !packet.commands.is_empty() {
        page.heading("Next");
        page.raw("<ul>\n");
        for next in &packet.commands {
            let (purpose, command) = (escaped(next.purpose), escaped(&next.command));
            page.raw(&format!("<li>{purpose}: <code>{command}</code></li>\n"));
        }
        page.raw("</ul>\n");
    }
    page.raw("</body>\n</html>\n");
    page.0
}

struct Page(String);

impl Page {
    /// Adds HTML. Whatever comes from outside was escaped before.
    fn raw(&mut self, html: &str) {
        self.0.push_str(html);
    }

    fn heading(&mut self, text: &str) {
        let _ = writeln!(self.0, "<h2>{}</h2>", escaped(text));
    }

    fn quote(&mut self, text: &str) {
        let _ = writeln!(self.0, "<blockquote>{}</blockquote>", escaped(text.trim()));
    }

    fn facts(&mut self, packet: &ReviewPacket) {
        let class = if packet.outcome == "done" { "good" } else { "bad" };
        self.raw("<table>\n");
        let outcome = format!("<strong class=\"{class}\">{}</strong>", escaped(packet.outcome));
        self.raw(&format!("<tr><th>outcome</th><td>{outcome}</td></tr>\n"));
        let run = Some(packet.run.clone());
        for (name, value) in [
            ("run", &run),
            ("branch", &packet.branch),
            ("pushed to", &packet.pushed),
            ("change", &packet.change),
            ("tree", &packet.tree),
            ("base", &packet.base),
        ] {
            if let Some(value) = value {
                self.raw(&format!(
                    "<tr><th>{name}</th><td><code>{}</code></td></tr>\n",
                    escaped(value)
                ));
            }
        }
        if let Some(verdict) = packet.specs {
            let verdict = escaped(verdict.as_str());
            self.raw(&format!(
                "<tr><th>held against its specs</th><td><code>{verdict}</code></td></tr>\n"
            ));
        }
        let spent = format!(
            "{} turns, {} repair rounds, {} tokens, {} s",
            packet.iterations, packet.repair_rounds, packet.tokens.total, packet.seconds
        );
        self.raw(&format!("<tr><th>spent</th><td>{spent}</td></tr>\n</table>\n"));
    }

    fn change(&mut self, packet: &ReviewPacket) {
        self.heading("Change");
        self.raw(&format!("<p>{}</p>\n<ul>\n", packet.paths_in_words()));
        for listed in &packet.paths {
            let kind = serde_json::to_value(listed.kind).ok();
            let kind = kind
                .as_ref()
                .and_then(|kind| kind.as_str())
                .unwrap_or("changed")
                .replace('_', " ");
            let from = listed
                .from
                .as_ref()
                .map(|from| format!(" from <code>{}</code>", escaped(&from.to_string())));
            let path = escaped(&listed.path.to_string());
            self.raw(&format!(
                "<li>{} <code>{path}</code>{}</li>\n",
                escaped(&kind),
                from.unwrap_or_default()
            ));
        }
        self.raw("</ul>\n");
    }

    fn capsule(&mut self, capsule: &BlockerCapsule) {
        self.heading("Blocker");
        let code = escaped(capsule.code.as_str());
        self.raw(&format!("<p><code>{code}</code>: {}</p>\n", escaped(capsule.boundary)));
        self.quote(&capsule.reason);
        self.raw("<ul>\n");
        for (what, words) in [
            ("objective", capsule.objective.clone().unwrap_or_default()),
            ("phase", capsule.phase.unwrap_or("none").to_owned()),
            ("attempts", capsule.attempts()),
            ("the ticket allows", capsule.allowed.join(", ")),
            ("changed", capsule.changed.join(", ")),
        ] {
            if !words.is_empty() {
                self.raw(&format!("<li>{what}: {}</li>\n", escaped(&words)));
            }
        }
        self.raw("</ul>\n");
        self.raw(&format!("<p>Next: {}</p>\n", escaped(&capsule.action)));
        for proof in &capsule.failed {
            self.quote(&proof.line());
            if !proof.excerpt.is_empty() {
                self.quote(&proof.excerpt);
            }
        }
    }

    fn checks(&mut self, packet: &ReviewPacket) {
        self.heading("Checks, run by the runner");
        self.raw("<ul>\n");
        for check in &packet.checks {
            let (class, verdict) = if check.passed() {
                ("good", "passed")
            } else {
                ("bad", "failed")
            };
            let (name, outcome) = (escaped(&check.name), escaped(&check.ending()));
            let sign = format!("<strong class=\"{class}\">{verdict}</strong>");
            self.raw(&format!(
                "<li>{sign}: {name} ({outcome}, <code>{}</code>, {} ms)",
                strength_name(check.strength),
                check.duration_ms
            ));
            if !check.passed() && !check.output.tail.is_empty() {
                self.quote(&check.output.tail);
            }
            self.raw("</li>\n");
        }
        for proof in &packet.acceptance {
            let by = if proof.checks.is_empty() {
                "judged by the reviewer alone".to_owned()
            } else {
                format!("proved by {}", proof.checks.join(", "))
            };
            let wanted = packet.wanted.iter().find(|wanted| wanted.id == proof.id);
            let wanted = wanted.map(|wanted| format!(" ({})", escaped(&sentence(wanted))));
            self.raw(&format!(
                "<li>acceptance {}{}: {}</li>\n",
                escaped(&proof.id),
                wanted.unwrap_or_default(),
                escaped(&by)
            ));
        }
        self.raw("</ul>\n");
        let compared = packet.compared_in_words();
        if !compared.is_empty() {
            self.heading("Tests before and after the change, as they report themselves");
        }
        for line in compared {
            self.quote(&line);
        }
    }

    fn claims(&mut self, packet: &ReviewPacket) {
        let Some(report) = &packet.report else { return };
        self.heading("What the worker says (a claim)");
        self.quote(&report.summary);
        for (name, lines) in [
            ("deviation", &report.deviations),
            ("risk", &report.risks),
            ("skipped", &report.skipped_checks),
        ] {
            for line in lines {
                self.quote(&format!("{name}: {line}"));
            }
        }
    }

    fn review(&mut self, packet: &ReviewPacket) {
        self.heading("Independent review");
        let verdict = packet.verdict.unwrap_or("none");
        let class = if verdict == "pass" { "good" } else { "bad" };
        self.raw(&format!(
            "<p>Verdict: <strong class=\"{class}\">{verdict}</strong></p>\n"
        ));
        if let Some(review) = &packet.review {
            self.quote(review);
        }
        for finding in &packet.findings {
            self.quote(&finding_words(finding));
        }
        for risk in &packet.residual_risks {
            self.quote(&format!("residual risk: {risk}"));
        }
        if !packet.experts.is_empty() {
            self.heading("Experts");
        }
        for opinion in &packet.experts {
            let class = if opinion.verdict == "pass" { "good" } else { "bad" };
            self.raw(&format!(
                "<p>{} of the {}: <strong class=\"{class}\">{}</strong>; called by {}</p>\n",
                opinion.expert,
                opinion.about,
                escaped(&opinion.verdict_in_words()),
                escaped(&opinion.called_by())
            ));
            for line in opinion.lines() {
                self.quote(&line);
            }
        }
    }
}

fn finding_words(finding: &Finding) -> String {
    format!(
        "{} at {}\nexpected: {}\nfound: {}\nrepair: {}",
        finding.severity, finding.place, finding.expected, finding.actual, finding.required_repair
    )
}

/// Text that can stand between tags and in attributes, without control characters.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in printable_lines(text).chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_can_neither_open_a_tag_nor_leave_an_attribute() {
        assert_eq!(
            escaped("<script>\"'&\u{1b}[31m\u{202e}</script>"),
            "&lt;script&gt;&quot;&#39;&amp;&lt;/script&gt;"
        );
    }
}
