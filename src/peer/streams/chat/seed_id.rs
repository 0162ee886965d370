//! The message ids of goop2's first chat: wall time as `YYYYMMDDhhmmss.µµµµµµ` (UTC here, local time there).

use sha2::{Digest, Sha256};

use crate::proto::chat::ChatMessage;

const DAY: u64 = 86_400;

/// The id for `message`: its time, and in the place of microseconds three digits drawn from its own id, so that two messages of one
/// millisecond differ while a repeated one stays the same.
pub(super) fn of(message: &ChatMessage) -> String {
    let (seconds, millis) = (message.at.0 / 1000, message.at.0 % 1000);
    let (year, month, day) = date(seconds / DAY);
    let time = seconds % DAY;
    let drawn = Sha256::digest(message.id.as_bytes());
    let micros = (u32::from(drawn[0]) << 8 | u32::from(drawn[1])) % 1000;
    format!("{year:04}{month:02}{day:02}{:02}{:02}{:02}.{millis:03}{micros:03}", time / 3600, time / 60 % 60, time % 60)
}

/// Year, month and day of a day counted from 1970-01-01, by whole 400-year eras that begin on the first of March.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march = (5 * of_year + 2) / 153;
    let month = if march < 10 { march + 3 } else { march - 9 };
    (era * 400 + year + u64::from(month <= 2), month, of_year - (153 * march + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use libp2p::PeerId;

    use super::*;
    use crate::clock::UnixMillis;

    fn message(at: u64, id: &str) -> ChatMessage {
        ChatMessage {
            id: id.into(),
            from: PeerId::random(),
            to: None,
            community: None,
            content: String::new(),
            at: UnixMillis(at),
            delivered: 0,
        }
    }

    #[test]
    fn an_id_is_the_time_of_the_message() {
        for (at, start) in [
            (0, "19700101000000.000"),
            (951_782_399_999, "20000228235959.999"),
            (951_782_400_000, "20000229000000.000"),
            (1_795_263_528_405, "20261121121848.405"),
            (4_107_542_400_000, "21000301000000.000"),
        ] {
            let id = of(&message(at, "x"));
            assert!(id.starts_with(start) && id.len() == 21, "{id}");
        }
    }

    #[test]
    fn two_messages_of_one_millisecond_differ_and_a_repeated_one_does_not() {
        let ids: std::collections::HashSet<_> = (0..20).map(|n| of(&message(5, &n.to_string()))).collect();
        assert!(ids.len() > 15);
        assert_eq!(of(&message(5, "a")), of(&message(5, "a")));
    }
}
