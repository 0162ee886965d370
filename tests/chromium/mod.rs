//! A real browser, driven by WebDriver.
//!
//! Needs `chromedriver` and Chromium; without them a test is skipped with a message, and fails where `CI=true`. With
//! `GOOP_TEST_SCREENSHOTS=docs/screenshots` the tests also take pictures of the pages there.
#![allow(dead_code, reason = "each test binary uses its part")]

pub(crate) mod payloads;

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use thirtyfour::prelude::*;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How a page is pictured: width and colour scheme.
const LOOKS: [(&str, u32, &str); 4] =
    [("light", 1100, "light"), ("dark", 1100, "dark"), ("phone", 360, "light"), ("phone-dark", 360, "dark")];

/// How long anything may take on a loaded machine.
pub(crate) const SOON: Duration = Duration::from_secs(60);

pub(crate) struct Browser {
    pub(crate) driver: WebDriver,
    driver_url: String,
    process: Child,
    _profile: tempfile::TempDir,
}

/// A driver and its port; `None` where there is none to be had. It takes a free port of IPv6 and then the same of IPv4, and ends where
/// somebody has that: then the next one is tried.
async fn driver() -> Option<(Child, String)> {
    for _ in 0..5 {
        let mut command = Command::new("chromedriver");
        let mut process = command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn().ok()?;
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        while let Some(line) = timeout(SOON, lines.next_line()).await.expect("chromedriver says nothing").unwrap() {
            if let Some((_, port)) = line.strip_suffix('.').and_then(|line| line.rsplit_once("on port ")) {
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                return Some((process, port.to_owned()));
            }
        }
    }
    panic!("chromedriver ends as soon as it is started");
}

