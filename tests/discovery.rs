//! LAN discovery between real hosts: network namespaces on a bridge, and the loopback interface.
//!
//! A host is this test binary again, started inside a namespace with `--exact <role>` and told by the environment what to do; it prints
//! what it finds and obeys its standard input. Without root or `ip` the namespace tests are skipped, except where `CI=true`.

// A test may fail anywhere, and these measure real time.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod discovery {
    mod attacks;
    mod goop2;
    mod host;
    mod lan;
    mod scenarios;
    mod wire;
}
