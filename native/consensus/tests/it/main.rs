//! The engine from outside: rounds among engines in memory, logs and restarts, hostile peers, encodings.

mod codec;
mod floor;
mod intake;
mod replay;
mod rounds;
mod table;
