//! A worker's program that prints a gibibyte.

use super::fit::Growth;
use super::world::Worker;
use super::{Costs, sizes};
use crate::bench::Bench;
use crate::bench::table::Row;
use crate::error::TaskError;

/// In MiB: the runner's memory, whatever is printed, and the log of the turn.
const MEMORY_GOAL: u64 = 100;
const LOG_GOAL: u64 = 600;

/// What is printed before the answer. `$N` MiB of it.
const WAYS: [(&str, &str); 3] = [
    // As Codex tells what a command printed. Each command is another: who does the same over and over is stopped.
    (
        "events with outputs of commands, of 100 kB each",
        r#"head -c 100000 /dev/zero | tr '\0' x | awk -v n=$((N * 10)) '{ for (i = 1; i <= n; i++) printf "{\"type\":\"item.completed\",\"item\":{\"id\":\"c%d\",\"type\":\"command_execution\",\"command\":\"make part-%d\",\"exit_code\":0,\"status\":\"completed\",\"aggregated_output\":\"%s\"}}\n", i, i, $0 }'"#,
    ),
    (
        "lines of 80 bytes that are no events",
        "yes 'Nobody asked for this line, which is repeated until a gibibyte of it is there.' | head -c $((N << 20)); echo",
    ),
    (
        "standard error",
        "yes 'Nobody asked for this line, which is repeated until a gibibyte of it is there.' | head -c $((N << 20)) >&2",
    ),
];

/// How long the turn takes, the runner's memory, and the size of the log, for each way.
pub(super) fn rows(bench: &Bench) -> Result<Vec<Row>, TaskError> {
    let sizes = sizes(bench, [64, 256, 1024]);
    let mut rows = Vec::new();
    for (name, prints) in WAYS {
        let mut costs = Costs::default();
        let mut log = Growth::default();
        for mebibytes in sizes {
            let ran = Worker::Program(&turn(mebibytes, prints))
                .run(bench, "output", |_| Ok(()))?
                .must_end(None)?;
            costs.add(mebibytes, ran.turn(), ran.spent.memory);
            let path = ran.folder()?.join("agent.jsonl");
            let metadata = std::fs::metadata(&path).map_err(TaskError::file(&path))?;
            log.add(mebibytes, Some(metadata.len()));
        }
        let what = format!("{} MiB of a worker's output: {name}", sizes[2]);
        rows.extend(costs.rows(&what, MEMORY_GOAL));
        rows.push(log.memory_row(&format!("the log of it: {what}"), LOG_GOAL));
    }
    Ok(rows)
}

/// A turn that prints so much, writes a file and answers with the report that it is asked for.
fn turn(mebibytes: usize, prints: &str) -> String {
    format!(
        "N={mebibytes}\nprompt=$(cat)\n{LABEL}\necho '{{\"type\":\"thread.started\",\"thread_id\":\"0199a213-81c0-7800-8aa1-bbab2a035a53\"}}'\n\
         {prints}\necho a > a.txt\n{ANSWER}\n\
         echo '{{\"type\":\"turn.completed\",\"usage\":{{\"input_tokens\":5,\"cached_input_tokens\":0,\"output_tokens\":3}}}}'"
    )
}

/// Finds the label of the turn in the prompt.
const LABEL: &str = "label=$(printf '%s' \"$prompt\" | sed -n 's/.*Its property `turn` is exactly: \\(.*\\)/\\1/p')";

/// Says the report.
const ANSWER: &str = r#"cat <<END
{"type":"item.completed","item":{"id":"m","type":"agent_message","text":"{\"turn\":\"$label\",\"status\":\"done\",\"summary\":\"did it\",\"commands\":[],\"skipped_checks\":[],\"deviations\":[],\"risks\":[],\"memory\":[],\"self_review\":{\"checked\":[],\"concerns\":[]},\"wanted_grants\":[],\"question\":[],\"blocked_because\":\"\",\"next_ticket\":\"\"}"}}
END"#;
