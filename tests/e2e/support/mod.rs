//! Real servers and workers for tests: started, spoken to, killed, and never left behind.
