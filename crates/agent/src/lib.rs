//! The coding agent loop: a pure session machine, its driver, tools, profiles and prompts.
