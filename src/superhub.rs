//! The super hub: a directory of communities. It knows which there are, where they live and how their servers do; it is never in the way of
//! anybody who is in one.

pub mod directory;
