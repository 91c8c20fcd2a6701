//! The dashboard pages of a real server.