impl Browser {
    /// `None` where there is no browser to be had.
    pub(crate) async fn open() -> Option<Self> {
        let Some((process, port)) = driver().await else {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "chromedriver is missing");
            eprintln!("skipped: chromedriver is missing (apt install chromium-driver)");
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        let mut wanted = DesiredCapabilities::chrome();
        let folder = format!("--user-data-dir={}", profile.path().display());
        let quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"];
        for argument in ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", &folder].into_iter().chain(quiet) {
            wanted.add_arg(argument).unwrap();
        }
        let driver_url = format!("http://127.0.0.1:{port}");
        let driver = WebDriver::new(&driver_url, wanted).await.expect("the browser does not start");
        driver.set_script_timeout(SOON).await.unwrap();
        Some(Self { driver, driver_url, process, _profile: profile })
    }

    pub(crate) async fn go(&self, url: &str) {
        self.driver.goto(url).await.unwrap();
    }

    /// Runs `body` as an async function in the page; what it throws comes back as `{"threw": name}`.
    pub(crate) async fn run(&self, body: &str, arguments: Vec<Value>) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1]; const given = [...arguments].slice(0, -1);
             (async (...given) => {{ {body} }})(...given).then(done, (error) => done({{ threw: error.name }}));"
        );
        self.driver.execute_async(script, arguments).await.unwrap().json().clone()
    }

    /// Waits until `condition`, a script, is true in the page. It is asked again and again, since a page that loads itself anew takes a
    /// waiting script with it.
    pub(crate) async fn until(&self, condition: &str) {
        let asked = format!("return Boolean({condition});");
        let met = async {
            while !self.driver.execute(asked.as_str(), vec![]).await.is_ok_and(|answer| *answer.json() == json!(true)) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(SOON, met).await.expect(condition);
    }

    pub(crate) async fn close(mut self) {
        let _ = self.driver.quit().await;
        let _ = self.process.kill().await;
    }

    /// As on a device of this size, in this colour scheme.
    pub(crate) async fn appear(&self, width: u32, height: u32, scheme: &str) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.command("Emulation.setDeviceMetricsOverride", size).await;
        let features =
            json!([{ "name": "prefers-color-scheme", "value": scheme }, { "name": "prefers-reduced-motion", "value": "reduce" }]);
        self.command("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// Clicks on what `selector` names, as soon as it is there.
    pub(crate) async fn click(&self, selector: &str) {
        self.until(&format!("document.querySelector({})", json!(selector))).await;
        self.run("document.querySelector(given[0]).click(); return 1", vec![json!(selector)]).await;
    }

    /// Presses keys, wherever the focus is.
    pub(crate) async fn press(&self, keys: impl Into<TypingData>) {
        self.driver.action_chain().send_keys(keys).perform().await.unwrap();
    }

    /// Takes pictures of the page that is open in these of [`LOOKS`], where somebody asks for them.
    pub(crate) async fn picture(&self, name: &str, looks: &[&str]) {
        let Some(folder) = std::env::var_os("GOOP_TEST_SCREENSHOTS") else { return };
        std::fs::create_dir_all(&folder).unwrap();
        for (look, width, scheme) in LOOKS.into_iter().filter(|(look, ..)| looks.contains(look)) {
            self.appear(width, 740, scheme).await;
            let tall = self.run("await document.fonts.ready; return document.documentElement.scrollHeight", vec![]).await;
            let clip = json!({ "x": 0, "y": 0, "width": width, "height": tall.as_f64().unwrap().min(1500.0), "scale": 1 });
            let taken =
                self.command("Page.captureScreenshot", json!({ "format": "png", "captureBeyondViewport": true, "clip": clip })).await;
            let png = BASE64_STANDARD.decode(taken["data"].as_str().unwrap()).unwrap();
            std::fs::write(Path::new(&folder).join(format!("{name}-{look}.png")), png).unwrap();
        }
    }

    /// A command of the DevTools protocol.
    pub(crate) async fn command(&self, name: &str, parameters: Value) -> Value {
        let url = format!("{}/session/{}/goog/cdp/execute", self.driver_url, self.driver.session_id());
        let answer = reqwest::Client::new().post(url).json(&json!({ "cmd": name, "params": parameters })).send().await.unwrap();
        answer.json::<Value>().await.unwrap()["value"].take()
    }
}

/// What keeps watch in every page that is opened from now on: what a payload would do that runs, or that the page's policy stopped.
const WATCH: &str = "window.told = [];
    for (const name of ['alert', 'confirm', 'prompt', 'print', 'open']) window[name] = () => window.told.push(name);
    addEventListener('securitypolicyviolation', (event) => window.told.push(event.violatedDirective + ' ' + event.blockedURI));";

/// What of a page is not as we write it: handlers in attributes, scripts and frames of others, links that run.
const FOREIGN_MARKUP: &str = "const own = (url) => new URL(url, location).origin === location.origin;
    const wrong = (element) =>
        element.tagName === 'IFRAME' && !element.matches('.shown[sandbox], .looks [sandbox]') || ['OBJECT', 'EMBED', 'BASE', 'STYLE', 'MATH', 'VIDEO', 'AUDIO', 'MARQUEE'].includes(element.tagName.toUpperCase())
        || element.tagName === 'SCRIPT' && !own(element.src || 'x:') || element.tagName === 'IMG' && !own(element.src)
        || [...element.attributes].some(({ name, value }) => name.startsWith('on') || name === 'style'
            || ['href', 'src', 'action', 'formaction', 'xlink:href'].includes(name) && !/^(https?|goop):$/.test(new URL(value, location).protocol));
    return [...document.querySelectorAll('*')].filter(wrong).map((element) => element.outerHTML.slice(0, 200)).concat(window.told)";

impl Browser {
    /// From now on pages are watched; see [`Browser::harm`].
    pub(crate) async fn watch(&self) {
        self.command("Page.addScriptToEvaluateOnNewDocument", json!({ "source": WATCH })).await;
    }

    /// What foreign text has done to the page that is open and watched: nothing, as it should be.
    pub(crate) async fn harm(&self) -> Vec<Value> {
        if self.driver.get_alert_text().await.is_ok() {
            return vec![json!("a dialog is open")];
        }
        self.run(FOREIGN_MARKUP, vec![]).await.as_array().unwrap().clone()
    }

    /// Serious findings of axe on the open page, in both colour schemes; `None` where axe is not installed.
    pub(crate) async fn findings(&self) -> Option<Vec<Value>> {
        let Ok(axe) = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/foreign/js/node_modules/axe-core/axe.min.js"))
        else {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "axe-core is missing");
            eprintln!("skipped: axe-core is missing (cd tests/foreign/js && npm ci)");
            return None;
        };
        let mut all = Vec::new();
        for scheme in ["light", "dark"] {
            self.appear(1100, 800, scheme).await;
            self.driver.execute(format!("{axe}; return 1"), vec![]).await.unwrap();
            let judge = "const { violations } = await axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice'] });
                const grave = violations.filter(({ impact }) => ['serious', 'critical', 'moderate'].includes(impact));
                return grave.map(({ id, nodes }) => [id, nodes.slice(0, 3).map((node) => node.html.slice(0, 200) + ' ' + node.failureSummary)])";
            all.extend(self.run(judge, vec![]).await.as_array().unwrap().clone());
        }
        Some(all)
    }

    /// How far the page is wider than a phone of 360 pixels; where that is not nothing, what is widest.
    pub(crate) async fn too_wide(&self) -> Value {
        self.appear(360, 740, "light").await;
        let widest = "const over = document.documentElement.scrollWidth - document.documentElement.clientWidth;
            if (over <= 0) return 0;
            const wide = [...document.body.querySelectorAll('*')].filter((one) => one.getBoundingClientRect().right > 361);
            return [over, ...wide.slice(0, 5).map((one) => one.outerHTML.slice(0, 150))]";
        self.run(widest, vec![]).await
    }
}
