//! Where commands run: execution environments, process groups, sandboxes.
