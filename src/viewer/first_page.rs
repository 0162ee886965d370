//! The first page of somebody who has none: their name in one of three looks, which they go on writing from there. Plain HTML that runs
//! nothing and loads nothing.

use askama::Template;
use serde::Deserialize;

use crate::http::Problem;

/// A look of the first page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Look {
    /// A card on a coloured ground.
    Card,
    /// A sheet of paper.
    Letter,
    /// Large letters under a night sky.
    Night,
}

#[derive(Template)]
#[template(path = "site_first_card.html")]
struct Card<'a> {
    name: &'a str,
}

#[derive(Template)]
#[template(path = "site_first_letter.html")]
struct Letter<'a> {
    name: &'a str,
}

#[derive(Template)]
#[template(path = "site_first_night.html")]
struct Night<'a> {
    name: &'a str,
}

impl Look {
    /// All there are.
    pub(super) const ALL: [Self; 3] = [Self::Card, Self::Letter, Self::Night];

    /// What the API calls it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::Letter => "letter",
            Self::Night => "night",
        }
    }

    /// What people call it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Card => "Card",
            Self::Letter => "Letter",
            Self::Night => "Night",
        }
    }

    /// The page of somebody called `name`.
    ///
    /// # Errors
    /// 500 where it cannot be made; the cause is in the log.
    pub(super) fn page(self, name: &str) -> Result<String, Problem> {
        let name = if name.is_empty() { "Somebody" } else { name };
        let html = match self {
            Self::Card => Card { name }.render(),
            Self::Letter => Letter { name }.render(),
            Self::Night => Night { name }.render(),
        };
        html.map_err(|cause| {
            tracing::error!(%cause, "the first page could not be made");
            Problem::internal()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// THREATS 21.
    #[test]
    fn a_name_is_text_on_a_first_page_that_runs_and_loads_nothing() {
        for look in Look::ALL {
            let page = look.page("<script>alert(1)</script>").unwrap();
            assert!(page.contains("&#60;script&#62;alert(1)") && !page.contains("<script"), "{page}");
            for wrong in ["http:", "https:", "url(", "src=", "@import", "onload"] {
                assert!(!page.contains(wrong), "{look:?}: {wrong}");
            }
            assert!(page.len() < 4096 && look.page("").unwrap().contains("Somebody"), "{look:?}");
            assert_eq!(serde_json::from_value::<Look>(look.word().into()).unwrap(), look);
        }
    }
}
