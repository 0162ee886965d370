//! One's own site, made and changed in a browser.

use serde_json::json;

use super::pages::open;
use crate::chromium::Browser;
use crate::stage::Stage;

const ANSWER: &str = "window.asked = []; window.confirm = (what) => asked.push(what); window.prompt = () => given[0]; return 1";

fn listed(path: &str) -> String {
    format!("document.querySelector('[data-path=\"{path}\"]')")
}

async fn write(browser: &Browser, text: &str) {
    let script = "const text = document.getElementById('text'); text.value = given[0]; text.dispatchEvent(new Event('input')); return 1";
    browser.run(script, vec![json!(text)]).await;
}

/// Waits until the frame shows these words; goes back to the page around it.
async fn shows(browser: &Browser, words: &str) {
    let seen = async {
        loop {
            browser.driver.enter_default_frame().await.unwrap();
            let there = match browser.driver.find(thirtyfour::By::Id("shown")).await {
                Ok(frame) => frame.enter_frame().await.is_ok(),
                Err(_) => false,
            };
            if there && browser.driver.source().await.is_ok_and(|source| source.contains(words)) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(crate::chromium::SOON, seen).await.unwrap_or_else(|_| panic!("the frame does not show {words}"));
    browser.driver.enter_default_frame().await.unwrap();
}

async fn read(stage: &Stage, path: &str) -> String {
    stage.get(&format!("/api/v1/site/{path}")).await.text()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_no_site_has_one_after_a_click_and_writes_on_it() {
    let Some(browser) = Browser::open().await else { return };
    let stage = Stage::set().await;
    open(&browser, &stage, "site").await;
    browser.click("[data-look=night]").await;
    browser.until("document.getElementById('name-wrong')?.textContent.includes('missing') && document.activeElement.id === 'name'").await;
    browser.press("Ann & Co").await;
    browser.click("[data-look=letter]").await;
    browser.until(&format!("{} && !document.querySelector('[data-look]')", listed("index.html"))).await;
    shows(&browser, "Dear visitor").await;
    browser.click("[data-path] a[href*=edit]").await;
    browser.until("location.pathname === '/site/edit' && document.body.dataset.live === 'yes'").await;
    write(&browser, "<h1>My own words</h1><script>document.body.append('and more')</script>").await;
    browser.click("#preview").await;
    shows(&browser, "My own words").await;
    let before = read(&stage, "index.html").await;
    browser.click("#edit .first").await;
    browser.until("document.getElementById('state').textContent === 'saved'").await;
    shows(&browser, "and more").await;
    browser.close().await;
    assert!(before.contains("Dear visitor") && before.contains("Ann &#38; Co"), "a preview saves nothing");
    assert!(read(&stage, "index.html").await.starts_with("<h1>My own words</h1>"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tabs_that_edit_one_file_lose_nothing() {
    let Some(browser) = Browser::open().await else { return };
    let stage = Stage::set().await;
    stage.write("PUT", "/api/v1/site/a.html", "", b"first").await;
    let save = async |text: &str| {
        write(&browser, text).await;
        browser.click("#edit .first").await;
    };
    let conflict = "!document.getElementById('conflict').hidden";
    let saved = "document.getElementById('state').textContent === 'saved'";

    open(&browser, &stage, "site/edit?path=a.html").await;
    stage.write("PUT", "/api/v1/site/a.html", "", b"theirs").await;
    save("mine").await;
    browser.until(conflict).await;
    let both = "return [document.getElementById('text').value, document.getElementById('theirs').value]";
    let compared = browser.run(both, vec![]).await;
    let kept = read(&stage, "a.html").await;
    browser.click("#take").await;
    let swapped = browser.run(both, vec![]).await;
    save("theirs and mine").await;
    browser.until(saved).await;
    let merged = read(&stage, "a.html").await;

    stage.write("PUT", "/api/v1/site/a.html", "", b"theirs again").await;
    save("mine again").await;
    browser.until(conflict).await;
    browser.click("#both").await;
    browser.until("location.search.includes('mine') && document.body.dataset.live === 'yes'").await;
    let beside = (read(&stage, "a.html").await, read(&stage, "a%20(mine).html").await);

    stage.write("DELETE", "/api/v1/site/a%20(mine).html", "", b"").await;
    save("anew").await;
    browser.until(&format!("{conflict} && document.getElementById('conflict-title').textContent.includes('deleted')")).await;
    browser.click("#mine").await;
    browser.until(saved).await;
    browser.close().await;
    assert_eq!((compared, kept.as_str()), (json!(["mine", "theirs"]), "theirs"));
    assert_eq!((swapped, merged.as_str()), (json!(["theirs", "mine"]), "theirs and mine"));
    assert_eq!((beside.0.as_str(), beside.1.as_str()), ("theirs again", "mine again"));
    assert_eq!(read(&stage, "a%20(mine).html").await, "anew");
}

const CHOOSE: &str = "const held = new DataTransfer();
    for (const [name, size] of given[0]) held.items.add(new File(['x'.repeat(size)], name));
    const input = document.getElementById('file'); input.files = held.files; input.dispatchEvent(new Event('change')); return 1";
const DROP: &str = "const held = new DataTransfer(); held.items.add(new File(['dropped'], given[0]));
    document.getElementById('main').dispatchEvent(new DragEvent('drop', { dataTransfer: held, bubbles: true, cancelable: true })); return 1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_added_renamed_and_deleted_and_what_is_not_says_why() {
    let Some(browser) = Browser::open().await else { return };
    let stage = Stage::set_with(|options| options.max_file = 400_000).await;
    let told = |words: &str| format!("document.getElementById('told').textContent.includes('{words}')");
    open(&browser, &stage, "site").await;
    browser.run(ANSWER, vec![json!("pictures/b c.jpg")]).await;
    browser.run(CHOOSE, vec![json!([["a.jpg", 300_000], [".env", 3], ["b.txt", 10]])]).await;
    browser.until(&told("Not added: .env (a site never serves files of this name)")).await;
    browser.until(&format!("{} && {}", listed("a.jpg"), listed("b.txt"))).await;
    browser.run(DROP, vec![json!("b.txt")]).await;
    browser.until("asked.length === 1 && !document.querySelector('#uploads li')").await;
    let question = browser.run("return asked[0]", vec![]).await;
    for _ in 0..500 {
        if read(&stage, "b.txt").await == "dropped" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let replaced = read(&stage, "b.txt").await;
    browser.run(CHOOSE, vec![json!([["c.bin", 500_000]])]).await;
    browser.until(&told("That is 500 kB, and there is room for 400 kB. Nothing was added.")).await;
    browser.click("[data-path=\"a.jpg\"] [data-do=rename]").await;
    browser.until(&listed("pictures/b c.jpg")).await;
    browser.click("[data-path=\"b.txt\"] [data-do=delete]").await;
    browser.until(&format!("!{}", listed("b.txt"))).await;
    let focused = browser.run("return document.activeElement.id", vec![]).await;
    browser.close().await;
    assert_eq!((question, replaced.as_str(), focused), (json!("There already: b.txt. Replace it?"), "dropped", json!("files-title")));
    let left = stage.get("/api/v1/site").await.json();
    assert_eq!((left["entries"].as_array().unwrap().len(), &left["entries"][0]["size"]), (1, &json!(300_000)));
}
