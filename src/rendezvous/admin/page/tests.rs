use super::*;

/// An admin's page of which every text is `text`.
fn rendered(text: &str) -> String {
    let boards = vec![view::filled(text, ""), view::filled(text, "club")];
    let bans = vec![BanView { id: 1, whom: text.into(), place: text.into(), reason: text.into(), ends: text.into() }];
    let page = Page {
        root: String::new(),
        server: text.into(),
        version: "1",
        uptime: text.into(),
        standby: false,
        has_directory: true,
        peers: 1,
        readers: 1,
        streams: 1,
        boards,
        bans,
        broken: Some(text.into()),
        lines: vec![text.into()],
    };
    page.render().unwrap()
}

/// THREATS 21; a browser is asked by tests/board_browser.
#[test]
fn attack_no_text_of_a_stranger_makes_a_tag_or_ends_an_attribute() {
    let count = |text: &str| ["<", ">", "\"", "'"].map(|mark| rendered(text).matches(mark).count());
    let (plain, shown) = (count("x"), rendered("x").matches('x').count() - rendered("").matches('x').count());
    assert!(shown > 30, "every field is shown: {shown}");
    for payload in ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "' autofocus onfocus='alert(1)", "</td></table><b>"] {
        assert_eq!(count(payload), plain, "{payload}");
    }
}
