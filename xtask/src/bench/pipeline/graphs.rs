//! Graphs that are measured.

use std::fmt::Write as _;

const ENDS: &str = "max_stages=20000; start [shape=Mdiamond] exit [shape=Msquare]\n";

/// `start -> c0 -> … -> exit`, each a command.
pub(super) fn line(stages: usize) -> String {
    let mut graph = format!("digraph line {{ {ENDS}");
    let mut chain = String::from("start");
    for stage in 0..stages {
        let _ = writeln!(
            graph,
            "c{stage} [shape=parallelogram, tool_command=\"echo {stage} > out.txt\"]"
        );
        let _ = write!(chain, " -> c{stage}");
    }
    graph + &chain + " -> exit }\n"
}

/// A fan-out of commands and its fan-in.
pub(super) fn fan(branches: usize) -> String {
    let mut graph = format!(
        "digraph fan {{ {ENDS} fan [shape=component, max_parallel={branches}]\n\
         join [shape=tripleoctagon]\nstart -> fan\njoin -> exit\n"
    );
    for branch in 0..branches {
        let _ = writeln!(
            graph,
            "b{branch} [shape=parallelogram, tool_command=\"true\"]\nfan -> b{branch} -> join"
        );
    }
    graph + "}\n"
}

/// A line of stages of an agent.
pub(super) fn simulated(stages: usize) -> String {
    let mut graph = format!("digraph agents {{ {ENDS}");
    let mut chain = String::from("start");
    for stage in 0..stages {
        let _ = writeln!(graph, "s{stage} [prompt=\"Do part {stage} of $goal\"]");
        let _ = write!(chain, " -> s{stage}");
    }
    graph + &chain + " -> exit }\n"
}
