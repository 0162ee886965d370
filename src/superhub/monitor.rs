//! What this hub sees of the servers that are listed: it asks each now and then, and what it saw is their `health` (THREATS 37, 38).
//!
//! - `asking`: one question to one address, within every limit.
//! - [`Prober`]: who may be asked now. `round`: which are due, and what becomes of what was seen. `leases`: when leases may end.

mod asking;
mod leases;
mod prober;
mod round;

pub use asking::{Answer, AskError};
pub use prober::Prober;
pub(super) use round::run;
