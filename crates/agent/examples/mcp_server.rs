//! The fake server of the Model Context Protocol, as a program that cargo builds beside the tests.

fn main() -> std::io::Result<()> {
    canon_testkit::mcp_server::serve_standard_streams()
}
