//! Lines that somebody may paste into a shell, although others wrote a part of them.

/// `text` as one word of a POSIX shell, whoever wrote it.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_what_is_typed_runs_nothing_that_another_wrote() {
        assert_eq!(quoted("https://x/'$(rm -r ~)'"), r"'https://x/'\''$(rm -r ~)'\'''");
    }
}
