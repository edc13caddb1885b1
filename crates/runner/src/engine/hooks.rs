//! Running the hooks of the policy. Their commands are a person's, and what they find in their place may be the worker's: they run as checks do, and show
//! nothing.

use git_delivery::Leftovers;
use ledger_core::{BlockerCode, HookPoint, Observation, Run, Strength, TreeId};
use tokio::sync::watch;

use super::checks::{CheckPlace, ROOM_FOR_RESULTS, failed, fitted, fitted_all, keep_output};
use super::set_up::{Surroundings, stopped};
use super::{Engine, Failed, base_of};
use crate::check::{Check, CheckCommand};
use crate::run_variables::hook_variables;

impl Engine {
    pub(super) fn run_hook(&mut self, seq: u64, hook: HookPoint, tree: TreeId, run: &Run) {
        let hooks = &self.plan.policy.hooks;
        let prepared = hooks.command(hook).map(str::to_owned).ok_or_else(|| {
            let reason = format!("the policy has no hook `{hook}`");
            Failed::new(BlockerCode::NeedsPerson, reason)
        });
        let prepared = prepared.and_then(|command| Ok((command, base_of(run)?)));
        let (command, base) = match prepared {
            Ok(prepared) => prepared,
            Err(failed) => return self.blocking(seq, || Err(failed)),
        };
        let place = self.check_place(base, tree);
        let folder = self.plan.confinement.place.to_string_lossy();
        let check = Check {
            name: hook.as_str().to_owned(),
            command: CheckCommand::Shell(command),
            timeout: hooks.timeout.to_std(),
            variables: Vec::new(),
            given: hook_variables(run, &self.plan.ticket.file.title, hook, tree, &folder).0,
            network: hooks.network,
            report: None,
            proves: Vec::new(),
            strength: Strength::RunnerRan,
        };
        let interrupted = self.interrupt.subscribe();
        self.waiting(seq, async move {
            let ended = run_in(&place, &check, &interrupted).await;
            if hook.is_of_iteration() {
                place.tidy();
            }
            ended
        });
    }
}

async fn run_in(place: &CheckPlace, hook: &Check, interrupted: &watch::Receiver<bool>) -> Result<Observation, Failed> {
    let plan = &place.plan;
    let Some(sandbox) = &plan.sandbox else {
        let reason = "hooks need a sandbox and there is none";
        return Err(Failed::new(BlockerCode::SandboxUnavailable, reason));
    };
    let Some(prepared) = place.prepare(Leftovers::KeepIgnored, interrupted).await? else {
        return Ok(Observation::Interrupted);
    };
    let surroundings = Surroundings::of(plan)?;
    let bench = surroundings.bench(plan, &plan.confinement, Some(sandbox));
    let output = surroundings.outputs.join("current");
    let ran = bench
        .run(hook, &output, None, stopped(interrupted))
        .await
        .map_err(|error| failed(&error))?;
    keep_output(&surroundings.outputs, &output, &ran.result).map_err(|error| Failed::of(&error))?;
    if !ran.result.outcome.succeeded() {
        // It may have stopped in the middle of what it did to what was set up.
        place.set_up_is_spent();
    }
    let mut room = ROOM_FOR_RESULTS;
    Ok(Observation::HookEnded {
        result: fitted(ran.result, &mut room),
        set_up: fitted_all(prepared.set_up, &mut room),
    })
}
