//! Makes text that strangers wrote fit to be shown in a row or a log line (THREATS 20).

use unicode_normalization::char::is_combining_mark;

/// Most characters of a label that are shown.
pub const MAX_SHOWN: usize = 64;
/// Marks on one letter; Vietnamese and Hebrew need three. More would be drawn over the lines above and below.
const MAX_MARKS: usize = 4;

/// `text` without control, bidirectional and invisible characters, with every run of white space as one blank, with at most
/// four marks on a letter, and cut to `max_chars` characters, the last of which is then `…`.
pub fn clean(text: &str, max_chars: usize) -> String {
    let mut shown = String::new();
    let mut chars = 0;
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        let mut marks = 0;
        let mut visible = word.chars().filter(|c| !is_invisible(*c) && !is_one_mark_more(*c, &mut marks)).peekable();
        if visible.peek().is_some() && chars > 0 {
            shown.push(' ');
            chars += 1;
        }
        for c in visible {
            shown.push(c);
            chars += 1;
            if chars > max_chars {
                return cut(&shown, max_chars);
            }
        }
    }
    shown
}

/// Whether `c` is a mark above [`MAX_MARKS`], of which `marks` stand before it; joiners between them part nothing.
pub(in crate::proto) fn is_one_mark_more(c: char, marks: &mut usize) -> bool {
    match c {
        '\u{200c}' | '\u{200d}' => return false,
        c if is_combining_mark(c) => *marks += 1,
        _ => *marks = 0,
    }
    *marks > MAX_MARKS
}

/// Whether `text` shows anything: joiners and variation selectors alone do not.
pub fn is_blank(text: &str) -> bool {
    let unseen = |c: char| matches!(c, '\u{200c}' | '\u{200d}' | '\u{2800}' | '\u{fe00}'..='\u{fe0f}');
    text.chars().all(|c| c.is_whitespace() || c.is_control() || is_invisible(c) || unseen(c))
}

/// The longest beginning of `text` that has at most `max` bytes.
pub fn cut_bytes(text: &str, max: usize) -> &str {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn cut(shown: &str, max_chars: usize) -> String {
    let mut cut: String = shown.chars().take(max_chars.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// Characters that show nothing but reorder, hide or fake what stands around them. The two joiners stay: Persian and families of
/// emoji are written with them.
pub fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00ad}' | '\u{034f}' | '\u{061c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_label_cannot_forge_log_lines_or_turn_text_around() {
        let nasty = [
            ("alice\r\n2026-01-01 ERROR root logged in", "alice 2026-01-01 ERROR root logged in"),
            ("\u{1b}[2J\u{1b}[31mred", "[2J [31mred"),
            ("abc\u{202e}gpj.exe\u{202c}", "abcgpj.exe"),
            ("a\u{2066}b\u{2069}\u{200f}c\u{061c}", "abc"),
            ("a\u{0}b\u{85}c\u{2028}d", "a b c d"),
            ("\u{200b}\u{feff}  ", ""),
            ("x\u{e0041}\u{e007f}", "x"),
            ("  many   blanks ", "many blanks"),
        ];
        for (text, shown) in nasty {
            assert_eq!(clean(text, MAX_SHOWN), shown, "{text:?}");
        }
    }

    #[test]
    fn a_name_that_shows_nothing_is_blank() {
        for blank in ["", " \t", "\u{200b}\u{202e}", "\u{200d}\u{200c} \u{fe0f}", "\u{2800}"] {
            assert!(is_blank(blank), "{blank:?}");
        }
        assert!(!is_blank("\u{202e}a") && !is_blank("."));
    }

    #[test]
    fn a_long_label_ends_in_an_ellipsis() {
        assert_eq!(clean("abcdef", 6), "abcdef");
        assert_eq!(clean("abcdefg", 6), "abcde…");
        assert_eq!(clean("ééééééé", 6), "ééééé…");
    }

    #[test]
    fn attack_marks_on_marks_stay_in_their_line() {
        assert_eq!(clean(&format!("a{}b", "\u{301}".repeat(500)), 64), format!("a{}b", "\u{301}".repeat(4)));
        assert_eq!(clean(&"a\u{301}\u{200d}".repeat(3), 64), "a\u{301}\u{200d}".repeat(3));
        for fine in ["Việt Nam", "e\u{302}\u{301}", "שָּׁלוֹם", "हिन्दी", "👩\u{200d}❤\u{fe0f}\u{200d}👩", "1\u{fe0f}\u{20e3}"]
        {
            assert_eq!(clean(fine, 64), fine);
        }
    }

    proptest! {
        #[test]
        fn attack_no_letter_has_more_than_four_marks(text in "[a\u{301}\u{323}\u{200b}\u{200d}\u{fe0f} ]{0,40}") {
            let shown = clean(&text, 80).replace('\u{200d}', "");
            prop_assert!(shown.split(|c| !is_combining_mark(c)).all(|marks| marks.chars().count() <= 4), "{:?}", shown);
            prop_assert_eq!(clean(&clean(&text, 80), 80), clean(&text, 80));
        }

        #[test]
        fn whatever_comes_in_what_comes_out_is_short_and_harmless(text in any::<String>(), max in 1..80usize) {
            let shown = clean(&text, max);
            prop_assert!(shown.chars().count() <= max);
            prop_assert!(!shown.chars().any(|c| c.is_control() || is_invisible(c)));
            prop_assert_eq!(clean(&shown, max), shown);
        }

        #[test]
        fn a_cut_never_splits_a_character(text in any::<String>(), max in 0..20usize) {
            prop_assert!(cut_bytes(&text, max).len() <= max);
        }
    }
}
