//! Names of branches and of directories, made from ids that may hold anything.

use canon_digest::sha256;

use crate::engine::FrameId;

/// Longer names are cut; a digest keeps them apart. File systems take 255 bytes, `.lock` included.
const MAX: usize = 120;

/// The branch of a run. Branches of its fan-outs lie elsewhere: a ref cannot be a folder too.
pub(super) fn run_branch(run: &str) -> String {
    format!("canon/run/{}", name(run))
}

/// Where the branches of its fan-outs lie.
pub(super) fn frames(run: &str) -> String {
    format!("canon/branch/{}", name(run))
}

/// The branch of a frame.
pub(super) fn frame_branch(run: &str, frame: &FrameId) -> String {
    if frame.is_root() { run_branch(run) } else { format!("{}/{}", frames(run), flat(frame)) }
}

/// Where commits are held that no branch leads to any more.
pub(super) fn kept(run: &str) -> String {
    format!("refs/canon/{}", name(run))
}

/// A frame's id as one name: one frame may lie within another, one ref may not.
pub(super) fn flat(frame: &FrameId) -> String {
    let parts: Vec<String> = frame.as_str().split('/').map(encode).collect();
    short(parts.join("+"))
}

/// An id as one part of a ref's name.
fn name(id: &str) -> String {
    short(encode(id))
}

fn short(name: String) -> String {
    if name.len() <= MAX {
        return name;
    }
    let digest = sha256(name.as_bytes()).to_string();
    let digest: String = digest.chars().filter(char::is_ascii_hexdigit).take(16).collect();
    // Encoded names are ASCII.
    format!("{}-{digest}", &name[..MAX - 20])
}

/// Letters, digits, `_`, `-`, `@` and single dots within stay, all else is percent-encoded.
fn encode(id: &str) -> String {
    let bytes = id.as_bytes();
    let mut name = String::with_capacity(bytes.len());
    for (at, byte) in bytes.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        let inner = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let plain = match byte {
            b'_' | b'@' => true,
            b'-' => at > 0,
            b'.' => inner(before) && inner(bytes.get(at + 1)) && &bytes[at..] != b".lock",
            byte => byte.is_ascii_alphanumeric(),
        };
        if plain {
            name.push(char::from(*byte));
        } else {
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    match name.as_str() {
        "" => "%".to_owned(),
        "@" => "%40".to_owned(),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(id: &str) -> FrameId {
        FrameId::from(id.to_owned())
    }

    #[test]
    fn every_id_becomes_a_name_that_git_takes_and_no_two_the_same_one() {
        let long = "x".repeat(400);
        let longer = format!("{long}y");
        let ids = [
            "a", "a.b", "a..b", ".a", "a.", "a.lock", "a%2Elock", "a b", "é", "-x", "@", "@{1}",
            "", "a/b", "a+b", "a~1", "a^", "a:b", "a?*[", "a\\b", "\n", "..", &long, &longer,
        ];
        let mut names = std::collections::BTreeSet::new();
        for id in ids {
            let branch = run_branch(id);
            assert!(branch.len() < 200, "{branch}");
            let checked = std::process::Command::new("git")
                .args(["check-ref-format", "--branch", &branch])
                .output()
                .unwrap();
            assert!(checked.status.success(), "{id:?}: {branch}");
            assert!(names.insert(branch.clone()), "{id:?}: {branch}");
        }
    }

    #[test]
    fn a_nested_branch_is_no_folder_of_the_one_that_it_lies_in() {
        let (outer, inner) = (frame("fan/a"), frame("fan/a/fan2@2/b.2"));
        assert_eq!(frame_branch("r", &outer), "canon/branch/r/fan+a");
        assert_eq!(frame_branch("r", &inner), "canon/branch/r/fan+a+fan2@2+b.2");
        assert_eq!(frame_branch("r", &FrameId::root()), "canon/run/r");
    }
}
