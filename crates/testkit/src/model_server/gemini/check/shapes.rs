//! The objects of a request and their fields.

use crate::model_server::rules::Kind::{Any, Bool, Count, List, Number, Object, Text, Texts};
use crate::model_server::rules::Shape;

pub(super) const REQUEST: Shape = Shape {
    required: &[("contents", List)],
    optional: &[
        ("cachedContent", Text),
        ("continuationToken", Text),
        ("generationConfig", Object),
        ("labels", Object),
        ("safetySettings", List),
        ("serviceTier", Text),
        ("store", Bool),
        ("systemInstruction", Object),
        ("toolConfig", Object),
        ("tools", List),
    ],
};

pub(super) const CONTENT: Shape =
    Shape { required: &[("role", Text), ("parts", List)], optional: &[] };

pub(super) const INSTRUCTION: Shape =
    Shape { required: &[("parts", List)], optional: &[("role", Text)] };

pub(super) const PART: Shape = Shape {
    required: &[],
    optional: &[
        ("codeExecutionResult", Object),
        ("executableCode", Object),
        ("fileData", Object),
        ("functionCall", Object),
        ("functionResponse", Object),
        ("inlineData", Object),
        ("mediaResolution", Any),
        ("partMetadata", Object),
        ("text", Text),
        ("thought", Bool),
        ("thoughtSignature", Text),
        ("toolCall", Object),
        ("toolResponse", Object),
        ("videoMetadata", Object),
    ],
};

/// The fields of a part of which exactly one is there.
pub(super) const DATA: [&str; 9] = [
    "codeExecutionResult",
    "executableCode",
    "fileData",
    "functionCall",
    "functionResponse",
    "inlineData",
    "text",
    "toolCall",
    "toolResponse",
];

pub(super) const CALL: Shape =
    Shape { required: &[("name", Text)], optional: &[("id", Text), ("args", Object)] };

pub(super) const RESPONSE: Shape = Shape {
    required: &[("name", Text), ("response", Object)],
    optional: &[("id", Text), ("parts", List), ("scheduling", Text), ("willContinue", Bool)],
};

pub(super) const BLOB: Shape =
    Shape { required: &[("mimeType", Text), ("data", Text)], optional: &[("displayName", Text)] };

pub(super) const FILE: Shape = Shape {
    required: &[("fileUri", Text)],
    optional: &[("mimeType", Text), ("displayName", Text)],
};

pub(super) const SAFETY: Shape =
    Shape { required: &[("category", Text), ("threshold", Text)], optional: &[("method", Text)] };

pub(super) const GENERATION: Shape = Shape {
    required: &[],
    optional: &[
        ("audioTranscriptionConfig", Object),
        ("candidateCount", Count),
        ("enableEnhancedCivicAnswers", Bool),
        ("frequencyPenalty", Number),
        ("imageConfig", Object),
        ("logprobs", Count),
        ("maxOutputTokens", Count),
        ("mediaResolution", Text),
        ("presencePenalty", Number),
        ("responseJsonSchema", Any),
        ("responseLogprobs", Bool),
        ("responseMimeType", Text),
        ("responseModalities", Texts),
        ("responseSchema", Object),
        ("seed", Number),
        ("speechConfig", Object),
        ("stopSequences", Texts),
        ("temperature", Number),
        ("thinkingConfig", Object),
        ("topK", Number),
        ("topP", Number),
    ],
};

pub(super) const THINKING: Shape = Shape {
    required: &[],
    optional: &[("includeThoughts", Bool), ("thinkingBudget", Number), ("thinkingLevel", Text)],
};

pub(super) const TOOL: Shape = Shape {
    required: &[],
    optional: &[
        ("codeExecution", Object),
        ("computerUse", Object),
        ("fileSearch", Object),
        ("functionDeclarations", List),
        ("googleMaps", Object),
        ("googleSearch", Object),
        ("googleSearchRetrieval", Object),
        ("mcpServers", List),
        ("urlContext", Object),
    ],
};

pub(super) const FUNCTION: Shape = Shape {
    required: &[("name", Text)],
    optional: &[
        ("behavior", Text),
        ("description", Text),
        ("parameters", Object),
        ("parametersJsonSchema", Object),
        ("response", Object),
        ("responseJsonSchema", Object),
    ],
};

pub(super) const TOOL_CONFIG: Shape = Shape {
    required: &[],
    optional: &[
        ("functionCallingConfig", Object),
        ("includeServerSideToolInvocations", Bool),
        ("retrievalConfig", Object),
    ],
};

pub(super) const CALLING: Shape = Shape {
    required: &[],
    optional: &[
        ("allowedFunctionNames", Texts),
        ("mode", Text),
        ("streamFunctionCallArguments", Bool),
    ],
};
