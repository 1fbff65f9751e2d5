use super::*;
use crate::graph::{Origin, Value};

fn source(body: &str) -> String {
    format!("digraph g {{ start [shape=Mdiamond] exit [shape=Msquare] {body} }}")
}

fn inputs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn prompt(graph: &Graph, node: &str) -> String {
    graph.node(graph.find(node).unwrap()).prompt().to_owned()
}

/// The errors of a source, and what their places hold.
fn refused(prepare: &Prepare, source: &str) -> Vec<(String, String, String)> {
    let errors = prepare.prepare(source).unwrap_err().diagnostics.into_iter();
    errors
        .filter(Diagnostic::is_error)
        .map(|error| {
            let span = error.span.unwrap_or_default();
            let at = source[span.start as usize..span.end as usize].to_owned();
            (error.rule.into_owned(), error.message, at)
        })
        .collect()
}

#[test]
fn pipeline_11_11_the_goal_is_expanded_in_prompts() {
    let source = source(
        "goal=\"win\"; a [prompt=\"$goal, $goal! $goalpost $goal_x ${goal} $5\"]
         b [label=\"see $goal\"] start -> a -> b -> exit",
    );
    let graph = Prepare::new().prepare(&source).unwrap().graph;
    assert_eq!(prompt(&graph, "a"), "win, win! $goalpost $goal_x ${goal} $5");
    assert_eq!(graph.node(graph.find("b").unwrap()).instruction(), "see win");
}

#[test]
fn pipeline_11_12_a_stylesheet_sets_the_model_by_shape_and_prompts_know_the_goal() {
    let source = source(
        "goal=\"win\"; model_stylesheet=\"box { llm_model: m1 }\"; a [prompt=\"$goal\"]
         b [llm_model=own] start -> a -> b -> exit",
    );
    let graph = Prepare::new().prepare(&source).unwrap().graph;
    let model = |node: &str| graph.llm_model(graph.find(node).unwrap()).unwrap().to_owned();
    assert_eq!(
        (model("a"), model("b"), prompt(&graph, "a")),
        ("m1".into(), "own".into(), "win".into())
    );
}

struct Audit(&'static str);

impl Transform for Audit {
    fn apply(&self, graph: &Graph, found: &mut Vec<Diagnostic>) -> Graph {
        found.push(Diagnostic::info("audit", self.0));
        let mut graph = graph.clone();
        let a = graph.find("a").unwrap();
        let prompt = format!("{}+{}", graph.node(a).prompt(), self.0);
        graph.set_node_attr(a, "prompt", Value::string(prompt), Origin::Transform);
        graph
    }
}

#[test]
fn pipeline_11_11_own_transforms_run_in_order_after_the_built_in_ones_and_before_the_checks() {
    let source = source("goal=\"win\"; a [prompt=\"$goal\"] start -> a -> exit");
    let parsed = Graph::parse(&source).unwrap().graph;
    let prepare = Prepare::new().transform(Audit("one")).transform(Audit("two"));
    let prepared = prepare.prepare(&source).unwrap();
    assert_eq!(prompt(&prepared.graph, "a"), "win+one+two");
    assert_eq!(prepared.diagnostics.iter().filter(|found| found.rule == "audit").count(), 2);
    assert_eq!(prompt(&parsed, "a"), "$goal", "the graph itself stays as it is");

    struct Orphan;
    impl Transform for Orphan {
        fn apply(&self, graph: &Graph, _: &mut Vec<Diagnostic>) -> Graph {
            let mut graph = graph.clone();
            graph.add_node("orphan");
            graph
        }
    }
    let errors = refused(&Prepare::new().transform(Orphan), &source);
    assert_eq!(errors[0].0, "reachability", "what a transform does is checked: {errors:?}");
}

#[test]
fn inputs_are_put_in_once_and_as_they_are() {
    let source = source(
        "goal=\"fix $inputs.ticket\"
         a [prompt=\"$goal; $inputs.ticket. $inputs.n_1/$inputs. $inputsx\"] start -> a -> exit",
    );
    let values = inputs(&[("ticket", "$goal $inputs.n_1 `rm -rf ~`"), ("n_1", "1")]);
    let prepared = Prepare::new().inputs(values).prepare(&source).unwrap();
    let ticket = "$goal $inputs.n_1 `rm -rf ~`";
    assert_eq!(prepared.graph.goal(), format!("fix {ticket}"));
    assert_eq!(
        prompt(&prepared.graph, "a"),
        format!("fix {ticket}; {ticket}. 1/$inputs. $inputsx")
    );
    let used: Vec<_> = prepared.inputs.iter().map(String::as_str).collect();
    assert_eq!(used, ["n_1", "ticket"]);
    // A check that knows no values leaves them be.
    let prepared = Prepare::new().prepare(&source).unwrap();
    assert_eq!(prepared.graph.goal(), "fix $inputs.ticket");
    assert_eq!(prepared.inputs.len(), 2);
}

#[test]
fn an_input_that_is_not_given_is_an_error_where_it_is_used() {
    let source =
        source("goal=\"x $inputs.a\"; a [prompt=\"say \\\"$inputs.b\\\"\"] start -> a -> exit");
    let errors = refused(&Prepare::new().inputs(inputs(&[])), &source);
    let seen: Vec<_> = errors.iter().map(|(rule, _, at)| (rule.as_str(), at.as_str())).collect();
    assert_eq!(seen, [("input_undefined", "$inputs.a"), ("input_undefined", "$inputs.b")]);
    let values = inputs(&[("a", ""), ("b", ""), ("c", "")]);
    let found = Prepare::new().inputs(values).prepare(&source).unwrap().diagnostics;
    let unused: Vec<_> = found.iter().filter(|found| found.rule == "input_unused").collect();
    assert_eq!(unused.len(), 1);
    assert!(unused[0].message.contains("`c`"), "{unused:?}");
}

#[test]
fn an_input_is_never_spliced_into_a_command() {
    let source = source(
        "a [shape=parallelogram, tool_command=\"cat $inputs.file\"]
         b [tool_hooks.pre=\"echo $ATTRACTOR_INPUT_file\"] start -> a -> b -> exit",
    );
    for prepare in [Prepare::new(), Prepare::new().inputs(inputs(&[("file", "x; rm -rf /")]))] {
        let errors = refused(&prepare, &source);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert_eq!((&*errors[0].0, &*errors[0].2), ("input_in_command", "$inputs.file"));
    }
    let source = source.replace("$inputs.file", "\\\"$ATTRACTOR_INPUT_file\\\"");
    let prepare = Prepare::new().inputs(inputs(&[("file", "x; rm -rf /")]));
    let prepared = prepare.prepare(&source).unwrap();
    assert!(!prepared.diagnostics.iter().any(|found| found.rule == "input_unused"));
}

#[test]
fn prompts_come_from_files_below_the_source() {
    let temp = tempfile::tempdir().unwrap();
    let base = temp.path().join("pipes");
    std::fs::create_dir_all(base.join("prompts")).unwrap();
    std::fs::write(base.join("prompts/plan.md"), "Plan $goal\nfor $inputs.who\n").unwrap();
    std::fs::write(base.join("empty.md"), " \n").unwrap();
    std::fs::write(base.join("binary.md"), [0xff, 0xfe]).unwrap();
    std::fs::write(base.join("large.md"), vec![b'x'; MAX_PROMPT as usize + 1]).unwrap();
    std::fs::write(temp.path().join("outside.md"), "secret").unwrap();
    std::os::unix::fs::symlink("../outside.md", base.join("link.md")).unwrap();
    std::os::unix::fs::symlink("prompts/plan.md", base.join("inside.md")).unwrap();
    let with = |name: &str| source(&format!("goal=g; a [prompt=\"@{name}\"] start -> a -> exit"));
    let prepare = || Prepare::new().base(&base).inputs(inputs(&[("who", "me")]));
    for name in ["prompts/plan.md", " inside.md", "prompts/../inside.md"] {
        let graph = prepare().prepare(&with(name)).unwrap().graph;
        assert_eq!(prompt(&graph, "a").trim_end(), "Plan g\nfor me");
    }
    let outside = temp.path().join("outside.md");
    for (name, why) in [
        ("missing.md", "No such file"),
        ("../outside.md", "outside of"),
        (outside.to_str().unwrap(), "outside of"),
        ("link.md", "outside of"),
        ("prompts", "no plain file"),
        ("empty.md", "empty"),
        ("binary.md", "UTF-8"),
        ("large.md", "larger than"),
    ] {
        let errors = refused(&prepare(), &with(name));
        let (rule, message, at) = &errors[0];
        assert_eq!((rule.as_str(), at.as_str()), ("prompt_file", &*format!("\"@{name}\"")));
        assert!(message.contains(why), "{name}: {message}");
        assert!(!message.contains("secret"), "{message}");
    }
    let errors = refused(&Prepare::new(), &with("prompts/plan.md"));
    assert!(errors[0].1.contains("no file that it could lie beside"), "{errors:?}");
    // More than a line is a text.
    let graph = prepare().prepare(&with("all\nplease")).unwrap().graph;
    assert_eq!(prompt(&graph, "a"), "@all\nplease");
}

#[test]
fn all_errors_are_told_at_once() {
    let source = source("a [prompt=\"@x.md\"] b [prompt=\"$inputs.k\"] c; start -> a -> b -> exit");
    let prepare = Prepare::new().inputs(inputs(&[]));
    let rules: Vec<_> = refused(&prepare, &source).into_iter().map(|(rule, ..)| rule).collect();
    assert_eq!(rules, ["prompt_file", "input_undefined", "reachability"]);
}
