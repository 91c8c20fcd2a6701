//! Workers: the activity poller, job processes, the lake and the data jobs.

pub mod jobs;
