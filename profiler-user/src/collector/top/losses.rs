//! What agents lost, told when it becomes more. What a setting had refused is no loss. Pure.

use std::collections::HashMap;

use serde::Deserialize;

use crate::feed::NoticeKind;

/// What the API says of one agent's stream.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Agent {
    pub(super) job_id: String,
    stream: String,
    host: Option<String>,
    agent: Option<u32>,
    is_ended: bool,
    discarded_kernel: u64,
    // A collector of before it was told does not have it, nor does one whose agents do not say.
    #[serde(default)]
    discarded_by_setting: Option<u64>,
    discarded_agent: u64,
    unaccounted_packets: u64,
}

/// See the module: what was told of each stream.
#[derive(Debug, Default)]
pub(super) struct Losses(HashMap<String, Told>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Told {
    /// Records by the kernel program, traces by the agent, packets on the way.
    lost: [u64; 3],
    /// Whether records are refused because of a setting.
    refuses: bool,
}

impl Agent {
    fn name(&self) -> String {
        let pid = self.agent.map_or_else(String::new, |pid| format!(" {pid}"));
        format!("agent{pid} on {}", self.host.as_deref().unwrap_or("an unknown machine"))
    }

    fn told(&self) -> Told {
        // Where it is not known why records were refused, nothing says that they were lost.
        let by_setting = self.discarded_by_setting.unwrap_or(self.discarded_kernel);
        let kernel = self.discarded_kernel.saturating_sub(by_setting);
        Told { lost: [kernel, self.discarded_agent, self.unaccounted_packets], refuses: by_setting > 0 }
    }
}

impl Losses {
    /// What there is to tell of the stream that was not told before.
    pub(super) fn news(&mut self, agent: &Agent) -> Vec<(NoticeKind, String)> {
        let told = agent.told();
        let before = self.0.insert(agent.stream.clone(), told);
        // What a session lost that was over before anybody looked is the page's to tell.
        if before.is_none() && agent.is_ended {
            return Vec::new();
        }
        let before = before.unwrap_or_default();
        let mut news = Vec::new();
        if told.refuses && !before.refuses {
            let why = match agent.discarded_by_setting {
                Some(_) => "by its budget or a pause, which is no loss",
                None => "by its budget, a pause or its bounds: its `stain ctl status` tells",
            };
            news.push((NoticeKind::Process, format!("{}: records are refused {why}", agent.name())));
        }
        if told.lost != before.lost && told.lost != [0; 3] {
            let [kernel, own, packets] = told.lost;
            let parts = [
                (kernel, "records lost in the kernel"),
                (own, "traces lost by the agent"),
                (packets, "packets lost on the way, or still on it"),
            ];
            let parts = parts.into_iter().filter(|(count, _)| *count > 0);
            let parts: Vec<String> = parts.map(|(count, what)| format!("{count} {what}")).collect();
            news.push((NoticeKind::Warning, format!("{}: {}", agent.name(), parts.join(", "))));
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::{Agent, Losses, NoticeKind};

    fn agent(kernel: u64, by_setting: Option<u64>, own: u64) -> Agent {
        Agent {
            stream: "1".to_owned(),
            host: Some("db1".to_owned()),
            agent: Some(7),
            discarded_kernel: kernel,
            discarded_by_setting: by_setting,
            discarded_agent: own,
            ..Agent::default()
        }
    }

    #[test]
    fn what_a_setting_refused_is_no_loss() {
        let mut losses = Losses::default();
        assert_eq!(losses.news(&agent(0, Some(0), 0)), []);
        let refused = "agent 7 on db1: records are refused by its budget or a pause, which is no loss";
        assert_eq!(losses.news(&agent(861, Some(861), 0)), [(NoticeKind::Process, refused.to_owned())]);
        // More of the same is no news; what is lost beside it is.
        assert_eq!(losses.news(&agent(900, Some(900), 0)), []);
        let lost = "agent 7 on db1: 3 records lost in the kernel, 2 traces lost by the agent";
        let wanted = [(NoticeKind::Warning, lost.to_owned())];
        assert_eq!(losses.news(&agent(903, Some(900), 2)), wanted);
        assert_eq!(losses.news(&agent(950, Some(947), 2)), []);
        // An older agent does not say why.
        let older = Losses::default().news(&agent(5, None, 0));
        assert!(
            matches!(&older[..], [(NoticeKind::Process, text)] if text.contains("ctl status")),
            "{older:?}"
        );
    }

    #[test]
    fn a_session_that_was_over_before_is_passed_over() {
        let ended = Agent { is_ended: true, ..agent(9, Some(0), 4) };
        assert_eq!(Losses::default().news(&ended), []);
        let mut losses = Losses::default();
        losses.news(&agent(0, Some(0), 0));
        assert_eq!(losses.news(&ended).len(), 1);
    }
}
