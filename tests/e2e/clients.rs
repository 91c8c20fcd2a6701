//! The public AWS clients against a real server.
