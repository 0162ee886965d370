//! Pictures (THREATS 28).

use crate::stage::{Stage, new_peer};
use crate::{PNG, SVG, assert_problem, with};

#[tokio::test]
async fn an_avatar_is_a_bitmap_by_its_bytes_and_never_an_svg() {
    let stage = Stage::set().await;
    let (ann, eve, nobody) = (new_peer(), new_peer(), new_peer());
    with(&stage, |play| play.avatars.extend([(ann, PNG.to_vec()), (eve, SVG.to_vec())]));
    let shown = stage.get(&format!("/api/v1/peers/{ann}/avatar")).await;
    assert_eq!((shown.header("content-type"), shown.body.as_slice()), (Some("image/png"), PNG));
    assert!(shown.header("content-security-policy").unwrap().starts_with("sandbox"));
    assert_problem(&stage.get(&format!("/api/v1/peers/{eve}/avatar")).await, 415, "unsupported-media-type");
    assert_problem(&stage.get(&format!("/api/v1/peers/{nobody}/avatar")).await, 404, "not-found");

    assert_problem(&stage.get("/api/v1/avatar").await, 404, "not-found");
    assert_problem(&stage.write("PUT", "/api/v1/avatar", "Content-Type: image/png\r\n", SVG).await, 415, "unsupported-media-type");
    assert_problem(&stage.write("PUT", "/api/v1/avatar", "", &[PNG, &[0; 256 * 1024]].concat()).await, 413, "too-large");
    assert_eq!(stage.play.lock().unwrap().announced, None);
    assert_eq!(stage.write("PUT", "/api/v1/avatar", "", PNG).await.status, 204);
    assert_eq!(stage.get("/api/v1/avatar").await.body, PNG);
    assert_eq!(stage.get(&format!("/api/v1/peers/{}/avatar", stage.me)).await.body, PNG);
    assert_eq!(stage.play.lock().unwrap().announced, Some(Some(PNG.into())));
    assert_eq!(stage.write("DELETE", "/api/v1/avatar", "", b"").await.status, 204);
    assert_eq!(stage.play.lock().unwrap().announced, Some(None));
    assert_eq!(std::fs::read_dir(stage.home.path()).unwrap().count(), 0, "nothing is left beside it");
}

#[tokio::test]
async fn the_picture_of_a_goop2_folder_stands_until_there_is_another_and_again_afterwards() {
    let theirs = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(theirs.path(), [PNG, b"goop2"].concat()).unwrap();
    let stage = Stage::set_with(|options| options.inherited_avatar = Some(theirs.path().into())).await;
    let inherited = std::fs::read(theirs.path()).unwrap();
    assert_eq!(stage.get("/api/v1/avatar").await.body, inherited);
    assert_eq!(stage.write("PUT", "/api/v1/avatar", "", PNG).await.status, 204);
    assert_eq!(stage.get("/api/v1/avatar").await.body, PNG);
    assert_eq!(stage.write("DELETE", "/api/v1/avatar", "", b"").await.status, 204);
    assert_eq!(stage.play.lock().unwrap().announced, Some(Some(inherited.clone().into())));
    assert_eq!(stage.get("/api/v1/avatar").await.body, inherited);
    assert_eq!(std::fs::read(theirs.path()).unwrap(), inherited, "goop2's own file is never written");
}
