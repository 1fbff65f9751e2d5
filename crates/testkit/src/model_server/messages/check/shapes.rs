//! The objects of a request and their fields.

use crate::model_server::rules::Kind::{
    Any, Bool, Count, List, Number, Object, OrNull, Text, TextOrList, Texts,
};
use crate::model_server::rules::Shape;

pub(super) const REQUEST: Shape = Shape {
    required: &[("model", Text), ("max_tokens", Count), ("messages", List)],
    optional: &[
        ("cache_control", OrNull(&Object)),
        ("container", OrNull(&Any)),
        ("context_management", OrNull(&Object)),
        ("diagnostics", OrNull(&Object)),
        ("inference_geo", OrNull(&Text)),
        ("mcp_servers", List),
        ("metadata", Object),
        ("output_config", Object),
        ("service_tier", Text),
        ("speed", OrNull(&Text)),
        ("stop_sequences", Texts),
        ("stream", Bool),
        ("system", TextOrList),
        ("temperature", Number),
        ("thinking", Object),
        ("tool_choice", Object),
        ("tools", List),
        ("top_k", Count),
        ("top_p", Number),
    ],
};

pub(super) const METADATA: Shape = Shape { required: &[], optional: &[("user_id", OrNull(&Text))] };

pub(super) const OUTPUT: Shape = Shape {
    required: &[],
    optional: &[
        ("effort", OrNull(&Text)),
        ("format", OrNull(&Object)),
        ("task_budget", OrNull(&Object)),
    ],
};

pub(super) const OUTPUT_FORMAT: Shape =
    Shape { required: &[("type", Text), ("schema", Object)], optional: &[] };

pub(super) const MESSAGE: Shape =
    Shape { required: &[("role", Text), ("content", TextOrList)], optional: &[] };

pub(super) const TOOL: Shape = Shape {
    required: &[("name", Text), ("input_schema", Object)],
    optional: &[
        ("type", OrNull(&Text)),
        ("allowed_callers", Texts),
        ("cache_control", OrNull(&Object)),
        ("defer_loading", Bool),
        ("description", Text),
        ("eager_input_streaming", OrNull(&Bool)),
        ("input_examples", List),
        ("strict", Bool),
    ],
};

pub(super) const TOOL_CHOICE: Shape = Shape {
    required: &[("type", Text)],
    optional: &[("disable_parallel_tool_use", Bool), ("name", Text)],
};

pub(super) const THINKING: Shape = Shape {
    required: &[("type", Text)],
    optional: &[
        ("budget_tokens", Count),
        ("display", OrNull(&Text)),
        ("block_binding", OrNull(&Object)),
    ],
};

pub(super) const BLOCK_BINDING: Shape =
    Shape { required: &[], optional: &[("prefix_mismatch_behavior", OrNull(&Text))] };

pub(super) const CACHE_CONTROL: Shape =
    Shape { required: &[("type", Text)], optional: &[("ttl", Text)] };

pub(super) const TEXT: Shape = Shape {
    required: &[("type", Text), ("text", Text)],
    optional: &[("cache_control", OrNull(&Object)), ("citations", OrNull(&List))],
};

pub(super) const IMAGE: Shape = Shape {
    required: &[("type", Text), ("source", Object)],
    optional: &[("cache_control", OrNull(&Object)), ("transformations", OrNull(&Object))],
};

pub(super) const DOCUMENT: Shape = Shape {
    required: &[("type", Text), ("source", Object)],
    optional: &[
        ("cache_control", OrNull(&Object)),
        ("citations", OrNull(&Object)),
        ("context", OrNull(&Text)),
        ("title", OrNull(&Text)),
    ],
};

pub(super) const TOOL_USE: Shape = Shape {
    required: &[("type", Text), ("id", Text), ("name", Text), ("input", Object)],
    optional: &[
        ("cache_control", OrNull(&Object)),
        ("caller", Any),
        ("toolset_name", OrNull(&Text)),
    ],
};

pub(super) const TOOL_RESULT: Shape = Shape {
    required: &[("type", Text), ("tool_use_id", Text)],
    optional: &[
        ("cache_control", OrNull(&Object)),
        ("content", TextOrList),
        ("is_error", Bool),
        ("toolset_name", OrNull(&Text)),
    ],
};

pub(super) const THOUGHT: Shape =
    Shape { required: &[("type", Text), ("thinking", Text), ("signature", Text)], optional: &[] };

pub(super) const REDACTED: Shape =
    Shape { required: &[("type", Text), ("data", Text)], optional: &[] };

/// A source with these fields besides `type`.
pub(super) const DATA_SOURCE: Shape =
    Shape { required: &[("type", Text), ("media_type", Text), ("data", Text)], optional: &[] };

pub(super) const URL_SOURCE: Shape =
    Shape { required: &[("type", Text), ("url", Text)], optional: &[] };

pub(super) const FILE_SOURCE: Shape =
    Shape { required: &[("type", Text), ("file_id", Text)], optional: &[] };

pub(super) const CONTENT_SOURCE: Shape =
    Shape { required: &[("type", Text), ("content", TextOrList)], optional: &[] };
